"""Whether a picture is a near-copy of another: two distances that need no model.

The difference hash (N. Krawetz, "Kind of Like That", 2013) has a bit for each step between
neighbouring cells of a small grey picture, brighter or darker, here along rows and along columns;
it is blind to size, brightness and compression. The mean colour difference of a small picture sees
what the hash does not: another colour, and flat areas, whose bits are noise. A near-copy is near in
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Bits of 128 and shares of the full range. Of 20,000 pairs of different toy products none, and of
# their JPEG, resized and slightly cropped copies nearly all, are within both (docs/images.md).
MOST_BITS = 14
MOST_COLOUR = 0.045
_CELLS, _SIDE = 8, 16


@dataclass(frozen=True, eq=False)
class Look:
    """What of a picture is compared.

    Attributes:
        bits: difference hash, shape (128,), bool.
        small: shape (16, 16, 3), float32, 0 to 1.
    """

    bits: np.ndarray
    small: np.ndarray


def look_of(pixels: np.ndarray) -> Look:
    """The look of a picture.

    Args:
        pixels: shape (height, width, 3), uint8.
    """
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    grey = picture.convert("L")
    bits = []
    for size, axis in (((_CELLS + 1, _CELLS), 1), ((_CELLS, _CELLS + 1), 0)):
        cells = np.asarray(grey.resize(size, Image.Resampling.BOX), np.int16)
        bits.append((np.diff(cells, axis=axis) > 0).ravel())
    small = picture.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return Look(np.concatenate(bits), np.asarray(small, np.float32) / 255)


def distances(one: Look, other: Look) -> tuple[int, float]:
    """Bits that differ, of 128, and the mean difference of colours, 0 to 1."""
    return int((one.bits != other.bits).sum()), float(np.abs(one.small - other.small).mean())


def near_copy(one: Look, other: Look) -> bool:
    """Whether two pictures look alike so much that one could be taken for the other."""
    bits, colour = distances(one, other)
    return bits <= MOST_BITS and colour <= MOST_COLOUR


def copied(pixels: np.ndarray, history: Sequence[np.ndarray]) -> list[int]:
    """Positions in a history of the pictures of which this is a near-copy."""
    if not history:
        return []
    own = look_of(pixels)
    return [number for number, other in enumerate(history) if near_copy(own, look_of(other))]
