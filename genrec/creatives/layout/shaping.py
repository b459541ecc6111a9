"""Text to glyphs with their places: direction, fonts by letter, HarfBuzz. Lengths are in em."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from genrec.creatives.layout.bidi import LTR, RTL, direction_of, has_rtl, levels, visual_runs
from genrec.creatives.layout.fonts import FontBook, FontFile
from genrec.errors import InputError, MissingExtra

RTL_LANGUAGES = ("ar", "he", "fa", "ur", "yi", "ps", "ckb", "dv", "sd", "ug")


@dataclass(frozen=True, slots=True)
class Glyph:
    """One glyph at its place, in em from the line's left end and from its baseline, y up."""

    font: FontFile
    number: int
    x: float
    y: float


@dataclass(frozen=True, eq=False)
class Line:
    """A shaped line.

    Attributes:
        width: the sum of advances, in em.
        glyphs: in the order in which they stand, from the left.
    """

    text: str
    width: float
    glyphs: tuple[Glyph, ...]

    @cached_property
    def edges(self) -> tuple[float, float]:
        """The left and right end of what is drawn, in em; letters do not fill their advance."""
        inks = [(glyph.x, glyph.font.ink(glyph.number)) for glyph in self.glyphs]
        drawn = [(x + ink[0], x + ink[2]) for x, ink in inks if ink[2] > ink[0]]
        if not drawn:
            return 0.0, 0.0
        return min(left for left, _ in drawn), max(right for _, right in drawn)

    @property
    def drawn_width(self) -> float:
        """From edge to edge, in em."""
        return self.edges[1] - self.edges[0]

    @property
    def fonts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(glyph.font.name for glyph in self.glyphs))


@dataclass(frozen=True)
class Typeface:
    """A family in one weight and language, ready to set lines."""

    book: FontBook
    family: str
    weight: int
    language: str = "en"

    def line(self, text: str) -> Line:
        """A line of text, shaped.

        Raises:
            InputError: no font has one of its letters.
        """
        return _shaped(text, self.book.chain(self.family, self.weight), self.language)

    @property
    def first(self) -> FontFile:
        return self.book.chain(self.family, self.weight)[0]


def runs_rtl(language: str) -> bool:
    """Whether a language is written from right to left."""
    return language.partition("-")[0].lower() in RTL_LANGUAGES


def base_direction(text: str, language: str) -> int:
    """The direction of a paragraph: the language's own if any letter runs that way."""
    if runs_rtl(language) and has_rtl(text):
        return RTL
    return direction_of(text, default=RTL if runs_rtl(language) else LTR)


@lru_cache(maxsize=8192)
def _shaped(text: str, chain: tuple[FontFile, ...], language: str) -> Line:
    text = unicodedata.normalize("NFC", text)
    glyphs: list[Glyph] = []
    pen = 0.0
    for start, end, level in visual_runs(levels(text, base_direction(text, language))):
        pieces = list(_by_font(text, start, end, chain))
        for font, first, last in pieces[::-1] if level % 2 else pieces:
            way = "rtl" if level % 2 == RTL else "ltr"
            placed, advance = _run(text, first, last, font, way, language)
            glyphs += [Glyph(font, number, pen + x, y) for number, x, y in placed]
            pen += advance
    return Line(text, pen, tuple(glyphs))


def _by_font(
    text: str, start: int, end: int, chain: tuple[FontFile, ...]
) -> Iterator[tuple[FontFile, int, int]]:
    """Stretches of one font; marks and blanks stay with the letter before them."""
    current: FontFile | None = None
    begun = start
    for place in range(start, end):
        letter = text[place]
        keeps = current is not None and current.has(letter)
        clings = unicodedata.combining(letter) or letter.isspace() or _weak(letter)
        if keeps and (clings or current is chain[0]):
            continue
        font = next((one for one in chain if one.has(letter)), None)
        if font is None:
            raise InputError(
                f"No font has {letter!r} (U+{ord(letter):04X}), which stands in {text!r}. Leave it "
                "out, or add a font that has it."
            )
        if font is not current:
            if current is not None:
                yield current, begun, place
            current, begun = font, place
    if current is not None:
        yield current, begun, end


def _weak(letter: str) -> bool:
    """Punctuation that every script uses; it follows the letters around it."""
    return unicodedata.category(letter)[0] == "P"


def _run(
    text: str,
    start: int,
    end: int,
    font: FontFile,
    way: str,
    language: str,
) -> tuple[list[tuple[int, float, float]], float]:
    try:
        import uharfbuzz as hb
    except ModuleNotFoundError as error:
        raise MissingExtra("uharfbuzz", "ads", "Setting text") from error
    buffer = hb.Buffer()
    # The letters around a run decide the forms of Arabic at its ends.
    buffer.add_codepoints([ord(letter) for letter in text], start, end - start)
    buffer.guess_segment_properties()
    buffer.direction = way
    buffer.language = language
    with font.lock:
        hb.shape(font.font, buffer, {})
    x = 0.0
    placed = []
    for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        placed.append(
            (
                info.codepoint,
                (x + position.x_offset) / font.units,
                position.y_offset / font.units,
            )
        )
        x += position.x_advance
    return placed, x / font.units
