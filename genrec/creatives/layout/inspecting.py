"""What is looked at before a poster is laid out, and what is measured on the finished one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from genrec.creatives.brief import text_problems
from genrec.creatives.layout.content import TEXTS, Box, Check, Content, PlacedText
from genrec.creatives.layout.legibility import LEAST, cut, least_contrast

_SMALLEST_PICTURE = 16


def content_problems(content: Content) -> list[str]:
    """Everything that keeps a content off any poster, in words."""
    problems = []
    for field in TEXTS:
        text = getattr(content, field)
        if not isinstance(text, str):
            problems.append(f"{field} is {type(text).__name__}; it is a text")
        elif text.strip():
            problems += [f"{field}: {problem}" for problem in text_problems(text)]
    if not str(content.headline).strip():
        problems.append("headline is empty; every ad has one")
    problems += _pixels("picture", content.picture, (3,))
    if content.logo is not None:
        problems += _pixels("logo", content.logo, (3, 4))
    return problems


def _pixels(name: str, pixels: np.ndarray, channels: tuple[int, ...]) -> Iterator[str]:
    wanted = " or ".join(f"(height, width, {number})" for number in channels)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        yield f"{name} is no array of uint8; give it in the shape {wanted}"
    elif pixels.ndim != 3 or pixels.shape[2] not in channels:
        yield f"{name} has the shape {pixels.shape}; give it in the shape {wanted}"
    elif name == "picture" and min(pixels.shape[:2]) < _SMALLEST_PICTURE:
        yield f"{name} has {pixels.shape[1]} x {pixels.shape[0]} pixels; too few to show anything"
    elif min(pixels.shape[:2]) < 1:
        yield f"{name} has no pixels"


def checks_of(texts: tuple[PlacedText, ...], behind: np.ndarray) -> tuple[Check, ...]:
    """Inside its box, readable on what is behind it, and apart from the others: for every text.

    Args:
        behind: the poster without its letters, shape (height, width, 3).
    """
    checks = []
    for one in texts:
        outside = max(
            one.box[0] - one.ink[0],
            one.box[1] - one.ink[1],
            one.ink[2] - one.box[2],
            one.ink[3] - one.box[3],
        )
        checks.append(Check(f"{one.field} outside its box, pixels", outside, 0, outside <= 0))
        red, green, blue = bytes.fromhex(one.colour[1:])
        found = least_contrast(cut(behind, one.ink), (red, green, blue))
        checks.append(Check(f"contrast of {one.field}", found, LEAST, found >= LEAST))
    for one, other in combinations(texts, 2):
        shared = _shared(one.ink, other.ink)
        name = f"pixels that {one.field} and {other.field} share"
        checks.append(Check(name, shared, 0, shared <= 0))
    return tuple(checks)


def _shared(one: Box, other: Box) -> int:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, across) * max(0, down)
