"""Whether a picture is a near-copy of another: two distances that need no model.

The difference hash (N. Krawetz, "Kind of Like That", 2013) has a bit for each step between
neighbouring cells of a small grey picture, brighter or darker, here along rows and along columns;
it is blind to size, brightness and compression. The share of changed cells counts the cells of a
small picture whose colour is another: it sees what the hash does not, another colour and small
things on flat ground, whose bits are noise. A near-copy is near in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Of 7,140 pairs of different toy products none is within both; all their compressed, smaller,
# noisy and 5 % darker copies are. Cropped and shifted copies mostly are not (docs/images.md).
MOST_BITS = 14
MOST_CHANGED = 0.04
_CELLS, _SIDE, _SAME_COLOUR = 8, 32, 0.1


@dataclass(frozen=True, eq=False)
class Look:
    """What of a picture is compared.

    Attributes:
        bits: difference hash, shape (128,), bool.
        small: shape (32, 32, 3), float32, 0 to 1.
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
    """Bits that differ, of 128, and the share of cells with another colour, 0 to 1."""
    changed = np.abs(one.small - other.small).max(axis=-1) > _SAME_COLOUR
    return int((one.bits != other.bits).sum()), float(changed.mean())


def near_copy(one: Look, other: Look) -> bool:
    """Whether two pictures look alike so much that one could be taken for the other."""
    bits, changed = distances(one, other)
    return bits <= MOST_BITS and changed <= MOST_CHANGED


def copied(pixels: np.ndarray, history: Sequence[np.ndarray]) -> list[int]:
    """Positions in a history of the pictures of which this is a near-copy."""
    if not history:
        return []
    own = look_of(pixels)
    return [number for number, other in enumerate(history) if near_copy(own, look_of(other))]
