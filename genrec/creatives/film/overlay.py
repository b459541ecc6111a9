"""Texts that stand still over a picture that moves, taken from a poster of the layout.

A poster is graphics with alpha over a picture in its place, so a frame is the same graphics over a
moved picture: ``frame = base + picture * through``. Letters, plates and shades stand over every
frame as they stand over the still one. Everything here is linear, so a poster may be scaled to a
film's size before its picture is put in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Box = tuple[int, int, int, int]
# A share of 256, so that frames are made in whole numbers.
_ONE = 256


@dataclass(frozen=True, eq=False)
class Overlay:
    """What is drawn over each frame of a scene.

    Attributes:
        base: what is added, shape (height, width, 3), uint16.
        through: how much of the picture is seen, of 256, shape (height, width, 1), uint16.
        box: where the picture lies, in pixels of the film.
    """

    base: np.ndarray
    through: np.ndarray
    box: Box

    @staticmethod
    def none(size: tuple[int, int]) -> Overlay:
        """Nothing over the picture."""
        width, height = size
        return Overlay(
            np.zeros((height, width, 3), np.uint16),
            np.full((height, width, 1), _ONE, np.uint16),
            (0, 0, width, height),
        )

    @staticmethod
    def of(graphics: np.ndarray, ground: np.ndarray, box: Box, size: tuple[int, int]) -> Overlay:
        """From a poster, scaled to a film's width and kept in the middle of its height.

        Args:
            graphics: shapes and letters, shape (height, width, 4), uint8.
            ground: what lies beneath them, the picture included, shape (height, width, 3), uint8.
            box: where the picture lies in it.
            size: width and height of the film. Where the poster is lower or higher, its first and
                last rows go on, or are cut.
        """
        share = graphics[..., 3:].astype(np.float32) / 255
        inside = np.zeros((*ground.shape[:2], 1), np.float32)
        left, top, right, bottom = box
        inside[top:bottom, left:right] = 1
        through = (1 - share) * inside
        base = graphics[..., :3] * share + ground * (1 - share) * (1 - inside)
        width, height = size
        scale = width / ground.shape[1]
        tall = round(ground.shape[0] * scale)
        above = (height - tall) // 2
        layers = [_fitted(one, (width, tall), above, height) for one in (base, through)]
        placed = (
            round(left * scale),
            max(round(top * scale) + above, 0) if top else 0,
            round(right * scale),
            min(round(bottom * scale) + above, height) if bottom < ground.shape[0] else height,
        )
        return Overlay(
            np.clip(np.rint(layers[0]), 0, 255).astype(np.uint16),
            np.clip(np.rint(layers[1] * _ONE), 0, _ONE).astype(np.uint16),
            placed,
        )

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
        return np.asarray(self.through[..., 0] != _ONE)


def _fitted(layer: np.ndarray, size: tuple[int, int], above: int, height: int) -> np.ndarray:
    """A layer scaled, then continued or cut above and below; shape (height, width, channels)."""
    from PIL import Image

    channels = [
        Image.fromarray(np.ascontiguousarray(layer[..., one], np.float32)).resize(
            size, Image.Resampling.BOX if size[0] < layer.shape[1] else Image.Resampling.BILINEAR
        )
        for one in range(layer.shape[2])
    ]
    made = np.stack([np.asarray(one) for one in channels], axis=2)
    if above < 0:
        made = made[-above : -above + height]
    below = height - made.shape[0] - max(above, 0)
    return np.pad(made, ((max(above, 0), below), (0, 0), (0, 0)), mode="edge")
