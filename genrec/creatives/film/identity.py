"""Whether a frame still shows the same product: how far its colours are from the key frame's.

The product is looked for at every place and at several sizes, so a camera may move and come
closer; a product of another colour, pattern or shape is found nowhere. Light that changes counts
as a difference too. What grows beside the product does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genrec.errors import InputError

_SIDE = 64
# Half a step changes the product's outline by less than half a pixel of the small picture.
_SIZES = tuple(1.03**step for step in range(-8, 12))
# How much a difference of the mean colour weighs against one of single pixels.
_TINT = 2.0
# Fewer pixels of a product say nothing of it.
_FEWEST = 12


class Identity:
    """The product of one key frame.

    Args:
        picture: shape (height, width, 3), uint8.
        product: where it is in there, shape (height, width), bool.

    Raises:
        InputError: the picture shows no product.
    """

    def __init__(self, picture: np.ndarray, product: np.ndarray) -> None:
        self.scale = _SIDE / max(picture.shape[:2])
        small = _shrunk(picture, self.scale)
        # Only what is product through and through; edges mix with the background.
        mask = _shrunk(np.repeat(product[..., None] * np.uint8(255), 3, axis=2), self.scale)[..., 0]
        inside = mask > 0.95
        if inside.sum() < _FEWEST:
            raise InputError("The key frame shows no product, or too small a one to follow.")
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        self._field = 2 * _SIDE
        self._patterns = [self._pattern(small[cut], inside[cut], size) for size in _SIZES]

    def _pattern(
        self, colours: np.ndarray, inside: np.ndarray, size: float
    ) -> tuple[np.ndarray, np.ndarray, float, np.ndarray, np.ndarray]:
        """Spectra of the mask and of the masked colours, their energy, the mask, mean colour."""
        height, width = (max(round(one * size), 1) for one in inside.shape)
        rows = np.minimum(((np.arange(height) + 0.5) / size).astype(int), inside.shape[0] - 1)
        columns = np.minimum(((np.arange(width) + 0.5) / size).astype(int), inside.shape[1] - 1)
        mask = inside[np.ix_(rows, columns)].astype(float)
        shown = _enlarged(colours, (height, width)) * mask[..., None]
        shape = (self._field, self._field)
        return (
            np.conj(np.fft.rfft2(mask, shape)),
            np.conj(np.fft.rfft2(shown, shape, axes=(0, 1))),
            float((shown**2).sum()),
            mask > 0,
            shown.sum((0, 1)) / max(mask.sum(), 1),
        )

    def drift(self, frame: np.ndarray) -> float:
        """How far the product is from itself: 0 is the same, 1 is black against white.

        Args:
            frame: of the key frame's shape of sides, any size, uint8.
        """
        small = _shrunk(frame, _SIDE / max(frame.shape[:2]))
        height, width = small.shape[:2]
        shape = (self._field, self._field)
        spectra = np.fft.rfft2(small, shape, axes=(0, 1))
        squares = np.fft.rfft2((small**2).sum(2), shape)
        best, tint = np.inf, 0.0
        for mask, shown, energy, inside, mean in self._patterns:
            pixels, (tall, wide) = int(inside.sum()), inside.shape
            if tall > height or wide > width or pixels < _FEWEST:
                continue
            here = np.fft.irfft2(squares * mask, shape)
            cross = np.fft.irfft2((spectra * shown).sum(2), shape)
            places = (here - 2 * cross)[: height - tall + 1, : width - wide + 1]
            apart = max(float(places.min()) + energy, 0.0) / (3 * pixels)
            if apart < best:
                best = apart
                y, x = np.unravel_index(int(places.argmin()), places.shape)
                found = small[y : y + tall, x : x + wide][inside].mean(0)
                tint = float(np.sqrt(((found - mean) ** 2).mean()))
        if not np.isfinite(best):
            return 1.0
        # A pattern that lies half a pixel aside differs in places, not in its mean; a product of
        # another colour differs in both.
        return max(float(np.sqrt(best)), _TINT * tint)

    def drifts(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """Of each frame, shape (frames,)."""
        return np.array([self.drift(frame) for frame in frames])


def _shrunk(pixels: np.ndarray, scale: float) -> np.ndarray:
    """A small copy, each pixel the mean of those that it stands for, 0 to 1, float."""
    from PIL import Image

    height, width = (max(round(one * scale), 1) for one in pixels.shape[:2])
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize(
        (width, height), Image.Resampling.BOX
    )
    return np.asarray(image, float) / 255


def _enlarged(colours: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    channels = [
        Image.fromarray(colours[..., one].astype(np.float32)).resize(
            (size[1], size[0]), Image.Resampling.BILINEAR
        )
        for one in range(3)
    ]
    return np.stack([np.asarray(one, float) for one in channels], axis=2)
