"""Pictures for many people at once, each as it would be alone.

diffusers' own pipelines do the painting. What they take once for a batch (guidance, scale of the
image prompt, LoRA) is put in for each row by ``row_conditions`` and ``row_adapters``; what they
take by row (prompt, image prompt, noise) is encoded by ``encoding``, each distinct one once.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import torch

from genrec.diffusion.batches import Shape, batches, settled
from genrec.diffusion.copies import copied
from genrec.diffusion.encoding import Encodings
from genrec.diffusion.families import INPUT, TWICE, own_side, side_multiple
from genrec.diffusion.loading import (
    load_pipeline,
    load_prefix,
    load_verifier,
    model_version,
)
from genrec.diffusion.options import DiffusionOptions
from genrec.diffusion.picture import (
    COPY_OF_HISTORY,
    NOT_FINITE,
    UNSAFE,
    Picture,
    PictureJob,
    seed_again,
)
from genrec.diffusion.row_adapters import RowAdapters
from genrec.diffusion.row_conditions import SHARED_SCALE, RowGuidance, RowImages
from genrec.diffusion.safety import safety_check
from genrec.diffusion.small import model_place
from genrec.errors import ConfigError, InputError, nearest

LOG = logging.getLogger(__name__)
Progress = Callable[[int, int], None]
# A picture that shows each detail so surely is what was asked for.
SURE = 0.8
_MODES = {"start": "AutoPipelineForImage2Image", "mask": "AutoPipelineForInpainting"}


class Painter:
    """A diffusion model that paints any mix of jobs.

    Args:
        options: which model, and how it works.

    Raises:
        ConfigError: the model or a part of it cannot be loaded or does not fit.
        ArtefactError: its profile prefix cannot be read.
        MissingExtra: a package is missing.
    """

    def __init__(self, options: DiffusionOptions) -> None:
        options = replace(options, name=model_place(options.name))
        self.options = options
        self.pipe, self.family = load_pipeline(options)
        self._denoiser = getattr(self.pipe, self.family.denoiser)
        parts = [
            part for part in self.pipe.components.values() if isinstance(part, torch.nn.Module)
        ]
        self._adapters = RowAdapters(parts)
        self._guidance = RowGuidance(self._denoiser, self.family, self.pipe)
        self._images = RowImages(self._denoiser)
        self.prefix = load_prefix(options)
        self.verifier = load_verifier(options)
        self._encodings = self._new_encodings()
        if self.prefix is not None:
            self._fit_prefix()
        self._safety = safety_check(options.safety)
        self._pipes: dict[str, Any] = {"text": self.pipe}
        self._lock = Lock()

    @classmethod
    def load(cls, options: DiffusionOptions) -> Painter:
        """The painter of a model."""
        return cls(options)

    @cached_property
    def version(self) -> str:
        """A hash of all that decides a picture beside its job: weights, steps, scheduler, …"""
        return model_version(self.options, self.pipe)

    @property
    def encoded(self) -> int:
        """Texts and image prompts that were encoded so far."""
        return self._encodings.encoded

    def paint(
        self, jobs: Sequence[PictureJob], *, progress: Progress | None = None
    ) -> list[Picture]:
        """A picture for each job, in the order of the jobs.

        With ``best_of`` above 1, those that are not surely what was asked for are painted
        again with another seed, and each job's best picture is kept; one with a flag is the last
        choice. Its ``seed`` is the one that made it.

        Args:
            jobs: of any mix of sizes, modes and conditions.
            progress: called with pictures done and pictures in all, anew in each attempt.

        Raises:
            InputError: jobs that cannot be painted by this model; all of them, before any is.
        """
        self._refuse(jobs)
        kept = self._painted(jobs, progress)
        if self.verifier is None:
            return kept
        verdicts = [self._verdict(*pair) for pair in zip(kept, jobs, strict=True)]
        for attempt in range(1, self.options.best_of):
            again = [number for number, one in enumerate(verdicts) if not one[0]]
            if not again:
                break
            asked = [
                replace(jobs[number], seed=seed_again(jobs[number].seed, attempt))
                for number in again
            ]
            for number, picture in zip(again, self._painted(asked, progress), strict=True):
                verdict = self._verdict(picture, jobs[number])
                if verdict > verdicts[number]:
                    kept[number], verdicts[number] = picture, verdict
        return kept

    def _verdict(self, picture: Picture, job: PictureJob) -> tuple[bool, bool, float]:
        """Whether a picture is good enough; whether it has no flag; how good it is."""
        assert self.verifier is not None
        scores = self.verifier.scores(picture.pixels, job)
        clean = not picture.flags
        return clean and bool((scores >= SURE).all()), clean, float(scores.mean())

    def _painted(self, jobs: Sequence[PictureJob], progress: Progress | None) -> list[Picture]:
        """One attempt at each job."""
        side = (
            self.options.height or own_side(self.pipe, self.family),
            self.options.width or own_side(self.pipe, self.family),
        )
        ready = [settled(job, side=side, guidance=self.options.guidance) for job in jobs]
        size = 1 if self.options.cache == "first-block" else self.options.batch_size
        found: dict[int, Picture] = {}
        with self._lock, torch.inference_mode():
            plan = batches(ready, self.family, steps=self.options.steps, size=size)
            for shape, numbers in plan:
                painted = self._paint(shape, [ready[number] for number in numbers])
                checked = self._checked(painted, [jobs[number] for number in numbers])
                found.update(zip(numbers, checked, strict=True))
                if progress is not None:
                    progress(len(found), len(jobs))
        return [found[number] for number in range(len(jobs))]

    def _paint(self, shape: Shape, jobs: Sequence[PictureJob]) -> np.ndarray:
        """Pixels of one batch, shape (jobs, height, width, 3), float32, 0 to 1 or not finite."""
        if shape.mode != "text" and not shape.strength:
            return np.stack([np.asarray(job.start, np.float32) / 255 for job in jobs])
        pipe = self._pipe(shape.mode)
        takes = inspect.signature(pipe.__call__).parameters
        given: dict[str, Any] = self._encodings.conditions(jobs, guided=shape.guided)
        if shape.guided and "negative_prompt" in takes:
            # Sana's own is an empty text, which it will not have beside an encoded one.
            given["negative_prompt"] = None
        embeds = self._encodings.image_prompts(jobs, guided=shape.guided)
        given |= {
            "num_inference_steps": self.options.steps,
            "output_type": "pt",
            # On the CPU, so that a seed means the same noise on every machine.
            "generator": [torch.Generator("cpu").manual_seed(job.seed) for job in jobs],
        }
        given |= self._guidance_of(shape)
        if "height" in takes:
            given |= {"height": shape.height, "width": shape.width}
        if "use_resolution_binning" in takes:
            given["use_resolution_binning"] = False
        if shape.mode != "text":
            given |= {"image": _tensors(job.start for job in jobs), "strength": shape.strength}
        if shape.mode == "mask":
            given["mask_image"] = _tensors(job.mask for job in jobs)
        scales = [job.image_scale * job.intensity if job.image_prompts else 0.0 for job in jobs]
        if embeds is not None:
            # The pipeline wants to see some; the rows' own replace them on the way to the UNet.
            given["ip_adapter_image_embeds"] = [embeds[: 1 + shape.guided]]
            # A scale of 0 for all leaves the whole branch out.
            self.pipe.set_ip_adapter_scale(1.0 if any(scales) else 0.0)
        with ExitStack() as rows:
            rows.enter_context(self._guidance.rows([job.guidance or 0.0 for job in jobs]))
            rows.enter_context(self._images.rows(scales, embeds))
            rows.enter_context(
                self._adapters.rows(
                    [job.adapter for job in jobs],
                    [job.adapter_scale * job.intensity for job in jobs],
                )
            )
            painted = pipe(**given).images
        pixels = painted.float().permute(0, 2, 3, 1).cpu().numpy()
        if shape.mode == "mask":
            pixels = _laid_over(pixels, jobs)
        return pixels

    def _guidance_of(self, shape: Shape) -> dict[str, Any]:
        if self.family.guidance == INPUT:
            # Overwritten for each row on its way into the transformer.
            return {"guidance_scale": 1.0}
        if self.family.guidance == TWICE:
            return {self.family.guidance_key: shape.guidance if shape.guided else 1.0}
        embeds = getattr(self._denoiser.config, "time_cond_proj_dim", None) is not None
        return {"guidance_scale": SHARED_SCALE if shape.guided or embeds else 1.0}

    def _checked(self, painted: np.ndarray, jobs: Sequence[PictureJob]) -> list[Picture]:
        finite = np.isfinite(painted).all(axis=(1, 2, 3))
        # As diffusers makes files of its pictures.
        pixels = (np.nan_to_num(painted).clip(0, 1) * 255).round().astype(np.uint8)
        unsafe = self._safety(list(pixels)) if self._safety is not None else [0.0] * len(jobs)
        found = []
        for own, job, whole, risk in zip(pixels, jobs, finite, unsafe, strict=True):
            flags, notes = [], []
            if not whole:
                flags.append(NOT_FINITE)
                notes.append("the model computed no number; take dtype: float32 or bfloat16")
            if risk >= self.options.safety_threshold and self._safety is not None:
                flags.append(UNSAFE)
                # Not the path of a folder on this machine: notes go into reports.
                notes.append(
                    f"{self.options.safety.rstrip('/').rpartition('/')[2]} gives it {risk:.2f}"
                )
            if copies := copied(own, job.history):
                flags.append(COPY_OF_HISTORY)
                notes.append(f"a near-copy of history {', '.join(map(str, copies))}")
            found.append(Picture(own, job.seed, tuple(flags), self.options.name, "; ".join(notes)))
        return found

    def _refuse(self, jobs: Sequence[PictureJob]) -> None:
        problems = [
            f"job {number}: {problem}"
            for number, job in enumerate(jobs)
            for problem in (*job.problems(), *self._misfits(job))
        ]
        if problems:
            raise InputError(f"{self.options.name} cannot paint these jobs as they are.", problems)

    def _misfits(self, job: PictureJob) -> Iterator[str]:
        """What of a job this model cannot do."""
        multiple = side_multiple(self.pipe, self.family)
        shape = job.start.shape if isinstance(job.start, np.ndarray) else (0, 0)
        for name, start in zip(("height", "width"), shape, strict=False):
            side = getattr(job, name) or start
            if side % multiple:
                yield f"{name} is {side}; sizes are multiples of {multiple} with {self.family.name}"
            if start and side != start:
                yield f"{name} is {side} and that of start {start}; resize start"
        known = self.options.adapters
        if job.adapter and job.adapter not in known:
            yield f"there is no adapter '{job.adapter}'; {nearest(job.adapter, known)}"
        if job.image_prompts and not self.options.image_adapter:
            yield "there are image prompts, and no image_adapter was loaded that reads them"
        if job.taste is not None:
            yield from self._taste_problems(np.asarray(job.taste))
        if job.mode != "text" and self._mode_class(job.mode) is None:
            yield f"{self.family.name} only paints from text; leave start and mask out"

    def _taste_problems(self, taste: np.ndarray) -> Iterator[str]:
        if self.prefix is None:
            yield "there is a taste, and the model has no profile prefix that reads it"
        elif taste.shape != (self.prefix.config.dims,):
            dims = self.prefix.config.dims
            yield f"taste has the shape {taste.shape}; the model's prefix reads ({dims},)"
        elif not np.isfinite(taste).all():
            yield "taste has values that are not finite"
        elif not np.any(taste):
            yield "taste is zero, which has no direction; leave it out"

    def _mode_class(self, mode: str) -> Any:
        from diffusers.pipelines import auto_pipeline

        table = {
            "start": auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
            "mask": auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING,
        }[mode]
        return next(
            (
                table.get(key)
                for key, known in auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING.items()
                if known is type(self.pipe)
            ),
            None,
        )

    def _pipe(self, mode: str) -> Any:
        """The pipeline of a mode, of the same parts."""
        if mode not in self._pipes:
            import diffusers

            pipe = getattr(diffusers, _MODES[mode]).from_pipe(self.pipe)
            pipe.set_progress_bar_config(disable=True)
            self._pipes[mode] = pipe
        return self._pipes[mode]

    def _new_encodings(self) -> Encodings:
        return Encodings(
            self.pipe,
            self.family,
            self.prefix,
            self._adapters,
            keep=self.options.encoded_prompts,
            batch_size=self.options.batch_size,
        )

    def _fit_prefix(self) -> None:
        assert self.prefix is not None
        with torch.inference_mode():
            hidden = self._encodings.hidden
        if self.prefix.config.hidden != hidden:
            raise ConfigError(
                f"The profile prefix makes tokens of width {self.prefix.config.hidden}; "
                f"'{self.options.name}' reads prompts of width {hidden}. Train one for this model."
            )
        self.prefix.to(self.pipe._execution_device)


def _tensors(pictures: Iterator[np.ndarray | None]) -> torch.Tensor:
    """Pictures or masks as diffusers reads them, shape (pictures, channels, height, width)."""
    arrays = [np.atleast_3d(np.asarray(pixels, np.float32)) / 255 for pixels in pictures]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()


def _laid_over(painted: np.ndarray, jobs: Sequence[PictureJob]) -> np.ndarray:
    """Painted pixels where the mask says so, by its share; the start's own everywhere else."""
    starts = np.stack([np.asarray(job.start, np.float32) / 255 for job in jobs])
    masks = np.stack([np.asarray(job.mask, np.float32) / 255 for job in jobs])[..., None]
    return np.where(masks > 0, starts + masks * (painted - starts), starts)
