"""A film of one order: the same stage as its pictures, each scene with words of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genrec.creatives.film.making import Film, make_film
from genrec.creatives.film.motion import Window
from genrec.creatives.film.options import FilmOptions
from genrec.creatives.film.overlay import Overlay
from genrec.creatives.film.scenes import Scene, Shot, Words, storyboard
from genrec.creatives.layout.drawing import drawn

if TYPE_CHECKING:
    from genrec.creatives.studio import Order, Stage, Studio


def film_of(
    studio: Studio, order: Order, stage: Stage, options: FilmOptions
) -> tuple[Film, tuple[str, ...]]:
    """The film, and what was shortened.

    Raises:
        InputError: its words fit no scene.
    """
    says, locked = order.job.says, stage.staged.locked
    pixels, product = locked.pixels, locked.product_mask | locked.feather_mask
    room = np.zeros_like(product)
    left, top, right, bottom = studio.layout_of(order.job).product_box
    room[top:bottom, left:right] = True
    words = Words(
        headline=says.headline,
        hook=says.lines[0] if says.lines else "",
        detail=says.lines[1] if len(says.lines) > 1 else "",
        price=says.price,
        call=says.call,
    )
    scenes: list[Scene] = []
    notes: list[str] = []
    # Words first: which part of the picture the film shows is known when they are laid out.
    for number, shot in enumerate(_shots(words, product, room, stage, options)):
        content = {
            "headline": shot.headline,
            "body": shot.body,
            "price": shot.price,
            "call": shot.call,
            "disclosure": says.disclosure,
            "brand": says.brand,
        }
        poster, shortened = studio.poster(order, pixels, content)
        notes += [f"{shot.role}: {note}" for note in (*shortened, *poster.notes)]
        overlay = Overlay.of(
            drawn(poster.graphics), poster.ground, poster.boxes["picture"], options.size
        )
        part = cropped(product, overlay.picture_size)
        picture, shown = np.ascontiguousarray(pixels[part]), product[part]
        moving = _shots(words, shown, room[part], stage, options)[number]
        scenes.append(Scene(moving, picture, shown, overlay))
    film = make_film(scenes, options, seed=stage.seed, animator=studio.animator)
    return film, tuple(dict.fromkeys(notes))


def _shots(
    words: Words, product: np.ndarray, room: np.ndarray, stage: Stage, options: FilmOptions
) -> list[Shot]:
    return storyboard(
        words,
        box_of(product),
        seconds=options.seconds,
        seed=stage.seed,
        room=_joined(box_of(product), box_of(room)),
    )


def _joined(one: Window, other: Window) -> Window:
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )


def box_of(mask: np.ndarray) -> Window:
    """The box of what is true, as shares of the mask; all of it where nothing is."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return 0.0, 0.0, 1.0, 1.0
    height, width = mask.shape
    return (
        float(columns[0] / width),
        float(rows[0] / height),
        float((columns[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    )


def cropped(product: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """The largest part of a picture with this shape of sides, the product in it if it can be.

    Args:
        product: where it is, shape (height, width), bool.
        size: width and height whose ratio is wanted.
    """
    height, width = product.shape
    share = min(width / size[0], height / size[1])
    wide, tall = min(round(size[0] * share), width), min(round(size[1] * share), height)
    left, top, right, bottom = box_of(product)
    across = round((left + right) / 2 * width - wide / 2)
    down = round((top + bottom) / 2 * height - tall / 2)
    x, y = min(max(across, 0), width - wide), min(max(down, 0), height - tall)
    return slice(y, y + tall), slice(x, x + wide)
