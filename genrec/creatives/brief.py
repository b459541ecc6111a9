"""What the ads of a campaign must say and must not, checked before anything is written.

Knows texts; knows no user, no channel and no way of writing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from string import Formatter
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from genrec.creatives.copy import INTENSITIES, CopyBrief
from genrec.creatives.neutral import shown
from genrec.creatives.phrasebook import Phrasebook, languages
from genrec.data.catalog import Item
from genrec.errors import nearest

TONES = ("plain", "warm", "brisk")
LONGEST = 500
# Letters that change the direction of what follows, and those that are not seen at all.
_DIRECTION = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN = frozenset("\u00ad\u180e\u200b\u2060\ufeff")
_SPACES = re.compile(r"\s+")
_WORDS = re.compile(r"\w+")
_SIGNED_PRICE = re.compile(r"(?:[$€£¥]\s?)?\{price\}(?:\s?[$€£¥])?")
# What any item has; attributes of the catalogue come beside it.
ITEM_PLACEHOLDERS = ("title", "price")


def plain_text(text: str) -> str:
    """The text with single blanks; refused if it is empty, too long or holds hidden letters."""
    problems = list(text_problems(text))
    if problems:
        raise ValueError("\n".join(problems))
    return _SPACES.sub(" ", text).strip()


def text_problems(text: str) -> Iterator[str]:
    """What keeps a text out of an ad."""
    if not text.strip():
        yield "the text is empty"
    if len(text) > LONGEST:
        yield f"the text has {len(text):,} letters; {LONGEST} is the limit"
    for number, letter in enumerate(text[: LONGEST + 1]):
        if letter in _DIRECTION:
            what = "turns the direction of writing"
        elif letter in _UNSEEN:
            what = "is invisible"
        elif unicodedata.category(letter) in ("Cc", "Cs", "Co") and letter not in "\n\t":
            what = "is a control character"
        else:
            continue
        yield f"letter {number + 1}, U+{ord(letter):04X}, {what}; leave it out"


def comparable(text: str) -> str:
    """The words of a text in one form, with a blank before, between and after them."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return f" {' '.join(_WORDS.findall(folded))} "


def says(text: str, phrase: str) -> bool:
    """Whether a text holds a phrase as whole words; of scripts without blanks, anywhere."""
    words = comparable(phrase)
    if not words.strip():
        return phrase.strip() in text
    if any(_is_unspaced(letter) for letter in words):
        return words.strip() in comparable(text)
    return words in comparable(text)


def _is_unspaced(letter: str) -> bool:
    # Chinese and Japanese; Thai, Lao, Burmese and Khmer.
    blocks = ("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff")
    wide = unicodedata.east_asian_width(letter) in ("W", "F")
    return wide or any(first <= letter <= last for first, last in blocks)


def placeholders(text: str) -> list[str]:
    """The names in braces; ``{{`` and ``}}`` are braces themselves.

    Raises:
        ValueError: the braces do not pair, or hold more than a name.
    """
    names = []
    try:
        for _, name, layout, turn in Formatter().parse(text):
            if name is None:
                continue
            if layout or turn or not re.fullmatch(r"\w+", name):
                shown = name + (f"!{turn}" if turn else "") + (f":{layout}" if layout else "")
                raise ValueError(f"'{{{shown}}}' is no placeholder; they look like {{title}}")
            names.append(name)
    except ValueError as error:
        if "placeholder" in str(error):
            raise
        raise ValueError(f"{text!r}: {error}. Write {{{{ and }}}} for braces.") from error
    return names


def _with_placeholders(text: str) -> str:
    text = plain_text(text)
    placeholders(text)
    return text


def _line(said: Any) -> Any:
    """A sentence, or one for each language; each is checked."""
    if isinstance(said, str):
        return _with_placeholders(said)
    if not isinstance(said, dict) or not said:
        raise ValueError("it is a text, or a text for each language: {en: …, de: …}")
    problems, made = [], {}
    for language, text in said.items():
        try:
            made[str(language)] = _with_placeholders(text if isinstance(text, str) else "")
        except ValueError as error:
            problems += [f"{language}: {line}" for line in str(error).splitlines()]
    if problems:
        raise ValueError("\n".join(problems))
    return made


def in_language(line: Line, language: str) -> str:
    """A sentence in a language; empty if it is said in others alone."""
    return line if isinstance(line, str) else line.get(language, "")


def _texts(line: Line) -> list[str]:
    return [line] if isinstance(line, str) else list(line.values())


Text = Annotated[str, AfterValidator(plain_text)]
Line = Annotated[str | dict[str, str], BeforeValidator(_line)]


class Brand(BaseModel):
    """Whose ads they are.

    Attributes:
        name: as export files print it.
        voice: how the brand speaks, in words; read by a text model as data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text | None = None
    voice: Text | None = None


class Brief(BaseModel):
    """What every ad of a campaign has in common.

    Attributes:
        tone: ``plain``, ``warm`` or ``brisk``.
        call_to_action: the last words; the language's own when left out.
        must_say: sentences that stand in each ad, as a text or as a text for each language:
            ``{en: …, de: …}``; so with disclosures and the call to action. ``{title}``,
            ``{price}`` (with its currency) and ``{name}`` of an attribute are filled in from the
            item.
        never_say: words or phrases that stand in none.
        disclosures: lines that the law or a contract asks for: said as must-say, and an ad that
            has no room for one is not made.
        currency: ISO 4217 code of the catalogue's prices.
        intensity: how openly a shopper is told what is known of them; ``none`` writes for anybody.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    brand: Brand = Brand()
    tone: str = "plain"
    call_to_action: Line | None = None
    must_say: tuple[Line, ...] = Field(default=(), max_length=20)
    never_say: tuple[Text, ...] = Field(default=(), max_length=500)
    disclosures: tuple[Line, ...] = Field(default=(), max_length=20)
    currency: str = Field(default="USD", pattern="^[A-Z]{3}$")
    intensity: str = "open"

    @model_validator(mode="after")
    def _agrees(self) -> Brief:
        problems = [
            f"{name} is '{value}'; {nearest(value, valid)}"
            for name, value, valid in (
                ("tone", self.tone, TONES),
                ("intensity", self.intensity, INTENSITIES),
            )
            if value not in valid
        ]
        problems += contradictions(self)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def templates(self) -> tuple[Line, ...]:
        """Every sentence that stands in each ad."""
        return (*self.must_say, *self.disclosures)

    def for_item(self, item: Item, language: str = "en") -> CopyBrief:
        """What a copywriter is told for one item, the placeholders filled in.

        Args:
            language: how a price is written.

        Raises:
            KeyError: the item has no value for a placeholder; the argument is its name.
        """
        values = values_of(item, self.currency, language)

        def said(lines: tuple[Line, ...]) -> tuple[str, ...]:
            return tuple(filled(in_language(line, language), values) for line in lines)

        return CopyBrief(
            voice=self.brand.voice or "",
            call_to_action=" ".join(said((self.call_to_action or "",))),
            must_say=said(self.templates),
            disclosures=said(self.disclosures),
            never_say=self.never_say,
            currency=self.currency,
            intensity=self.intensity,
        )


def filled(template: str, values: Mapping[str, str]) -> str:
    """A sentence with its placeholders filled in.

    A price brings its currency: a sign that stands beside ``{price}`` is not said twice.

    Raises:
        KeyError: there is no value for a placeholder; the argument is its name.
    """
    return _SIGNED_PRICE.sub("{price}", template).format_map(values)


def values_of(item: Item, currency: str, language: str = "en") -> Mapping[str, str]:
    """What placeholders of an item stand for, fit to be shown.

    What the item does not know is left out, and what is too long for a text: no value is cut.
    """
    book = Phrasebook.load(language if language in languages() else "en")
    values: dict[str, str] = {
        name: shown(str(value), most=LONGEST)
        for name, value in {**item.attributes, "title": item.title}.items()
        if not _is_nested(value) and len(str(value)) <= LONGEST
    }
    if item.price is not None:
        values["price"] = book.money(item.price, currency)
    return values


def _is_nested(value: object) -> bool:
    return isinstance(value, list | tuple | dict | Mapping)


def contradictions(brief: Brief) -> list[str]:
    """Sentences that are asked for and forbidden at once, one line each."""
    asked: list[tuple[str, str | None]] = [
        *(("must_say", text) for line in brief.must_say for text in _texts(line)),
        *(("disclosures", text) for line in brief.disclosures for text in _texts(line)),
        *(("call_to_action", text) for text in _texts(brief.call_to_action or "")),
        ("brand.name", brief.brand.name),
    ]
    return [
        f"{place} asks for {text!r}, and never_say forbids {never!r}: take one of them back"
        for place, text in asked
        if text
        for never in brief.never_say
        if says(text, never)
    ]


def _lines(brief: Brief) -> list[Line]:
    return [*brief.templates, *([brief.call_to_action] if brief.call_to_action else [])]


def unknown_placeholders(brief: Brief, attributes: Any) -> list[str]:
    """Placeholders that no item of this catalogue fills, one line each with the nearest name."""
    valid = [*ITEM_PLACEHOLDERS, *attributes]
    return [
        f"{text!r} holds {{{name}}}, which the catalogue does not know; {nearest(name, valid)}"
        for line in _lines(brief)
        for text in _texts(line)
        for name in placeholders(text)
        if name not in valid
    ]


def unspoken(brief: Brief, wanted: Sequence[str]) -> list[str]:
    """Sentences that are not there in a language that ads are wanted in, one line each."""
    return [
        f"{next(iter(line.values()))!r} is not said in {', '.join(missing)}"
        for line in _lines(brief)
        if isinstance(line, dict)
        if (missing := [language for language in wanted if language not in line])
    ]
