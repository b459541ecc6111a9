"""Reads what a picture of the toy shop shows, by knowing how such pictures are drawn.

It shares neither weights nor training pictures with any model: kinds are told by their outlines
as ``toy_pictures`` draws them, colours by the straight line from a colour to its pale pattern,
patterns by how brightness varies along rows and columns of the cloth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from genrec.data.toy_pictures import (
    _HUNG,
    COLOURS,
    PATTERNS,
    SHAPES,
    SIZE,
    _background,
    _Canvas,
    _light,
)

# Side at which pictures are read: an even part of the drawing's own.
SIDE = 80
# Steps of colour, of 255, from the wall or table that are seen as a product.
_SEEN = 26.0
_SHIFT = 3
# Share of the variance of brightness that rows, or rows and columns, explain in a pattern; and what
# columns add to rows: at most .013 in stripes and at least .316 in checks, clean or blurred.
_ROWS, _BOTH, _COLUMNS = 0.60, 0.68, 0.15
# Spread of the paleness of cloth below which it is plain.
_PLAIN = 0.13


@dataclass(frozen=True)
class Seen:
    """What a picture shows.

    Attributes:
        kind, colour, pattern: the nearest of what the toy shop draws.
        kind_fit: overlap of the outline with that of the kind, 0 to 1.
        colour_error: mean distance of the cloth from the colour's line, in steps of 255.
        pattern_gap: how far the figure that decides the pattern lies from the nearest border.
    """

    kind: str
    colour: str
    pattern: str
    kind_fit: float
    colour_error: float
    pattern_gap: float

    @property
    def sure(self) -> bool:
        """Whether the picture shows a product of the shop, and not only the nearest one to it."""
        return self.kind_fit > 0.75 and self.colour_error < 30


def read_picture(pixels: np.ndarray) -> Seen:
    """Kind, colour and pattern of the product that a picture shows.

    Args:
        pixels: shape (height, width, 3), uint8; read at 80 x 80.
    """
    seen = _at_side(pixels)
    outline = _outline(seen)
    kind, fit = _kind(outline)
    _, body, light = _template(kind)
    colour, error, paleness = _colour(seen, body, light)
    pattern, gap = _pattern(paleness, body)
    return Seen(kind, colour, pattern, fit, error, gap)


def _at_side(pixels: np.ndarray) -> np.ndarray:
    from PIL import Image

    square = Image.fromarray(pixels).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(square, float)


def _outline(seen: np.ndarray) -> dict[bool, np.ndarray]:
    """What differs from the wall (False) or from the wall and a table (True), (side, side) bool."""
    found: dict[bool, np.ndarray] = {}
    for table in (False, True):
        ground = _ground(table=table)
        # The wall's tint is the same everywhere: what the upper corners and sides have of it.
        rim = np.concatenate([(seen - ground)[:8, :8], (seen - ground)[:8, -8:]]).reshape(-1, 3)
        difference = seen - ground - np.median(rim, axis=0)
        if table:
            # A shadow darkens the table all alike; a product has colour, or is far darker.
            shade = np.clip(-difference.mean(axis=2), 0, 60)[..., None]
            shaded = np.abs(difference + shade).max(axis=2)
            low = np.arange(SIDE)[:, None] > 0.74 * SIDE
            plain = np.abs(difference).max(axis=2)
            found[table] = np.where(low, shaded > 14, plain > _SEEN) | (plain > 75)
        else:
            found[table] = np.abs(difference).max(axis=2) > _SEEN
    return found


def _kind(outline: dict[bool, np.ndarray]) -> tuple[str, float]:
    fits = {}
    for kind in SHAPES:
        drawn, _, _ = _template(kind)
        own = outline[kind not in _HUNG]
        fits[kind] = max(
            _overlap(np.roll(own, (down, across), (0, 1)), drawn)
            for down in range(-_SHIFT, _SHIFT + 1, 1)
            for across in range(-_SHIFT, _SHIFT + 1, 1)
        )
    best = max(fits, key=lambda kind: fits[kind])
    return best, fits[best]


def _overlap(ours: np.ndarray, drawn: np.ndarray) -> float:
    return float((ours & drawn).sum() / max((ours | drawn).sum(), 1))


def _colour(seen: np.ndarray, body: np.ndarray, light: np.ndarray) -> tuple[str, float, np.ndarray]:
    """The colour whose line to its pale pattern passes nearest, and how pale each place is."""
    cloth = seen[body] / light[body][:, None]
    best: tuple[str, float, np.ndarray] = ("", np.inf, np.zeros(0))
    for name, value in COLOURS.items():
        base = np.array(value, float)
        line = (255 - base) * 0.72
        along = np.clip((cloth - base) @ line / (line @ line), 0, 1)
        error = float(np.linalg.norm(cloth - base - along[:, None] * line, axis=1).mean())
        if error < best[1]:
            best = (name, error, along)
    return best


def _pattern(paleness: np.ndarray, body: np.ndarray) -> tuple[str, float]:
    spread = float(paleness.std())
    if spread < _PLAIN:
        return PATTERNS[0], _PLAIN - spread
    rows, columns = np.nonzero(body)
    total = float(paleness.var())
    by_row = _explained(paleness, rows) / total
    left = paleness - _means(paleness, rows)
    by_column = _explained(left, columns) / total
    both = by_row + by_column
    if by_row > _ROWS and by_column < _COLUMNS:
        return "stripes", min(by_row - _ROWS, _COLUMNS - by_column)
    if both > _BOTH:
        return "checks", both - _BOTH
    return "dots", _BOTH - both


def _means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    counts = np.bincount(groups, minlength=SIDE)
    sums = np.bincount(groups, values, SIDE)
    return (sums / np.maximum(counts, 1))[groups]


def _explained(values: np.ndarray, groups: np.ndarray) -> float:
    return float(_means(values, groups).var())


@cache
def _ground(*, table: bool) -> np.ndarray:
    return _reduced(_background(SIZE, np.zeros(3), table=table))


@cache
def _template(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outline, inside of the cloth, and its light, each (side, side)."""
    trim, body, dark = (_Canvas(SIZE) for _ in range(3))
    SHAPES[kind](trim, body, dark)
    whole = np.maximum(np.asarray(trim.image), np.asarray(body.image))
    cloth = np.where(np.asarray(dark.image) > 0, 0, np.asarray(body.image))
    inside = _reduced(cloth) > 250
    # Off its rim, where it mixes with what is behind.
    for axis in (0, 1):
        inside &= np.roll(inside, 1, axis) & np.roll(inside, -1, axis)
    return _reduced(whole) > 127, inside, _reduced(_light(body, 0.34))


def _reduced(values: np.ndarray) -> np.ndarray:
    """Means over squares, down to SIDE."""
    step = SIZE // SIDE
    shape = (SIDE, step, SIDE, step, *values.shape[2:])
    reduced: Any = np.asarray(values, float).reshape(shape).mean((1, 3))
    return np.asarray(reduced)
