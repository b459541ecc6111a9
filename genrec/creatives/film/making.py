"""Scenes to a film: moved by rule, or by a model whose frames are checked before they are shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from genrec.creatives.film.identity import Identity
from genrec.creatives.film.motion import WHOLE, Move, moved
from genrec.creatives.film.mux import encode
from genrec.creatives.film.options import FilmOptions
from genrec.creatives.film.scenes import Scene, frames_of_shots
from genrec.errors import InputError
from genrec.workspace import storage_errors

MOVED = "pan and zoom"
# Seconds in which one scene turns into the next.
_DISSOLVE = 0.25


class Animator(Protocol):
    """Makes a still picture move."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def identity(self) -> dict[str, str]:
        """All that its frames depend on beside the scene."""

    def animate(self, scene: Scene, *, frames: int, seed: int) -> list[np.ndarray]:
        """So many frames of the scene's picture, each of its shape, uint8."""


@dataclass(frozen=True)
class SceneCheck:
    """How one scene was made, and how far its product drifted.

    Attributes:
        role: of the scene.
        frames: how many it has.
        made_by: a model's name, or ``pan and zoom``.
        drift: the worst of the frames that are shown.
        rejected: frames of a model that were not shown.
        rejected_drift: the worst of those.
    """

    role: str
    frames: int
    made_by: str
    drift: float
    rejected: int = 0
    rejected_drift: float = 0.0


@dataclass(frozen=True, eq=False)
class Film:
    """A finished film, in memory.

    Attributes:
        content: an MP4.
        still: a frame of the last scene with all its texts, shape (height, width, 3), uint8.
        notes: what fell back, in words.
    """

    content: bytes
    codec: str
    encoder: str
    frames: int
    fps: int
    size: tuple[int, int]
    checks: tuple[SceneCheck, ...]
    still: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return self.frames / self.fps

    def save(self, path: Path) -> Path:
        """Writes the film as a whole or not at all.

        Raises:
            StorageError: the disk is full or cannot be written.
        """
        temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(self.content)
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        return path


def make_film(
    scenes: Sequence[Scene],
    options: FilmOptions,
    *,
    seed: int = 0,
    animator: Animator | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Film:
    """The film of these scenes.

    Args:
        animator: moves the pictures; ``None`` moves a window over them. A scene in which it
            changes the product is made without it.

    Raises:
        InputError: no scenes, or overlays of another size than the film.
    """
    wrong = [scene.shot.role for scene in scenes if scene.overlay.size != options.size]
    if not scenes or wrong:
        raise InputError(
            f"A film of {options.size} needs scenes of that size; "
            f"{', '.join(wrong) if wrong else 'there are none'}."
        )
    counts = frames_of_shots([scene.shot for scene in scenes], options.frames)
    checks: list[SceneCheck] = []
    still: list[np.ndarray] = []

    def finished() -> Iterator[np.ndarray]:
        before: np.ndarray | None = None
        made: np.ndarray | None = None
        dissolve = max(round(_DISSOLVE * options.fps), 1)
        done = 0
        for number, (scene, count) in enumerate(zip(scenes, counts, strict=True)):
            shown, check = _frames(scene, count, options, seed=seed + number, animator=animator)
            checks.append(check)
            last = before
            for place, frame in enumerate(shown):
                before = frame
                if last is not None and place < dissolve and last.shape == frame.shape:
                    # Pictures turn into each other; words do not, or both would be unreadable.
                    frame = _mixed(last, frame, (place + 1) / (dissolve + 1))
                made = scene.overlay.over(frame)
                done += 1
                progress(done, options.frames)
                yield made
        if made is not None:
            still.append(made)

    made = encode(finished(), size=options.size, fps=options.fps, codec=options.codec)
    return Film(
        made.content,
        made.codec,
        made.encoder,
        made.frames,
        made.fps,
        made.size,
        tuple(checks),
        still[0],
        tuple(_notes(checks, options)),
    )


def _notes(checks: Sequence[SceneCheck], options: FilmOptions) -> Iterator[str]:
    for check in checks:
        if check.rejected:
            yield (
                f"film: in {check.rejected} of {check.frames} frames of the {check.role} the "
                f"product drifted by up to {check.rejected_drift:.2f} (limit {options.drift:g}); "
                f"the scene is shown by {check.made_by}"
            )


def _frames(
    scene: Scene, count: int, options: FilmOptions, *, seed: int, animator: Animator | None
) -> tuple[Iterator[np.ndarray], SceneCheck]:
    size = scene.overlay.picture_size
    by_rule = moved(scene.picture, scene.shot.move, size=size, frames=count)
    # A window that glides over a picture changes nothing in it; there is nothing to look for.
    plain = SceneCheck(scene.shot.role, count, MOVED, 0.0)
    if animator is None or not count:
        return by_rule, plain
    identity = Identity(scene.picture, scene.product)
    animated = animator.animate(scene, frames=count, seed=seed)
    drifts = identity.drifts(animated)
    rejected = int((drifts > options.drift).sum())
    if rejected:
        # The whole scene: a frame of another kind among the others would jump.
        return by_rule, SceneCheck(
            scene.shot.role, count, MOVED, 0.0, rejected, float(drifts.max())
        )
    fitted = (next(moved(frame, Move(WHOLE, WHOLE), size=size, frames=1)) for frame in animated)
    return fitted, SceneCheck(scene.shot.role, count, animator.name, float(drifts.max()))


def _mixed(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    weight = round(share * 256)
    mixed = before.astype(np.uint16) * (256 - weight) + after.astype(np.uint16) * weight
    return (mixed // 256).astype(np.uint8)
