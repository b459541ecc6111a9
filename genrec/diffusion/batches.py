"""Jobs to batches: what can be painted together, in any order that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from genrec.diffusion.families import INPUT, TWICE, Family
from genrec.diffusion.picture import PictureJob


@dataclass(frozen=True)
class Shape:
    """What all pictures of a batch share.

    Attributes:
        mode: ``text``, ``start`` or ``mask``.
        strength: how far from the start; 0 without one.
        guided: whether the negative prompt is computed.
        guidance: of models that take one number for a batch; 0 where each row has its own.
    """

    mode: str
    height: int
    width: int
    strength: float
    guided: bool
    guidance: float


def settled(job: PictureJob, *, side: tuple[int, int], guidance: float) -> PictureJob:
    """A job with every default filled in, and without conditions that count nothing.

    Args:
        side: height and width where neither job nor start says.
        guidance: where the job does not say.
    """
    height, width = job.start.shape[:2] if job.start is not None else side
    job = replace(
        job,
        height=job.height or height,
        width=job.width or width,
        guidance=guidance if job.guidance is None else job.guidance,
    )
    if not job.intensity:
        # The same computation as without a user, so the same bits.
        return replace(
            job, personal_prompt="", taste=None, image_prompts=(), adapter="", intensity=1.0
        )
    if not job.image_scale:
        job = replace(job, image_prompts=())
    return replace(job, adapter="") if not job.adapter_scale else job


def shape_of(job: PictureJob, family: Family, steps: int) -> Shape:
    """Jobs of one shape can be painted together."""
    assert job.guidance is not None
    guided = family.guidance != INPUT and job.guidance > 1
    return Shape(
        job.mode,
        job.height,
        job.width,
        # Less than one step is one step; none at all keeps the start.
        max(job.strength, 1 / steps) if job.mode != "text" and job.strength else 0.0,
        guided,
        job.guidance if guided and family.guidance == TWICE else 0.0,
    )


def batches(
    jobs: Sequence[PictureJob], family: Family, *, steps: int, size: int
) -> Iterator[tuple[Shape, list[int]]]:
    """Positions of jobs that are painted together.

    Within a shape, jobs with the same adapter and as many image prompts come together, which keeps
    what a batch shares small.
    """
    by_shape: dict[Shape, list[int]] = {}
    for number, job in enumerate(jobs):
        by_shape.setdefault(shape_of(job, family, steps), []).append(number)
    for shape, numbers in by_shape.items():
        numbers.sort(key=lambda number: (len(jobs[number].image_prompts), jobs[number].adapter))
        for start in range(0, len(numbers), size):
            yield shape, numbers[start : start + size]
