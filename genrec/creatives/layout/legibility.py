"""Whether text can be read on what is really behind it, and the least veil that makes it so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.creatives.colour import Rgb, contrast, luminance
from genrec.creatives.layout.content import Box

# WCAG 2.2, success criterion 1.4.3, for text of any size.
LEAST = 4.5
# What is aimed at, so that rounding of mixed pixels never falls below.
_WANTED = 4.7
VEILS = (0.0, 0.25, 0.4, 0.5, 0.6, 0.7, 0.78, 0.86, 0.93, 1.0)


@dataclass(frozen=True)
class Veil:
    """A colour laid over a picture so that text in ``ink`` can be read on it."""

    ink: Rgb
    colour: Rgb
    opacity: float


def least_contrast(pixels: np.ndarray, ink: Rgb) -> float:
    """The lowest contrast of an ink with any of the pixels, shape (..., 3)."""
    if not pixels.size:
        return 21.0
    behind = luminance(pixels)
    own = float(luminance(np.array(ink, np.uint8)))
    return float(min(contrast(behind.min(), own), contrast(behind.max(), own)))


def choose_ink(pixels: np.ndarray, inks: tuple[Rgb, Rgb]) -> Veil:
    """The ink that needs the thinner veil over these pixels; the veil is of the other ink."""
    choices = []
    for ink, other in (inks, inks[::-1]):
        for opacity in VEILS:
            if least_contrast(veiled(pixels, other, opacity), ink) >= _WANTED:
                choices.append((opacity, -least_contrast(pixels, ink), ink, other))
                break
    opacity, _, ink, other = min(choices)
    return Veil(ink, other, opacity)


def veiled(pixels: np.ndarray, colour: Rgb, opacity: float) -> np.ndarray:
    """Pixels with a colour laid over them."""
    mixed = pixels * (1 - opacity) + np.array(colour) * opacity
    return np.floor(mixed + 0.5).astype(np.uint8)


def cut(pixels: np.ndarray, box: tuple[float, ...], *, margin: float = 0) -> np.ndarray:
    """The part of the pixels in a box, widened by a margin."""
    left, top, right, bottom = spread(box, margin, pixels.shape[1], pixels.shape[0])
    return pixels[top:bottom, left:right]


def spread(box: tuple[float, ...], margin: float, width: int, height: int) -> Box:
    """A box widened and rounded outwards, inside of a picture."""
    return (
        max(0, int(np.floor(box[0] - margin))),
        max(0, int(np.floor(box[1] - margin))),
        min(width, int(np.ceil(box[2] + margin))),
        min(height, int(np.ceil(box[3] + margin))),
    )


def union(boxes: list[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    """The smallest box around some."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
