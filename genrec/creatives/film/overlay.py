"""Texts that stand still over a picture that moves, taken from a poster of the layout.

A poster drawn once over black and once over white says of each pixel how much of the picture is
seen through it: ``frame = base + picture * through``. So letters, plates and shades of a template
stand over every frame as they stand over the still picture, its contrast checks included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.errors import InputError

Box = tuple[int, int, int, int]
# A share of 256, so that frames are made in whole numbers.
_ONE = 256


@dataclass(frozen=True, eq=False)
class Overlay:
    """What is drawn over each frame of a scene.

    Attributes:
        base: what is added, shape (height, width, 3), uint16.
        through: how much of the picture is seen, of 256, shape (height, width, 3), uint16.
        box: where the picture lies, in pixels of the film.
    """

    base: np.ndarray
    through: np.ndarray
    box: Box

    @staticmethod
    def none(size: tuple[int, int]) -> Overlay:
        """Nothing over the picture."""
        width, height = size
        shape = (height, width, 3)
        return Overlay(
            np.zeros(shape, np.uint16), np.full(shape, _ONE, np.uint16), (0, 0, width, height)
        )

    @staticmethod
    def between(black: np.ndarray, white: np.ndarray, box: Box) -> Overlay:
        """From one poster over a black and over a white picture.

        Args:
            black: shape (height, width, 3), uint8; likewise ``white``.
            box: where the picture lies in them.

        Raises:
            InputError: they are not of one shape.
        """
        if black.shape != white.shape:
            raise InputError(f"Posters of {black.shape} and {white.shape} are not of one layout.")
        seen = white.astype(np.int32) - black
        through = np.clip(seen * _ONE // 255 + (seen > 0), 0, _ONE)
        # Exactly clear where the picture is seen as it is, and nowhere outside of it.
        through[seen >= 255] = _ONE
        outside = np.ones(black.shape[:2], bool)
        left, top, right, bottom = box
        outside[top:bottom, left:right] = False
        through[outside] = 0
        return Overlay(black.astype(np.uint16), through.astype(np.uint16), box)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.base.shape[1], self.base.shape[0]

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of the picture's box."""
        left, top, right, bottom = self.box
        return right - left, bottom - top

    def over(self, frame: np.ndarray) -> np.ndarray:
        """A finished frame, from one of ``picture_size``; shape (height, width, 3), uint8."""
        left, top, right, bottom = self.box
        made = self.base.copy()
        seen = self.through[top:bottom, left:right] * frame.astype(np.uint16)
        made[top:bottom, left:right] += seen // _ONE
        return np.minimum(made, 255).astype(np.uint8)

    def covered(self) -> np.ndarray:
        """Where letters or plates change the picture, shape (height, width), bool."""
        return np.asarray((self.through != _ONE).any(axis=2))
