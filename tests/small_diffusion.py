"""A toy shop and a small diffusion model of a size that tests can train."""

from pathlib import Path

import numpy as np

from genrec.diffusion.small import (
    SHAPES,
    SmallParts,
    save_small,
    small_parts,
    small_scheduler,
    small_vae,
)

TINY = SHAPES["tiny"]
WORDS = ["a red mug, dots", "a blue lamp, plain", "an empty scene"]


def pictures(count=6, *, width=32, height=32, seed=0):
    """Random pictures, shape (count, 3, height, width), uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3, height, width), np.uint8)


def tiny_parts(*, dims=5, seed=0) -> SmallParts:
    """Untrained parts of the smallest shape."""
    vae = small_vae(TINY, [pictures()], seed=seed)
    return small_parts(TINY, vae, WORDS, vocabulary=600, dims=dims, side=32, seed=seed)


def tiny_folder(folder: Path, *, dims=5) -> Path:
    """A stock folder of untrained parts."""
    save_small(tiny_parts(dims=dims), small_scheduler("v_prediction"), folder, note={})
    return folder
