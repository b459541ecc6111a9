"""Content and layout to a finished poster, or to a report of why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from genrec.creatives.colour import Rgb
from genrec.creatives.layout import drawing
from genrec.creatives.layout.content import TEXTS, Box, Check, Content, PlacedText, Poster
from genrec.creatives.layout.fonts import FontBook
from genrec.creatives.layout.inspecting import checks_of, content_problems
from genrec.creatives.layout.layout import Layout
from genrec.creatives.layout.legibility import (
    VEILS,
    Veil,
    choose_ink,
    cut,
    least_contrast,
    spread,
    union,
)
from genrec.creatives.layout.palette import WHITE, Palette, palette_of
from genrec.creatives.layout.setting import Arrangement, Block, Setter
from genrec.creatives.layout.shaping import runs_rtl
from genrec.creatives.layout.template import fields_of
from genrec.errors import InputError

# Of the veil behind text, in thousandths of the poster's longer side.
_VEIL_REACH, _VEIL_BLUR = 44, 18


def lay_out(content: Content, layout: Layout, *, fonts: FontBook | None = None) -> Poster:
    """A finished poster on which every text is whole and can be read.

    The optional text gives way where there is no room; ``notes`` says so.

    Raises:
        InputError: a text does not fit or has letters that no font has, the picture or the logo
            is none; all problems at once.
        MissingExtra: the packages of the extra ``ads`` are not installed.
    """
    book = fonts or FontBook.load()
    layout = replace(layout, rtl=runs_rtl(content.language))
    problems = content_problems(content)
    if problems:
        raise InputError("The ad cannot be laid out", problems)
    texts = {field: getattr(content, field).strip() for field in TEXTS}
    for voice in dict.fromkeys(layout.template.families.values()):
        book.refuse_missing({field: text for field, text in texts.items() if text}, voice)
    table = _Table(content, layout, book)
    arranged = table.arranged(texts)
    ground = table.ground()
    return table.finished(arranged, ground)


@dataclass(frozen=True, eq=False)
class _Dressed:
    """A text with its colour, and the shapes that go beneath it."""

    block: Block
    colour: Rgb


@dataclass(frozen=True, eq=False)
class _Table:
    content: Content
    layout: Layout
    book: FontBook

    @cached_property
    def palette(self) -> Palette:
        return palette_of(self.content.picture, self.layout.tone)

    def arranged(self, texts: dict[str, str]) -> list[Arrangement]:
        """Every stack of the layout with its texts at their places."""
        logo = self.content.logo
        setter = Setter(
            format=self.layout.format,
            families=self.layout.template.families,
            book=self.book,
            language=self.content.language,
            rtl=self.layout.rtl,
            logo_ratio=0.0 if logo is None else logo.shape[1] / logo.shape[0],
        )
        done, problems = [], []
        for stack in self.layout.format.stacks:
            found = setter.arrange(stack, self.layout.mirrored(stack.box), texts)
            if found is None:
                problems.append(self._too_long(stack.order, texts))
            else:
                done.append(found)
        if problems:
            raise InputError(
                f"Not all text fits the layout '{self.layout.name}' in the style "
                f"'{self.layout.style}'. Shorten it, or take a larger layout",
                problems,
            )
        return done

    def _too_long(self, order: Sequence[str], texts: dict[str, str]) -> str:
        parts = [one for part in order for one in fields_of(part)]
        lengths = [f"{part} has {len(texts[part])} letters" for part in parts if texts.get(part)]
        return f"{' and '.join(lengths)}: too much for one box even at the smallest size"

    def ground(self) -> np.ndarray:
        """The picture in its place on the poster's own colour, shape (height, width, 3)."""
        width, height = self.layout.size
        ground = np.empty((height, width, 3), np.uint8)
        ground[:] = self.palette.ground
        left, top, right, bottom = self.layout.picture_box
        ground[top:bottom, left:right] = covering(self.content.picture, self.layout.picture_size)
        return ground

    def finished(self, arranged: list[Arrangement], ground: np.ndarray) -> Poster:
        """Shapes and letters drawn, and everything measured."""
        palette = self.palette
        flat = list(self._grounds(palette))
        base = self._over(flat, ground)
        veils = {
            number: choose_ink(self._behind(one, base), (palette.dark, palette.light))
            for number, one in enumerate(arranged)
            if one.stack.over == "picture" and (one.blocks or one.logo)
        }
        for _ in VEILS:
            shapes, dressed = self._dressed(arranged, veils, palette, base)
            behind = self._over(shapes, base)
            weak = {
                number
                for number, one in enumerate(dressed)
                for text in one
                if least_contrast(cut(behind, text.block.ink, margin=1), text.colour) < 4.55
            }
            if not weak & veils.keys():
                break
            for number in weak & veils.keys():
                veils[number] = _thicker(veils[number])
        texts = [text for one in dressed for text in one]
        letters = [drawing.letters(one.block, one.colour) for one in texts]
        graphics = self._document([*flat, *shapes, *letters])
        pixels = self._over(letters, behind)
        placed = tuple(_placed(one, self.layout.size) for one in texts)
        checks = checks_of(placed, behind)
        _refuse(checks)
        return Poster(
            pixels=pixels,
            ground=ground,
            graphics=graphics,
            boxes=dict(self._boxes(arranged, placed)),
            texts=placed,
            checks=checks,
            layout=self.layout.name,
            style=self.layout.style,
            tone=self.layout.tone,
            notes=tuple(note for one in arranged for note in one.notes),
        )

    def _document(self, parts: list[str]) -> str:
        return drawing.document(
            self.layout.size,
            parts,
            title=f"{self.content.headline} {self.content.brand}".strip(),
            language=self.content.language,
        )

    def _over(self, parts: list[str], ground: np.ndarray) -> np.ndarray:
        return drawing.over(drawing.drawn(self._document(parts)), ground) if parts else ground

    def _grounds(self, palette: Palette) -> Iterator[str]:
        colours = {"ground": palette.ground, "accent": palette.accent, "ink": palette.ink}
        drop = max(self.layout.size) / 1000
        for one in self.layout.format.grounds:
            left, top, right, bottom = self.layout.mirrored(one.box)
            if one.shadow:
                # From below and never above the card, where the product stands.
                soft = 16 * drop
                lower = (left + soft, top + 3 * soft, right - soft, bottom + 0.6 * soft)
                yield drawing.blurred(
                    lower, palette.dark, radius=one.radius, opacity=0.42, deviation=soft
                )
            yield drawing.rectangle(
                (left, top, right, bottom), colours[one.fill], radius=one.radius
            )

    def _behind(self, one: Arrangement, pixels: np.ndarray) -> np.ndarray:
        return cut(pixels, _extent(one), margin=3)

    def _dressed(
        self,
        arranged: list[Arrangement],
        veils: dict[int, Veil],
        palette: Palette,
        base: np.ndarray,
    ) -> tuple[list[str], list[list[_Dressed]]]:
        shapes: list[str] = []
        dressed: list[list[_Dressed]] = []
        for number, one in enumerate(arranged):
            veil = veils.get(number)
            ink = veil.ink if veil else palette.ink
            if veil and veil.opacity:
                shapes.append(self._veil(one, veil))
            if one.logo is not None and self.content.logo is not None:
                shapes.append(self._logo(one.logo))
            fill, label = palette.button, palette.label
            if veil:
                fill, label = (
                    (palette.dark, WHITE) if ink == palette.dark else (WHITE, palette.dark)
                )
            if one.button:
                shapes.append(_button(one, ink if one.button.style == "line" else fill))
            line = one.button is not None and one.button.style == "line"
            found = []
            for block in one.blocks:
                colour = ink if veil or not block.type.quiet else palette.quiet
                if block.field == "call" and not line:
                    colour = label
                found.append(_Dressed(block, colour))
            dressed.append(found)
        return shapes, dressed

    def _veil(self, one: Arrangement, veil: Veil) -> str:
        extent = _extent(one)
        reach = _VEIL_REACH * max(self.layout.size) / 1000
        picture, place = self.layout.picture_box, self.layout.product_box
        product = (
            place[0] + picture[0],
            place[1] + picture[1],
            place[2] + picture[0],
            place[3] + picture[1],
        )
        rooms = _rooms(extent, product, reach)
        left, top, right, bottom = extent
        box = (left - rooms[0], top - rooms[1], right + rooms[2], bottom + rooms[3])
        if min(rooms) < reach:
            # No room for a fade before the product: a plate with clear edges looks meant.
            return drawing.rectangle(box, veil.colour, radius=reach / 2, opacity=veil.opacity)
        deviation = _VEIL_BLUR * max(self.layout.size) / 1000
        return drawing.blurred(
            box, veil.colour, radius=reach / 2, opacity=veil.opacity, deviation=deviation
        )

    def _logo(self, box: tuple[float, float, float, float]) -> str:
        from PIL import Image

        logo = self.content.logo
        size = max(1, round(box[2] - box[0])), max(1, round(box[3] - box[1]))
        scaled = Image.fromarray(logo).convert("RGBA").resize(size, Image.Resampling.LANCZOS)
        left, top = round(box[0]), round(box[1])
        place = (left, top, left + size[0], top + size[1])
        return drawing.image(np.asarray(scaled), place, name="logo")

    def _boxes(
        self, arranged: list[Arrangement], placed: tuple[PlacedText, ...]
    ) -> Iterator[tuple[str, Box]]:
        picture = self.layout.picture_box
        yield "picture", picture
        left, top, right, bottom = self.layout.product_box
        yield (
            "product",
            (left + picture[0], top + picture[1], right + picture[0], bottom + picture[1]),
        )
        for one in placed:
            yield one.field, one.ink
        width, height = self.layout.size
        for one in arranged:
            if one.button:
                yield "button", spread(one.button.outline, 0, width, height)
            if one.logo:
                yield "logo", spread(one.logo, 0, width, height)


def covering(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture at a size: as it is if it has that size, else scaled once and cut evenly."""
    from PIL import Image

    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    share = min(width / size[0], height / size[1])
    across, down = size[0] * share, size[1] * share
    left, top = (width - across) / 2, (height - down) / 2
    left, top = max(0.0, left), max(0.0, top)
    box = (left, top, min(width, left + across), min(height, top + down))
    scaled = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS, box=box)
    return np.asarray(scaled)


def _rooms(
    extent: tuple[float, float, float, float], product: Box, reach: float
) -> tuple[float, float, float, float]:
    """How far a veil may go beyond its text on each side: ``reach``, but never over the product.

    A fade is about as wide again as the veil's reach, so a side that faces the product closer than
    that gets a small part of the way there.
    """
    left, top, right, bottom = extent
    beside = top - 2.3 * reach < product[3] and bottom + 2.3 * reach > product[1]
    across = left - 2.3 * reach < product[2] and right + 2.3 * reach > product[0]
    gaps = [
        left - product[2] if beside else np.inf,
        top - product[3] if across else np.inf,
        product[0] - right if beside else np.inf,
        product[1] - bottom if across else np.inf,
    ]
    rooms = [
        reach if gap < 0 or gap >= 2.3 * reach else min(reach, max(0.0, 0.4 * gap)) for gap in gaps
    ]
    return rooms[0], rooms[1], rooms[2], rooms[3]


def _extent(one: Arrangement) -> tuple[float, float, float, float]:
    boxes = [block.ink for block in one.blocks if block.field != "call" or not one.button]
    if one.button and one.button.style == "line":
        boxes.append(one.button.outline)
    if one.logo:
        boxes.append(one.logo)
    if not boxes and one.button:
        boxes.append(one.button.outline)
    return union(boxes) if boxes else (0.0, 0.0, 0.0, 0.0)


def _button(one: Arrangement, colour: Rgb) -> str:
    if one.button is None:
        return ""
    left, top, right, bottom = one.button.outline
    if one.button.style == "line":
        thick = (bottom - top) * 0.05
        return drawing.rectangle((left, bottom - thick, right, bottom), colour)
    radius = (bottom - top) / 2 if one.button.style == "pill" else (bottom - top) * 0.18
    return drawing.rectangle((left, top, right, bottom), colour, radius=radius)


def _thicker(veil: Veil) -> Veil:
    return replace(veil, opacity=next((one for one in VEILS if one > veil.opacity), 1.0))


def _placed(one: _Dressed, size: tuple[int, int]) -> PlacedText:
    block = one.block
    fonts = dict.fromkeys(name for line in block.lines for name in line.fonts)
    return PlacedText(
        field=block.field,
        text=block.text,
        lines=tuple(line.text for line in block.lines),
        box=block.room,
        ink=spread(block.ink, 0, *size),
        size=block.size,
        colour=drawing.hexadecimal(one.colour),
        fonts=tuple(fonts),
    )


def _refuse(checks: tuple[Check, ...]) -> None:
    failed = [
        f"{one.name} is {one.value:.2f}; the limit is {one.limit:.2f}"
        for one in checks
        if not one.passed
    ]
    if failed:
        raise InputError("The finished poster does not hold what it should", failed)
