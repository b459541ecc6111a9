"""The storyboard of a film: two scenes in six seconds, three in fifteen, from what an ad says.

First what concerns this shopper, then what the item has, last its name, price and what to do. Knows
words and movements; draws nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from genrec.creatives.film.motion import WHOLE, Move, Window, window
from genrec.creatives.film.overlay import Overlay

OPENING, DETAIL, OFFER = "opening", "detail", "offer"
# How near the picture comes, as a share of its width: nearer would show the grain of a photo.
_NEAR, _NEARER = 0.86, 0.78


@dataclass(frozen=True)
class Words:
    """What a film says, from the ad that it belongs to.

    Attributes:
        hook: what concerns this shopper; empty where nothing does.
        headline: the item's name.
        detail: one thing that the item has.
    """

    headline: str
    hook: str = ""
    detail: str = ""
    price: str = ""
    call: str = ""


@dataclass(frozen=True)
class Shot:
    """One scene as it is planned.

    Attributes:
        role: ``opening``, ``detail`` or ``offer``.
        share: of the film's length.
        headline: the line that is read; body, price and call below it may be empty.
        prompt: how a model that animates pictures is told to move it.
    """

    role: str
    share: float
    move: Move
    headline: str
    body: str = ""
    price: str = ""
    call: str = ""
    prompt: str = ""


@dataclass(frozen=True, eq=False)
class Scene:
    """One scene with its pictures.

    Attributes:
        picture: the key frame with the product locked and without text, shape (height, width, 3),
            uint8, of the same shape of sides as the overlay's picture box.
        product: where it shows the product, shape (height, width), bool.
        overlay: texts and plates.
    """

    shot: Shot
    picture: np.ndarray
    product: np.ndarray
    overlay: Overlay


def storyboard(
    words: Words, product: Window, *, seconds: int, seed: int, room: Window = WHOLE
) -> list[Shot]:
    """The scenes; the same for the same words, places and seed.

    Args:
        product: box of the product as shares of the picture.
        seconds: of the whole film; from 10 on there are three scenes.
        seed: which way the camera goes.
        room: where in a frame the product may be seen, as shares: where no words stand.
    """
    chance = random.Random(seed)  # nosec B311
    near = window(product, room, _NEAR)
    side = (chance.choice((0.0, 1.0)), chance.random())
    opening = Shot(
        OPENING,
        0.5 if seconds < 10 else 0.3,
        Move(WHOLE, near),
        words.hook or words.headline,
        prompt="the camera slowly moves closer, the product stands still",
    )
    offer = Shot(
        OFFER,
        0.5 if seconds < 10 else 0.4,
        Move(near, WHOLE),
        words.headline,
        body=words.detail if seconds < 10 or not words.hook else "",
        price=words.price,
        call=words.call,
        prompt="the camera slowly moves back, the product stands still",
    )
    if seconds < 10:
        return [opening, offer]
    detail = Shot(
        DETAIL,
        0.3,
        Move(near, window(product, room, _NEARER, aside=side)),
        words.detail or words.headline,
        prompt="the camera glides past, the product stands still",
    )
    return [opening, detail, offer]


def frames_of_shots(shots: Sequence[Shot], frames: int) -> list[int]:
    """How many frames each scene has; together exactly as many as asked for."""
    whole = sum(shot.share for shot in shots)
    ends, so_far = [0], 0.0
    for shot in shots:
        so_far += shot.share
        ends.append(round(frames * so_far / whole))
    return [after - before for before, after in pairwise(ends)]
