"""Amounts with units in a text, and which of them say the same: 1 kg and 1000 g, 12 in and 1 ft.

Conversions are exact (fractions, no floats), so two amounts agree or they do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from genrec.creatives.units import Unit, unit_table

_TABLE = unit_table()
_UNITS_BY_NAME = {unit.name: unit for unit in _TABLE.units.values()}
_VULGAR = {
    "½": Fraction(1, 2),
    "¼": Fraction(1, 4),
    "¾": Fraction(3, 4),
    "⅓": Fraction(1, 3),
    "⅔": Fraction(2, 3),
    "⅛": Fraction(1, 8),
    "⅜": Fraction(3, 8),
    "⅝": Fraction(5, 8),
    "⅞": Fraction(7, 8),
}
_START = re.compile(
    rf"(?<![\w.])(?:\.?\d|[{''.join(_VULGAR)}])|\b(?:{'|'.join(_TABLE.numbers)})(?![\w'])"
)
_NUMBER = re.compile(
    r"\d++[ \-]{1,2}\d++/\d++(?![\d/])"  # 1 5/8, 1-5/8
    r"|\d++/\d++(?![\d/])"
    r"|\d{1,3}(?:,\d{3})++(?!\d)(?:\.\d++)?"
    r"|\d++(?:\.\d++)?|\.\d++"
    rf"|[{''.join(_VULGAR)}]|[a-z]++"
)
_VULGAR_AFTER = re.compile(rf"[ \-]?([{''.join(_VULGAR)}])")
_UNIT = re.compile(
    r"(?:\.(?=[ \"]))?([ \-]{0,2})"
    r"((?:fl\.? ?oz|fluid ounces?|sq\.? ?(?:in|ft|yd|m|feet)|in-lbs?|ft-lbs?|amp-hours?"
    r"|square (?:inch(?:es)?|feet|foot|yards?|meters?)|cubic (?:feet|foot|inch(?:es)?)"
    r"|cu\.? ?(?:ft|in)|(?:deg(?:rees?)?|[°º]) ?[fc]|degrees (?:fahrenheit|celsius)"
    r"|v ?[da]c|volts [ad]c)\b"
    r"|''|[\"″”'′’%°º¢€]|/(?:pack|pk|box|case)\b|[a-zµμω]++²?)?"
)
_CURRENCY_BEFORE = re.compile(r"([$€£¥]|\b(?:usd|eur|gbp|jpy)) ?$")
_PREPOSITION = re.compile(r" (?:the|a|an|one|your|our|all|this|each|every|stock|\d)\b")
_WORD_BEFORE = re.compile(r"([a-z#]++)[ \-:]?$")
_PACK_BEFORE = re.compile(r"([a-z]++)(?: size)?(?: ?of|[:\-=])? ?\(?$")
_MEASURE_AFTER = re.compile(r"[ \-(]{0,3}([a-z]++)(?: (diameter|dia)\b)?")
_MEASURE_BEFORE = re.compile(
    r"([a-z]++)(?:\)|\.)?(?: ?[:=\-] ?| of | is | up to |: up to | about )$"
)
# In "5 x 8 in" and "10-12 ft" the numbers share the unit of the last.
_JOINED = re.compile(r" ?(?:[x×]|by|-|to|and|or|/|,|&|\*) ?[wlh]? ?")
_SPATIAL = ("length", "mass", "volume")
# "4-3 oz" and "4 x 3 oz" are four of 3 oz, and "6-8 oz" from 6 to 8: none holds 4 or 6.
_NEEDS_NEXT, _WEIGHED = re.compile(r" ?(?:-|to|[x×*]) ?"), ("mass", "volume")
_READ_BACK = 24
_DIGITS_READ = 40


@dataclass(frozen=True, slots=True)
class Quantity:
    """One amount in a text.

    Attributes:
        number: as written, in ``unit``, as a fraction in lowest terms (``13/8``).
        unit: ``None`` for a bare number and for money.
        currency: of money: an ISO code, or ``cents``.
        noun: the word after a bare number (``12 markers``).
        lead: the word before it (``size 10``).
        measure: what it is the amount of (width, weight, …) where the text says so.
        start: where it begins in the text.
        end: where it ends.
        joined: what joins it to the next amount, whose unit it shares; empty with its own.
    """

    number: str
    unit: Unit | None
    currency: str
    noun: str
    lead: str
    measure: str
    start: int
    end: int
    joined: str = ""

    @property
    def needs_the_next(self) -> bool:
        """Whether it is a least weight or volume, or a number of packs, and says nothing alone."""
        weighed = self.unit is not None and self.unit.dimension in _WEIGHED
        return weighed and _NEEDS_NEXT.fullmatch(self.joined) is not None

    @property
    def amount(self) -> Fraction:
        """``number`` as a number."""
        return Fraction(self.number)

    @property
    def key(self) -> tuple[str, str]:
        """Equal for amounts that say the same: the dimension and the amount in its base."""
        if self.unit is not None:
            return _in_base(self.number, self.unit.name)
        if self.currency == "cents":
            return "USD", str(Fraction(self.number) / 100)
        return self.currency, self.number


def quantities(text: str) -> list[Quantity]:
    """Every amount in a text, which is read in lower case, in order."""
    found = list(_each(text))
    return _with_shared_units(found, text) if len(found) > 1 else found


def _each(text: str) -> Iterator[Quantity]:
    reach = 0
    for begin in _START.finditer(text):
        start = begin.start()
        if start < reach:
            continue
        number = _NUMBER.match(text, start)
        if number is None:
            continue
        end = number.end()
        amount = _amount(number[0])
        if not amount:
            continue
        if (vulgar := text[end : end + 2]) and not vulgar.isascii():
            more = _VULGAR_AFTER.match(text, end)
            if more:
                amount, end = str(Fraction(amount) + _VULGAR[more[1]]), more.end()
        one = _with_unit(text, start, end, amount)
        if one is not None:
            reach = one.end
            yield one


def _with_unit(text: str, start: int, end: int, amount: str) -> Quantity | None:
    """The amount with what stands around it; ``None`` where it is part of a code (304L)."""
    before = text[max(0, start - _READ_BACK) : start]
    if before and (before[-1] in "$€£¥" or before[-2:-1] in tuple("$€£¥dr")):
        money = _CURRENCY_BEFORE.search(before)
        if money:
            code = _TABLE.currencies[money[1]]
            return Quantity(amount, None, code, "", "", "", start - len(money[0]), end)
    after = _UNIT.match(text, end)
    word = after[2] if after else None
    noun = ""
    if after and word:
        unit, code = _unit(word)
        if unit is not None and word == "in" and _PREPOSITION.match(text, after.end()):
            unit = None
        if unit is not None:
            measure = _measure(text, before, after.end()) if unit.dimension in _SPATIAL else ""
            return Quantity(amount, unit, "", "", "", measure, start, after.end())
        if code:
            return Quantity(amount, None, code, "", "", "", start, after.end())
        if not after[1] and word[0].isalpha() and word != "th":
            return None
        noun = "" if word in _TABLE.no_nouns else word
    lead = _WORD_BEFORE.search(before) if before[-2:].strip(" -:") else None
    unit = None
    pack = _PACK_BEFORE.search(before)
    if pack and pack[1] in _TABLE.packs:
        unit = _TABLE.units["pack"]
    elif lead and lead[1] in ("spf", "ph"):
        unit = _TABLE.units[lead[1]]
    return Quantity(amount, unit, "", noun, lead[1] if lead else "", "", start, end)


@lru_cache(maxsize=8192)
def _unit(word: str) -> tuple[Unit | None, str]:
    spelling = word.replace(".", "").replace(" ", "-")
    spelling = re.sub(r"^(?:°|º|deg|degrees?)-?([fc])$", r"°\1", spelling)
    spelling = re.sub(r"^sq-?(?=[a-z])", "sq-", spelling) if word[:2] == "sq" else spelling
    unit = _TABLE.units.get(spelling) or _TABLE.units.get(word)
    return unit, "" if unit else _TABLE.currencies.get(word, "")


@lru_cache(maxsize=65536)
def _amount(number: str) -> str:
    """In lowest terms; empty for what is no number."""
    known = _TABLE.numbers.get(number) or _VULGAR.get(number)
    if known is not None:
        return str(known)
    try:
        parts = re.split(r"[ \-]+", number.replace(",", "")[:_DIGITS_READ])
        return str(sum((Fraction(part) for part in parts if part), Fraction(0)))
    except (ValueError, ZeroDivisionError):
        return ""


@lru_cache(maxsize=65536)
def _in_base(number: str, unit: str) -> tuple[str, str]:
    found = _UNITS_BY_NAME[unit]
    return found.dimension, str(Fraction(number) * found.factor)


def _measure(text: str, before: str, end: int) -> str:
    after = _MEASURE_AFTER.match(text, end)
    if after and (name := _TABLE.measures.get(after[2] or after[1])):
        return name
    stated = _MEASURE_BEFORE.search(before)
    return _TABLE.measures.get(stated[1], "") if stated else ""


def _with_shared_units(found: list[Quantity], text: str) -> list[Quantity]:
    for place in range(len(found) - 2, -1, -1):
        one, following = found[place], found[place + 1]
        unit = following.unit
        if one.unit or one.currency or unit is None or unit.dimension == "pack":
            continue
        between = text[one.end : following.start]
        if len(between) <= 6 and _JOINED.fullmatch(between):
            found[place] = replace(one, unit=unit, noun="", joined=between)
    return found
