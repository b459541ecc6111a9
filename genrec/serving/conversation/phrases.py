"""What shoppers say in English: turns of phrase for intents, bounds, persons and places in a list.

The expressions themselves are in ``phrases.yaml``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_FILE: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)
_ORDINALS = {
    "first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4,
    "fifth": 5, "5th": 5, "sixth": 6, "6th": 6, "seventh": 7, "eighth": 8, "last": -1,
    "final": -1,
}  # fmt: skip
# Between two places of a list that are meant together.
_JOINED = re.compile(r"[\s,&]*(?:and|or|versus|vs\.?|with|to|from)?[\s,]*(?:the\s+)?")
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}


def _listed(name: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (kind, re.compile(pattern.replace("AMOUNT", _FILE["amount"])))
        for row in _FILE[name]
        for kind, pattern in row.items()
    )


_INTENTS, _BOUNDS, _RELATIVES = _listed("intents"), _listed("bounds"), _listed("relatives")
_HELLO, _THANKS, _ANY, _YES, _NO = (
    re.compile(_FILE[name]) for name in ("hello", "thanks", "any", "agrees", "declines")
)
_NONE_OF, _RECIPIENT, _GIFT, _MYSELF = (
    re.compile(_FILE[name]) for name in ("none_of", "recipient", "gift", "myself")
)
_IT, _ORDINAL, _NUMBERED = (re.compile(_FILE[n]) for n in ("pronoun", "ordinal", "numbered"))
STOP = frozenset(_FILE["stop"].split())


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text that has been understood.

    Attributes:
        what: what it says.
        start: where it begins.
        end: the place after its end.
    """

    what: str
    start: int
    end: int


def intent_of(text: str) -> Span | None:
    """The first turn of phrase that says what is to be done."""
    for intent, pattern in _INTENTS:
        if match := pattern.search(text):
            return Span(intent, match.start(), match.end())
    return None


def greeting_of(text: str) -> Span | None:
    """A greeting at the beginning."""
    match = _HELLO.match(text)
    return Span("hello", match.start(), match.end()) if match and match.group() else None


def is_thanks(text: str) -> bool:
    """Whether the whole text is thanks, or a goodbye."""
    return bool(_THANKS.match(text))


def is_any(text: str) -> bool:
    """Whether the whole text says that it does not matter."""
    return bool(_ANY.match(text))


def is_yes(text: str) -> bool:
    """Whether the whole text agrees."""
    return bool(_YES.match(text))


def is_no(text: str) -> bool:
    """Whether the whole text declines."""
    return bool(_NO.match(text))


def none_of(text: str) -> Span | None:
    """That all of what was shown is refused."""
    match = _NONE_OF.search(text)
    return Span("all", match.start(), match.end()) if match else None


def ordinal_of(text: str) -> tuple[int, Span] | None:
    """Which of a list is meant by its number."""
    if match := _NUMBERED.search(text):
        said = match.group(1)
        number = _NUMBERS[said] if said in _NUMBERS else int(said)
        return number, Span("ordinal", match.start(), match.end())
    if match := _ORDINAL.search(text):
        return _ORDINALS[match.group(1)], Span("ordinal", match.start(), match.end())
    return None


def ordinals_of(text: str) -> list[tuple[int, Span]]:
    """Which of a list are meant by their numbers: one, or several that are named in one breath."""
    found: list[tuple[int, Span]] = []
    while one := ordinal_of(text):
        if found and not _JOINED.fullmatch(text[found[-1][1].end : one[1].start]):
            break
        found.append(one)
        text = text[: one[1].start] + " " * (one[1].end - one[1].start) + text[one[1].end :]
    return found


def pronoun_of(text: str) -> Span | None:
    """A word for the thing that was spoken of."""
    match = _IT.search(text)
    return Span("it", match.start(), match.end()) if match else None


def bound_of(text: str) -> tuple[dict[str, float], Span] | None:
    """The bounds of a price, as a condition of a filter."""
    for kind, pattern in _BOUNDS:
        if not (match := pattern.search(text)):
            continue
        numbers = [_number(one) for one in match.groups() if one is not None]
        span = Span("price", match.start(), match.end())
        if kind == "between":
            return {"min": min(numbers), "max": max(numbers)}, span
        if kind == "about":
            return {"min": round(numbers[0] * 0.8, 2), "max": round(numbers[0] * 1.2, 2)}, span
        word = {"not_over": "max", "below": "below", "above": "above", "least": "min"}[kind]
        return {word: numbers[0]}, span
    return None


def relative_of(text: str) -> Span | None:
    """A price against others."""
    for kind, pattern in _RELATIVES:
        if match := pattern.search(text):
            return Span(kind, match.start(), match.end())
    return None


def recipient_of(text: str) -> Span | None:
    """Whom it is for: a word such as ``sister``, ``someone``, or ``me``."""
    if match := _RECIPIENT.search(text):
        who = match.group(1) or match.group(2)
        who = "someone" if who in ("her", "him", "them") or who.startswith("some") else who
        return Span(who, match.start(), match.end())
    if match := _MYSELF.search(text):
        return Span("me", match.start(), match.end())
    if match := _GIFT.search(text):
        return Span("someone", match.start(), match.end())
    return None


def _number(said: str) -> float:
    if said.count(",") == 1 and len(said.rsplit(",", 1)[1]) <= 2:
        said = said.replace(",", ".")
    number = float(said.replace(",", ""))
    return int(number) if number.is_integer() else number
