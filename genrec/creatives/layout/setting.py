"""Texts set into a box: as large as fits, then smaller, then the optional one shortened.

Knows sizes and places; knows no colours. Coordinates are pixels of the poster, y down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from genrec.creatives.layout.breaking import shortened, wrap
from genrec.creatives.layout.content import OPTIONAL, Box
from genrec.creatives.layout.fonts import FontBook
from genrec.creatives.layout.shaping import Line, Typeface
from genrec.creatives.layout.template import Format, Stack, Type

# Sizes that are tried, as shares of the template's: short texts are set larger.
SCALES = (1.34, 1.24, 1.15, 1.07, 1.0, 0.94, 0.88, 0.82, 0.76, 0.7, 0.64, 0.58, 0.52, 0.46, 0.4)
# Pixels kept free on both sides of a line, for smoothed edges.
_EDGE = 1.0
# The optional text is shortened rather than set smaller than this.
_BEFORE_SHORTENING = 9


@dataclass(frozen=True, eq=False)
class Block:
    """A text of one or more lines at its place.

    Attributes:
        origins: of each line, x of its left end and y of its baseline.
        room: the box that it may not leave.
    """

    field: str
    text: str
    type: Type
    size: float
    lines: tuple[Line, ...]
    origins: tuple[tuple[float, float], ...] = ()
    room: Box = (0, 0, 0, 0)

    @property
    def width(self) -> float:
        return max((line.drawn_width for line in self.lines), default=0.0) * self.size

    @property
    def height(self) -> float:
        return len(self.lines) * self.type.leading * self.size

    @property
    def ink(self) -> tuple[float, float, float, float]:
        """The smallest box around its letters."""
        boxes = [
            box
            for line, (x, y) in zip(self.lines, self.origins, strict=True)
            for box in _ink(line, x, y, self.size)
        ]
        if not boxes:
            return 0.0, 0.0, 0.0, 0.0
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return min(lefts), min(tops), max(rights), max(bottoms)


@dataclass(frozen=True, eq=False)
class Button:
    """The call to action; ``outline`` is the box that is filled, or underlined."""

    outline: tuple[float, float, float, float]
    style: str


@dataclass(frozen=True, eq=False)
class Arrangement:
    """A stack with every text at its place.

    Attributes:
        logo: the box that a logo has, in the brand's stead.
        notes: what was shortened or left out.
    """

    stack: Stack
    blocks: tuple[Block, ...]
    button: Button | None = None
    logo: tuple[float, float, float, float] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setter:
    """Sets the stacks of one format.

    Args:
        families: ``headline`` and ``text`` to names of families.
        rtl: whether ``start`` is on the right.
        logo_ratio: width by height of a logo, 0 without one.
    """

    format: Format
    families: Mapping[str, str]
    book: FontBook
    language: str
    rtl: bool
    logo_ratio: float = 0.0

    def arrange(self, stack: Stack, box: Box, texts: Mapping[str, str]) -> Arrangement | None:
        """The stack's texts in a box, as large as they fit; ``None`` if they cannot."""
        texts = {field: text for field, text in texts.items() if text}
        cuts = [field for field in OPTIONAL if field in texts and field in stack.order]
        soft = SCALES[:_BEFORE_SHORTENING] if cuts else SCALES
        for scale in soft:
            if done := self._at(scale, stack, box, texts):
                return done
        for field in cuts:
            for scale in SCALES[6 : _BEFORE_SHORTENING + 3]:

                def fits(text: str, scale: float = scale, field: str = field) -> bool:
                    return self._at(scale, stack, box, {**texts, field: text}) is not None

                shorter = shortened(texts[field], fits)
                if shorter and (done := self._at(scale, stack, box, {**texts, field: shorter})):
                    if shorter == texts[field]:
                        return done
                    note = (
                        f"{field} was shortened from {len(texts[field])} to {len(shorter)} letters"
                    )
                    return replace(done, notes=(note,))
        if cuts:
            rest = {field: text for field, text in texts.items() if field not in cuts}
            for scale in SCALES:
                if done := self._at(scale, stack, box, rest):
                    notes = tuple(f"{field} was left out: no room for it" for field in cuts)
                    return replace(done, notes=notes)
        return None

    def _at(
        self, scale: float, stack: Stack, box: Box, texts: Mapping[str, str]
    ) -> Arrangement | None:
        left, top, right, bottom = box
        rows: list[_Row] = []
        for part in stack.order:
            made = self._row(part, scale, right - left, texts)
            if made is None:
                return None
            if made.height:
                rows.append(made)
        gap = stack.gap * max(scale, 0.55)
        total = sum(row.height for row in rows) + gap * max(0, len(rows) - 1)
        if total > bottom - top:
            return None
        spare = bottom - top - total
        y = top + {"top": 0.0, "middle": spare / 2, "bottom": spare}[stack.valign]
        y += self._nudge(rows, stack.align, box, y, gap)
        blocks: list[Block] = []
        button = logo = None
        for row in rows:
            placed, outline = self._placed(row, stack.align, left, right, y)
            for block in placed:
                room = _rounded(outline) if block.field == "call" and outline else box
                blocks.append(replace(block, room=room))
            if outline:
                button = Button(outline, self.format.button)
            if row.logo:
                x = self._start(stack.align, left, right, row.logo)
                logo = (x, y, x + row.logo, y + row.height)
            y += row.height + gap
        if not all(_within(block.ink, block.room) for block in blocks):
            return None
        if button and not _within(button.outline, box):
            return None
        return Arrangement(stack, tuple(blocks), button, logo)

    def _nudge(self, rows: list[_Row], align: str, box: Box, y: float, gap: float) -> float:
        """How far to move the stack so that marks that leave their lines stay in the box."""
        left, top, right, bottom = box
        high, low = float(bottom), float(top)
        for row in rows:
            for block in self._placed(row, align, left, right, y)[0]:
                high, low = min(high, block.ink[1]), max(low, block.ink[3])
            y += row.height + gap
        return min(0.0, bottom - 0.6 - low) or max(0.0, top + 0.6 - high)

    def _row(self, part: str, scale: float, room: float, texts: Mapping[str, str]) -> _Row | None:
        if part == "brand" and self.logo_ratio:
            height = min(self.format.types["brand"].size * 1.5, room / self.logo_ratio)
            return _Row(height, logo=height * self.logo_ratio)
        fields = ("price", "call") if part == "actions" else (part,)
        blocks = []
        for field in fields:
            if field not in texts:
                continue
            most = room - 2 * self._padding(scale)[0] if field == "call" else room
            block = self._block(field, texts[field], scale, most)
            if block is None:
                return None
            blocks.append(block)
        if not blocks:
            return _Row(0.0)
        if part not in ("actions", "call"):
            return _Row(blocks[0].height, tuple(blocks))
        across, down = self._padding(scale)
        size = blocks[-1].size
        has_call = blocks[-1].field == "call"
        width = sum(block.width for block in blocks) + (2 * across if has_call else 0)
        if len(blocks) > 1:
            width += 1.1 * size
        if width > room - 2 * _EDGE:
            return None
        height = max(block.height for block in blocks)
        if has_call:
            height = max(height, blocks[-1].height + 2 * down)
        return _Row(height, tuple(blocks), padding=(across, down))

    def _padding(self, scale: float) -> tuple[float, float]:
        """Of the button, left and right, above and below its words."""
        call = self.format.types["call"]
        size = max(call.least, call.size * scale)
        if self.format.button == "line":
            return 0.06 * size, 0.12 * size
        return 1.15 * size, 0.5 * size

    def _block(self, field: str, text: str, scale: float, room: float) -> Block | None:
        spec = self.format.types[field]
        face = Typeface(self.book, self.families[spec.family], spec.weight, self.language)
        if spec.caps:
            text = text.upper()
        size = max(spec.least, spec.size * scale)
        lines = wrap(text, lambda piece: face.line(piece).drawn_width * size, room - 2 * _EDGE)
        # At the smallest size one more line is better than none at all.
        most = spec.lines + (1 if size == spec.least and spec.lines > 1 else 0)
        if lines is None or len(lines) > most:
            return None
        return Block(field, text, spec, size, tuple(face.line(line) for line in lines))

    def _start(self, align: str, left: float, right: float, width: float) -> float:
        if align == "center":
            return (left + right - width) / 2
        return right - width if (align == "start") == self.rtl else left

    def _placed(
        self, row: _Row, align: str, left: float, right: float, y: float
    ) -> tuple[list[Block], tuple[float, float, float, float] | None]:
        if not row.padding:
            return [self._at_lines(block, align, left, right, y) for block in row.blocks], None
        across, _ = row.padding
        extents = [
            block.width + (2 * across if block.field == "call" else 0) for block in row.blocks
        ]
        gap = 1.1 * row.blocks[-1].size if len(row.blocks) > 1 else 0.0
        x = self._start(align, left + _EDGE, right - _EDGE, sum(extents) + gap)
        order = list(zip(row.blocks, extents, strict=True))
        outline = None
        placed = []
        for block, extent in order[::-1] if self.rtl else order:
            inset = across if block.field == "call" else 0.0
            above = y + (row.height - block.height) / 2
            edges = (x + inset - _EDGE, x + extent - inset + _EDGE)
            placed.append(self._at_lines(block, "center", *edges, above))
            if block.field == "call":
                middle, half = y + row.height / 2, block.height / 2 + row.padding[1]
                outline = (x, middle - half, x + extent, middle + half)
            x += extent + gap
        return placed, outline

    def _at_lines(self, block: Block, align: str, left: float, right: float, y: float) -> Block:
        spec = block.type
        font = Typeface(self.book, self.families[spec.family], spec.weight, self.language).first
        step = spec.leading * block.size
        # Ascent and descent stand in the middle of the line.
        rise = (step + (font.ascent - font.descent) * block.size) / 2
        # By what is drawn, not by advances: letters of all sizes begin on one line.
        origins = tuple(
            (
                self._start(align, left + _EDGE, right - _EDGE, line.drawn_width * block.size)
                - line.edges[0] * block.size,
                y + number * step + rise,
            )
            for number, line in enumerate(block.lines)
        )
        return replace(block, origins=origins)


@dataclass(frozen=True)
class _Row:
    height: float
    blocks: tuple[Block, ...] = ()
    padding: tuple[float, float] | None = None
    logo: float = 0.0


def _ink(line: Line, x: float, y: float, size: float) -> Iterator[tuple[float, ...]]:
    for glyph in line.glyphs:
        left, top, right, bottom = glyph.font.ink(glyph.number)
        if right > left and top > bottom:
            yield (
                x + (glyph.x + left) * size,
                y - (glyph.y + top) * size,
                x + (glyph.x + right) * size,
                y - (glyph.y + bottom) * size,
            )


def _within(ink: tuple[float, ...], box: Box) -> bool:
    # Half a pixel more on each side: smoothed edges.
    return (
        ink[0] >= box[0] + 0.5
        and ink[1] >= box[1] + 0.5
        and ink[2] <= box[2] - 0.5
        and ink[3] <= box[3] - 0.5
    ) or ink == (0.0, 0.0, 0.0, 0.0)


def _rounded(box: tuple[float, float, float, float]) -> Box:
    return int(box[0]), int(box[1]), int(box[2] + 1), int(box[3] + 1)
