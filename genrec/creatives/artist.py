"""Backgrounds from a diffusion model, each for one shopper, many in a batch.

Knows prompts and conditions; knows nothing of products, posters or files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genrec.creatives.picture_options import PictureOptions
from genrec.creatives.provenance import digest
from genrec.prompting import PromptLibrary

if TYPE_CHECKING:
    from genrec.diffusion.picture import Picture, PictureJob
    from genrec.profiles.profile import UserProfile

# How far from a square a small model may paint, and what its sides are multiples of.
_MULTIPLE, _LARGE_MULTIPLE, _LARGE = 8, 64, 512


@dataclass(frozen=True, eq=False)
class Liking:
    """What a shopper likes, as a painter takes it; nothing of it is text.

    Attributes:
        taste: vector of what they chose, shape (dimensions,), float32.
        liked: pictures of it, each (height, width, 3) uint8.
        adapter: a LoRA of their segment.
        history: pictures that must not be copied.
        key: hash of all of it; empty where nothing is known.
    """

    taste: np.ndarray | None = None
    liked: tuple[np.ndarray, ...] = ()
    adapter: str = ""
    history: tuple[np.ndarray, ...] = ()
    key: str = ""

    @staticmethod
    def of(
        taste: np.ndarray | None,
        liked: Sequence[np.ndarray] = (),
        adapter: str = "",
        history: Sequence[np.ndarray] = (),
    ) -> Liking:
        """With its hash. The history decides no pixel and is not in it."""
        if taste is None and not liked and not adapter:
            return Liking(history=tuple(history))
        whole = hashlib.sha256(adapter.encode())
        for array in ([] if taste is None else [taste], list(liked)):
            for one in array:
                whole.update(np.ascontiguousarray(one).tobytes())
        return Liking(taste, tuple(liked), adapter, tuple(history), whole.hexdigest()[:32])


NOBODY = Liking()


@dataclass(frozen=True, eq=False)
class Wish:
    """One background that is wanted.

    Attributes:
        size: width and height that it is for.
        seed: of the first attempt.
    """

    profile: UserProfile | None
    liking: Liking
    size: tuple[int, int]
    seed: int


class Artist:
    """Paints backgrounds.

    Args:
        model: folder or hub name.
    """

    def __init__(self, options: PictureOptions, model: str) -> None:
        from genrec.diffusion.options import DiffusionOptions
        from genrec.diffusion.painter import Painter

        self.options = options
        self.prompts = PromptLibrary()
        self.painter = Painter.load(
            DiffusionOptions(
                name=model,
                scheduler=options.scheduler,
                steps=options.steps,
                guidance=options.guidance,
                batch_size=options.batch_size,
                best_of=options.best_of,
                verifier=options.verifier,
                image_adapter=options.image_adapter,
                image_adapter_file=options.image_adapter_file,
                image_encoder=options.image_encoder,
                adapters=dict(options.adapters),
                safety=options.safety,
                safety_threshold=options.safety_threshold,
                tiny_vae=options.tiny_vae,
                dtype=options.dtype,
                compile=options.compile,
                cache=options.cache,
                cache_threshold=options.cache_threshold,
                slice_attention=options.slice_attention,
                tile_vae=options.tile_vae,
                offload=options.offload,
            )
        )
        self.side = options.side or _own_side(self.painter)

    @property
    def model(self) -> str:
        """As it is told in credentials: the last part of its name, not a path of this machine."""
        return self.painter.options.name.rstrip("/").rsplit("/", 1)[-1]

    @property
    def identity(self) -> dict[str, str]:
        """All that its pictures depend on beside the wish."""
        from genrec.diffusion.words import PERSONAL, PLAIN

        hashes = {name: self.prompts.hash(name) for name in (PLAIN, PERSONAL)}
        return {"painter": self.painter.version, "side": str(self.side), **hashes}

    @property
    def reads_taste(self) -> bool:
        """Whether the model has a profile prefix."""
        return self.painter.prefix is not None

    @property
    def taste_dims(self) -> int:
        """How long the vectors are that its prefix reads; 0 without one."""
        return 0 if self.painter.prefix is None else int(self.painter.prefix.config.dims)

    def paint(
        self,
        wishes: Sequence[Wish],
        *,
        attempt: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Picture]:
        """A background for each wish; each is what it would be alone."""
        jobs = [self.job(wish, attempt=attempt) for wish in wishes]
        return self.painter.paint(jobs, progress=progress)

    def job(self, wish: Wish, *, attempt: int = 0) -> PictureJob:
        """What the painter is asked for."""
        from genrec.diffusion.picture import PictureJob, seed_again
        from genrec.diffusion.words import personal_prompt, scene_prompt

        options = self.options
        width, height = paint_size(self.side, wish.size)
        words = ""
        if options.words and wish.profile is not None and options.intensity:
            words = personal_prompt(self.prompts, options.scene, wish.profile)
        return PictureJob(
            prompt=scene_prompt(self.prompts, options.scene),
            seed=seed_again(wish.seed, attempt * self.options.best_of),
            negative=options.negative,
            width=width,
            height=height,
            personal_prompt=words,
            taste=wish.liking.taste if self.reads_taste else None,
            image_prompts=wish.liking.liked,
            adapter=wish.liking.adapter,
            intensity=options.intensity,
            history=wish.liking.history,
        )


def prompt_hash(job: PictureJob) -> str:
    """A hash of a prompt, which may hold words of what somebody likes."""
    return digest(job.prompt, job.personal_prompt, job.negative)


def paint_size(side: int, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height to paint: about side² pixels, of the shape of sides that is wanted."""
    multiple = _LARGE_MULTIPLE if side >= _LARGE else _MULTIPLE
    ratio = (size[0] / size[1]) ** 0.5
    width, height = (
        max(round(one / multiple), 1) * multiple for one in (side * ratio, side / ratio)
    )
    return width, height


def _own_side(painter: Any) -> int:
    from genrec.diffusion.families import own_side

    return int(own_side(painter.pipe, painter.family))
