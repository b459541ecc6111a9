"""Words of a text, their stems, and the nearest known word to one that is misspelt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# A short word is a near miss of too many others.
SHORTEST, TWO_SLIPS = 4, 8
_KEPT_S = ("ss", "us", "is")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    Attributes:
        text: lowered, without accents.
        stem: what its forms have in common.
        start: where it begins in the text.
        end: the place after its last letter.
    """

    text: str
    stem: str
    start: int
    end: int


def plain(text: str) -> str:
    """Lowered, without accents; look-alike forms of letters become the letters."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in folded if not unicodedata.combining(letter))


def words_of(text: str) -> list[Word]:
    """The words of a text, in order."""
    found = []
    for match in _WORD.finditer(text):
        word = plain(match.group()).replace("’", "'")
        word = word.removesuffix("'s")
        found.append(Word(word, stem(word), match.start(), match.end()))
    return found


def stems_of(text: str) -> tuple[str, ...]:
    """The stems of a text's words, in order."""
    return tuple(word.stem for word in words_of(text))


def stem(word: str) -> str:
    """A word without its plural's ending; enough to find a shirt among shirts."""
    if len(word) < SHORTEST or word.endswith(_KEPT_S) or not word.endswith("s"):
        return word
    if word.endswith("ies") and len(word) > SHORTEST:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    return word[:-1]


class Speller:
    """The nearest of known words: one slip of the finger in short words, two in long ones.

    A slip is a letter too many, too few, another one, or two exchanged. Words are found by what is
    left of them without one or two letters (symmetric deletes, Garbe 2012).

    Args:
        words: known ones with how often each occurs; the commoner of two equally near is taken.
    """

    def __init__(self, words: Iterable[tuple[str, int]]) -> None:
        self._counts = {word: count for word, count in words if word.isalpha()}
        self._parts: dict[str, list[str]] = {}
        for word in self._counts:
            if len(word) >= SHORTEST:
                for part in _parts(word, _slips(word)):
                    self._parts.setdefault(part, []).append(word)

    def __contains__(self, word: str) -> bool:
        return word in self._counts

    def nearest(self, word: str) -> str:
        """The known word that was meant; empty if there is none near enough."""
        if word in self._counts or not word.isalpha():
            return word if word in self._counts else ""
        if len(word) < SHORTEST:
            # Of a short word only its last letter can have been left out.
            longer = [known for known in self._parts.get(word, ()) if known[:-1] == word]
            return max(longer, key=lambda known: self._counts[known], default="") * (len(word) > 2)
        most = _slips(word)
        near: set[str] = set()
        for part in _parts(word, most):
            near.update(self._parts.get(part, ()))
        best, found = most + 1, ""
        for known in sorted(near, key=lambda one: (-self._counts[one], one)):
            # The first letter is seldom wrong, and most false friends differ in it.
            if known[0] != word[0] and sorted(known[:2]) != sorted(word[:2]):
                continue
            # "Cooky" is what is left of cookies, and no slip of "cook".
            if known == f"{word}y":
                continue
            # In so short a word another letter makes another word: cola, cold; like, lime.
            if len(word) == len(known) == SHORTEST and sorted(word) != sorted(known):
                continue
            distance = slips(word, known, most=min(most, _slips(known)))
            if distance < best:
                best, found = distance, known
        return found


def slips(one: str, other: str, *, most: int) -> int:
    """How many slips lie between two words; ``most`` + 1 where there are more than ``most``."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        previous, before, row = before, row, [i]
        for j, against in enumerate(other, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, previous[j - 2] + 1)
            row.append(cost)
    return min(row[-1], most + 1)


def _slips(word: str) -> int:
    return 2 if len(word) >= TWO_SLIPS else 1


def _parts(word: str, most: int) -> Iterable[str]:
    yield word
    for gone in range(1, most + 1):
        for places in combinations(range(len(word)), gone):
            yield "".join(letter for place, letter in enumerate(word) if place not in places)
