"""A still picture that moves: a window that glides over it, the same frames every time.

Windows are shares of the picture, ``(left, top, right, bottom)``, and may have any fraction of a
pixel, so that slow movement does not tremble.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genrec.errors import MissingExtra

Window = tuple[float, float, float, float]
WHOLE: Window = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Move:
    """From one window to another."""

    start: Window
    end: Window

    def at(self, share: float) -> Window:
        """The window when this share of the scene is over; slow at both ends."""
        eased = share * share * (3 - 2 * share)
        left, top, right, bottom = (
            a + (b - a) * eased for a, b in zip(self.start, self.end, strict=True)
        )
        return left, top, right, bottom


def zoomed(centre: tuple[float, float], width: float) -> Window:
    """A window of this share of the picture's width and height, as near to a centre as it fits."""
    left, top = (min(max(one - width / 2, 0.0), 1.0 - width) for one in centre)
    return left, top, left + width, top + width


def around(box: Window, width: float) -> Window:
    """A window of about this width that holds a box whole; wider where the box is."""
    needed = max(box[2] - box[0], box[3] - box[1])
    centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    return zoomed(centre, min(max(width, needed), 1.0))


def moved(
    picture: np.ndarray, move: Move, *, size: tuple[int, int], frames: int
) -> Iterator[np.ndarray]:
    """The frames of one scene, each shape (height, width, 3), uint8.

    Args:
        picture: shape (any height, any width, 3), uint8; of the frames' shape of sides, and best
            some larger than they are, so that no window has fewer pixels than a frame.
        size: width and height of the frames.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingExtra("pillow", "media", "Films") from error
    image = Image.fromarray(picture)
    last: tuple[Window, np.ndarray] | None = None
    for number in range(frames):
        window = move.at(number / max(frames - 1, 1))
        if last is None or last[0] != window:
            left, top, right, bottom = window
            box = (
                left * image.width,
                top * image.height,
                right * image.width,
                bottom * image.height,
            )
            # Rounding may leave a window a hair beyond the edge.
            box = (
                max(box[0], 0),
                max(box[1], 0),
                min(box[2], image.width),
                min(box[3], image.height),
            )
            shown = image.resize(size, Image.Resampling.BICUBIC, box=box)
            last = (window, np.asarray(shown))
        yield last[1]
