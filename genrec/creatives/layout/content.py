"""What stands on a poster and what comes back. Loads numpy and nothing else.

Boxes are ``(left, top, right, bottom)`` in pixels, right and bottom beyond the last pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Box = tuple[int, int, int, int]
TEXTS = ("brand", "headline", "body", "price", "call", "disclosure")
# What may be shortened or left out where there is no room. Price and disclosure never are.
OPTIONAL = ("body",)


@dataclass(frozen=True, eq=False)
class Content:
    """What one ad says and shows.

    Attributes:
        headline: the line that is read first; never shortened.
        body: what may be shortened at a word's end, or left out.
        call: the words on the button; empty for none.
        price: as it is printed, such as ``$24.00``.
        disclosure: ``Sponsored``, or what the law asks for; never shortened.
        brand: the shop's name, in letters where there is no logo.
        logo: shape (height, width, 4), uint8, sRGB with alpha.
        picture: shape (height, width, 3), uint8. Best of the layout's ``picture_size``: then its
            pixels are those of the poster wherever nothing is drawn over them.
        language: BCP 47 tag, which chooses letter forms, line breaks and the side to begin from.
        seed: of every choice left open.
    """

    headline: str
    picture: np.ndarray
    body: str = ""
    call: str = ""
    price: str = ""
    disclosure: str = ""
    brand: str = ""
    logo: np.ndarray | None = None
    language: str = "en"
    seed: int = 0


@dataclass(frozen=True)
class PlacedText:
    """One text where it stands.

    Attributes:
        field: a name of ``TEXTS``.
        text: as it is printed, which may be shorter than what was given.
        lines: the same, line by line.
        box: the room that it may not leave.
        ink: the smallest box around its letters.
        size: of the letters, in pixels per em.
        colour: ``#rrggbb``.
        fonts: names of the font files that its glyphs are from.
    """

    field: str
    text: str
    lines: tuple[str, ...]
    box: Box
    ink: Box
    size: float
    colour: str
    fonts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """One thing that was measured on the finished poster.

    Attributes:
        name: ``contrast of headline``, ``inside of price`` …
        value: as measured.
        limit: what it is held against.
        passed: whether it holds.
    """

    name: str
    value: float
    limit: float
    passed: bool


@dataclass(frozen=True, eq=False)
class Poster:
    """A finished ad.

    Attributes:
        pixels: as it is shown, shape (height, width, 3), uint8.
        ground: the picture in its place, before anything is drawn over it, of the same shape.
        graphics: what is drawn over it, as SVG; letters are outlines.
        boxes: what stands where: the texts, and ``picture``, ``product``, ``logo``, ``button``.
        texts: each text as it was set.
        checks: what was measured; all passed, or ``lay_out`` would have refused.
        layout: name of the layout, such as ``square``.
        style: name of the template, and its tone.
        notes: what was shortened or left out, in words.
    """

    pixels: np.ndarray
    ground: np.ndarray
    graphics: str
    boxes: Mapping[str, Box]
    texts: tuple[PlacedText, ...]
    checks: tuple[Check, ...]
    layout: str
    style: str
    tone: str
    notes: tuple[str, ...] = field(default=())

    @property
    def svg(self) -> str:
        """The whole poster as one self-contained SVG, which looks the same everywhere."""
        from genrec.creatives.layout.drawing import with_ground

        return with_ground(self.graphics, self.ground)

    def save(self, path: str | Path) -> Path:
        """Writes the poster as .png, .webp or .svg, by the path's ending; whole or not at all.

        Raises:
            ConfigError: another ending.
            StorageError: the disk is full or cannot be written; what stood there is untouched.
        """
        from genrec.creatives.layout.files import save_poster

        return save_poster(self, Path(path))
