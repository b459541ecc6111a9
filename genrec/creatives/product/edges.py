"""Edges of a cut: how far each pixel lies from it, and the product's own colour under it."""

from __future__ import annotations

from typing import Any

import numpy as np

from genrec.errors import MissingExtra

OPAQUE = 250


def images() -> Any:
    """SciPy's image functions.

    Raises:
        MissingExtra: SciPy is not installed.
    """
    try:
        from scipy import ndimage
    except ModuleNotFoundError as error:
        raise MissingExtra("scipy", "ads", "Cutting out products") from error
    return ndimage


def distance_inside(mask: np.ndarray) -> np.ndarray:
    """How far each pixel of a mask lies from what is outside, in pixels; 0 outside.

    Beyond the picture's edge counts as inside, so that a product cut by it has no edge there.
    """
    padded = np.pad(mask, 1, mode="edge")
    found = images().distance_transform_edt(padded)
    return np.asarray(found[1:-1, 1:-1], np.float32)


def own_colours(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Pixels with the nearest fully covered pixel's colour wherever cover is not full.

    What is seen through an edge is the old background; it would shine as a halo on a new one.
    """
    full = alpha >= OPAQUE
    if full.all() or not full.any():
        return pixels
    nearest = images().distance_transform_edt(~full, return_distances=False, return_indices=True)
    return np.where(full[..., None], pixels, pixels[nearest[0], nearest[1]])


def box_of(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """The smallest box around a mask, ``None`` if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
