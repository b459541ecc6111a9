"""How a product darkens what is behind and beneath it, in linear light."""

from __future__ import annotations

import numpy as np

from genrec.creatives.product.edges import box_of, images
from genrec.creatives.product.parts import Shadow

# Shadows are not black: the room lights them.
_TINT = np.array([0.16, 0.13, 0.12], np.float32)


def shade(light: np.ndarray, alpha: np.ndarray, shadow: Shadow, *, framed: bool) -> np.ndarray:
    """The background with the product's shadow on it.

    Args:
        light: linear, shape (height, width, 3).
        alpha: the product's cover, shape (height, width), uint8.
        framed: whether it is a framed photo, which only lifts off a little.
    """
    box = box_of(alpha >= 128)
    if box is None:
        return light
    cover = alpha.astype(np.float32) / 255
    tall = box[3] - box[1]
    dark = (
        _behind(cover, tall, strength=0.30 if framed else shadow.cast)
        if framed or not shadow.stands
        else np.maximum(_contact(cover, box, shadow), _cast(cover, box, shadow))
    )
    dark = np.clip(dark, 0, 1)[..., None]
    return light * (1 - dark) + light * _TINT * dark


def _behind(cover: np.ndarray, tall: int, *, strength: float) -> np.ndarray:
    moved = images().shift(cover, (0.035 * tall, 0.012 * tall), order=1)
    return np.asarray(images().gaussian_filter(moved, 0.035 * tall) * strength)


def _contact(cover: np.ndarray, box: tuple[int, int, int, int], shadow: Shadow) -> np.ndarray:
    """A thin dark line where the product touches, and a wider pool of less light around it."""
    height, width = cover.shape
    _, top, _, bottom = box
    tall = bottom - top
    feet = cover[max(0, bottom - max(2, round(0.06 * tall))) : bottom].max(axis=0)
    touching = np.flatnonzero(feet > 0.5)
    if not touching.size:
        return np.zeros_like(cover)
    start, end = touching[0], touching[-1] + 1
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    middle, half = (start + end) / 2, max(2.0, (end - start) / 2)
    dark = np.zeros_like(cover)
    for reach, deep, strength in (
        (1.02, 0.028, shadow.contact),
        (1.16, 0.075, 0.6 * shadow.contact),
    ):
        across = (columns - middle) / (half * reach)
        down = (rows - (bottom - 0.012 * tall)) / max(1.5, deep * tall)
        far = across**2 + down**2
        dark = np.maximum(dark, strength * np.exp(-1.6 * far**1.2))
    return dark


def _cast(cover: np.ndarray, box: tuple[int, int, int, int], shadow: Shadow) -> np.ndarray:
    """The product's outline laid down on the table, away from the light, softer with distance."""
    height, width = cover.shape
    _, top, _, bottom = box
    tall = bottom - top
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    # The table is seen from a little above: a shadow as long as the product looks this short.
    flat = 0.34
    above = (bottom - rows) / flat
    source_row = bottom - above
    source_column = columns - shadow.lean * above / max(flat, 0.1) * 0.5
    laid = images().map_coordinates(cover, [source_row, source_column], order=1)
    laid = np.where(rows <= bottom, laid, 0)
    near = images().gaussian_filter(laid, max(0.8, 0.4 * shadow.softness * tall))
    far = images().gaussian_filter(laid, max(1.0, 1.3 * shadow.softness * tall))
    share = np.clip(above / max(1, tall), 0, 1)
    fade = np.clip(1.05 - 0.75 * share, 0, 1)
    return np.asarray((near * (1 - share) + far * share) * fade * shadow.cast)
