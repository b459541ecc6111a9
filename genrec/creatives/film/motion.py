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
_STEP = 0.01


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


def window(
    product: Window, room: Window, width: float, *, aside: tuple[float, float] = (0.5, 0.5)
) -> Window:
    """A window through which a product is seen in its room, and nowhere else.

    Between two such windows it stays in its room too: its edges move one way only.

    Args:
        product: its box, as shares of the picture; inside of the room.
        room: where it may be seen, as shares of the frame, such as where no words stand.
        width: wanted, as a share of the picture; the next wider one that will do is taken.
        aside: where between the utmost places to look from, across and down, 0 to 1.
    """
    share = width
    while share < 1:
        across = _places((product[0], product[2]), (room[0], room[2]), share)
        down = _places((product[1], product[3]), (room[1], room[3]), share)
        if across is not None and down is not None:
            left = across[0] + (across[1] - across[0]) * aside[0]
            top = down[0] + (down[1] - down[0]) * aside[1]
            return left, top, left + share, top + share
        share += _STEP
    return WHOLE


def _places(
    product: tuple[float, float], room: tuple[float, float], width: float
) -> tuple[float, float] | None:
    """From where to where a window may begin; ``None`` if nowhere."""
    first = max(0.0, product[1] - room[1] * width)
    last = min(1.0 - width, product[0] - room[0] * width)
    return (first, last) if first <= last else None


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
