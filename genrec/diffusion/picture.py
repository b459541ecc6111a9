"""What one picture is made from, and the picture. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genrec.bounds import MAX_SEED, SEED, outside

COPY_OF_HISTORY = "copy_of_history"
UNSAFE = "unsafe"
NOT_FINITE = "not_finite"
# Seeds of further attempts at a picture lie this far apart.
_NEXT = 1_000_003


@dataclass(frozen=True, eq=False)
class PictureJob:
    """One picture that is wanted. Each condition on the user is a switch of its own.

    Attributes:
        prompt: what is to be seen, the same for everybody.
        seed: decides the noise; 0 to 2**63 - 1.
        negative: what is not to be seen; works with guidance above 1.
        width, height: in pixels; 0 takes the painter's.
        personal_prompt: the prompt with the user's words in it (``words.personal_prompt``); empty
            for none. Between ``prompt`` and this one lies ``intensity``.
        taste: the user's vector, shape (dimensions,), float32, or None.
        image_prompts: pictures of liked items, each (height, width, 3) uint8.
        image_scale: how much they count.
        adapter: name of a LoRA, such as that of the user's segment; empty for none.
        adapter_scale: how much it counts.
        start: a picture to start from (image to image, inpainting), (height, width, 3) uint8.
        mask: where ``start`` is painted over, (height, width) uint8, 255 = paint here.
        strength: how far from ``start``: 0 keeps it, 1 forgets it.
        guidance: how strongly the prompt pulls; None takes the painter's.
        intensity: scales every condition on the user at once: 0 is the picture without them, to
            the bit; 1 takes them whole.
        history: pictures of the user's history that must not be copied; a near-copy is flagged.
    """

    prompt: str
    seed: int
    negative: str = ""
    width: int = 0
    height: int = 0
    personal_prompt: str = ""
    taste: np.ndarray | None = None
    image_prompts: tuple[np.ndarray, ...] = ()
    image_scale: float = 0.6
    adapter: str = ""
    adapter_scale: float = 1.0
    start: np.ndarray | None = None
    mask: np.ndarray | None = None
    strength: float = 0.8
    guidance: float | None = None
    intensity: float = 1.0
    history: tuple[np.ndarray, ...] = ()

    @property
    def mode(self) -> str:
        """``text``, ``start`` (image to image) or ``mask`` (inpainting)."""
        if self.mask is not None:
            return "mask"
        return "text" if self.start is None else "start"

    def problems(self) -> Iterator[str]:
        """What is wrong with the job whatever the model, all of it."""
        if not self.prompt.strip():
            yield "prompt is empty"
        yield from outside(
            self,
            seed=SEED,
            width="[0, inf)",
            height="[0, inf)",
            intensity="[0, 1]",
            strength="[0, 1]",
            image_scale="[0, inf)",
            adapter_scale="[0, inf)",
            guidance="[0, inf)",
        )
        for name in ("image_prompts", "history"):
            for number, pixels in enumerate(getattr(self, name)):
                if wrong := wrong_pixels(pixels):
                    yield f"{name}[{number}] {wrong}"
        if self.start is not None and (wrong := wrong_pixels(self.start)):
            yield f"start {wrong}"
        elif self.mask is not None:
            yield from self._mask_problems()

    def _mask_problems(self) -> Iterator[str]:
        mask = np.asarray(self.mask)
        if self.start is None:
            yield "there is a mask and no picture under it; give start too"
        elif mask.shape != self.start.shape[:2]:
            yield f"mask has the shape {mask.shape}, start {self.start.shape[:2]}; make them equal"
        if mask.dtype != np.uint8:
            yield f"mask is {mask.dtype}; it must be uint8, 255 = paint here"


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture and what is to be known of it.

    Attributes:
        pixels: shape (height, width, 3), uint8.
        seed: with which it can be made again.
        flags: of ``copy_of_history``, ``unsafe`` and ``not_finite``; never acted upon here.
        model: name of the model.
        note: what the flags rest on, in words.
    """

    pixels: np.ndarray
    seed: int
    flags: tuple[str, ...] = ()
    model: str = ""
    note: str = ""


def seed_again(seed: int, attempt: int) -> int:
    """The seed of a further attempt at a picture; attempt 0 is the first and has its own."""
    return (seed + _NEXT * attempt) % MAX_SEED


def wrong_pixels(pixels: object) -> str:
    """Why these are no pixels, (height, width, 3) uint8; empty if they are."""
    if not isinstance(pixels, np.ndarray):
        return f"is a {type(pixels).__name__}; give an array, (height, width, 3) uint8"
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        return f"has the shape {pixels.shape}; it must be (height, width, 3)"
    if pixels.dtype != np.uint8:
        return f"is {pixels.dtype}; it must be uint8, 0 to 255"
    return ""
