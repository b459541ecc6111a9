"""Phrases in a text whatever it does to hide them: c.u.r.e.s, CURESSS, cur3s, c u r e s.

Text and phrases are reduced to a skeleton: letters only, leet signs read as letters, runs of a
letter as one. An Aho-Corasick automaton finds the phrases' skeletons in one pass; a hit is then
held against the letters as they stand, which keeps "pen is" and "455" from being words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from genrec.creatives.guard.folding import fold
from genrec.errors import MissingExtra

if TYPE_CHECKING:
    from ahocorasick_rs import AhoCorasick

# i, l, 1, ! and | are one class, for each is read as the others.
_LEET = {
    "0": "o",
    "1": "l",
    "2": "z",
    "3": "e",
    "4": "a",
    "5": "s",
    "6": "g",
    "7": "t",
    "8": "b",
    "9": "g",
    "@": "a",
    "$": "s",
    "!": "l",
    "|": "l",
    "i": "l",
    "+": "t",
    "€": "e",
    "£": "l",
    "¥": "y",
    "¢": "c",
    "(": "c",
}
_RUN = re.compile(r"(.)\1++", re.DOTALL)
_DROPPED = {chr(code): None for code in range(128) if not chr(code).isalnum()}
_SQUEEZE = str.maketrans({**_DROPPED, **_LEET})
_PARTED = str.maketrans({**_DROPPED, **_LEET, **dict.fromkeys(" \t\n-/,.:;?\"'()&", " ")})
# The same where marks that leet uses as letters are marks: "cures!"
_PARTED_MORE = str.maketrans(
    {**{chr(k): v for k, v in _PARTED.items()}, **dict.fromkeys("!|+", " ")}
)
_PAIRS = [(letter * 2, letter) for letter in "abcdefghijklmnopqrstuvwxyz"]
# Three or more single letters with marks or spaces between: a word that is spelled out.
_SPELLED_OUT = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]{1,3}(?:[^\W_](?![^\W_])|[@$!|+])){2,}+")
# A shorter skeleton is looked for word by word: it would hit in the middle of other words.
_SHORT = 6
# Letters from which on a phrase is found even when other spaces part it: chance does not do that.
_PARTED_ANYHOW = 8
# How much of one letter's run is read for where a phrase begins or ends.
_RUN_READ, _BLOCKS_READ = 200, 6


class PhraseFinder:
    """Finds phrases in folded texts.

    Args:
        phrases: in any spelling; what is matched is their letters and digits.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self.phrases = list(phrases)
        self._by_skeleton: dict[str, list[int]] = {}
        self._letters: list[list[str]] = []
        self._breaks: list[frozenset[int]] = []
        several: set[str] = set()
        for number, phrase in enumerate(self.phrases):
            plain = fold(phrase).text.strip()
            skeleton = squeezed(plain)
            self._letters.append([sign for sign in plain if sign.isalnum()])
            self._breaks.append(_breaks(plain))
            if skeleton:
                self._by_skeleton.setdefault(skeleton, []).append(number)
                if not plain.isalnum():
                    several.add(skeleton)
        self._long = [name for name in self._by_skeleton if len(name) >= _SHORT or name in several]
        self._short = frozenset(self._by_skeleton) - set(self._long)
        self._least = {
            name: min(len(self._letters[number]) for number in self._by_skeleton[name])
            for name in self._short
        }
        self._automaton = _automaton(self._long)

    def find(self, text: str) -> list[tuple[int, int, int]]:
        """Start, end and the phrase's number of each hit in a folded text, longest first."""
        skeleton = squeezed(text)
        hits = [
            (self._long[number], start, end)
            for number, start, end in self._automaton.find_matches_as_indexes(
                skeleton, overlapping=True
            )
        ]
        parted = text.translate(_PARTED)
        parts = _collapsed(parted).split()
        short = self._short_words(parted, parts)
        if "!" in text or "|" in text or "+" in text:
            parted = text.translate(_PARTED_MORE)
            short |= self._short_words(parted, _collapsed(parted).split())
        for name in short:
            hits += ((name, at, at + len(name)) for at in _all(skeleton, name))
        found = list(self._held(text, hits)) if hits else []
        if sum([len(part) == 1 for part in parts]) > 2:
            found += self._spelled_out(text)
        return _outermost(found) if found else found

    def _short_words(self, parted: str, parts: Sequence[str]) -> set[str]:
        """Short skeletons that are words of the text, unless its words lack a doubled letter."""
        short = self._short.intersection(parts)
        if not short:
            return set()
        return {
            part
            for word, part in zip(parted.split(), parts, strict=True)
            if part in short and len(word) >= self._least[part]
        }

    def _spelled_out(self, text: str) -> Iterator[tuple[int, int, int]]:
        for match in _SPELLED_OUT.finditer(text):
            part = match[0]
            skeleton = squeezed(part)
            hits = [
                (skeleton[start:end], start, end)
                for start in range(len(skeleton))
                for end in range(start + 2, min(start + _SHORT, len(skeleton) + 1))
                if skeleton[start:end] in self._short
            ]
            for start, end, number in self._held(part, hits):
                yield start + match.start(), end + match.start(), number

    def _held(
        self, text: str, hits: Iterable[tuple[str, int, int]]
    ) -> Iterator[tuple[int, int, int]]:
        """Hits whose letters, as they stand in the text, really are the phrase."""
        places = _places(text)
        for name, start, end in hits:
            starts = [first for first, _ in _blocks(text, places[start])]
            ends = [last for _, last in _blocks(text, places[end - 1])]
            # Of a run in several blocks ("C cures", "guarantee-e") any may be the phrase's own.
            spans = [(first, last) for last in reversed(ends) for first in starts]
            for number in self._by_skeleton[name]:
                span = next((one for one in spans if self._is(text, *one, number)), None)
                if span is not None:
                    yield span[0], span[1], number

    def _is(self, text: str, first: int, end: int, number: int) -> bool:
        if first and text[first - 1].isalnum() and text[first].isalnum():
            return False
        if end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
            return False
        said, wanted = text[first:end], self._letters[number]
        signs = [sign for sign in said if _letter(sign)]
        plain = sum(sign.isalpha() for sign in signs)
        if plain * (2 if len(wanted) <= 4 else 3) < len(wanted):
            return False
        return _spell(signs, wanted) and self._parted_as_it_may(said, number)

    def _parted_as_it_may(self, said: str, number: int) -> bool:
        """No spaces inside words but those of letters that stand alone, or in a long phrase."""
        wanted = self._letters[number]
        if len(wanted) >= _PARTED_ANYHOW or not any(sign.isspace() for sign in said):
            return True
        pieces = said.split()
        if all(sum(bool(_letter(sign)) for sign in piece) <= 1 for piece in pieces):
            return True
        at = 0
        for piece in pieces[:-1]:
            at += len(squeezed(piece))
            if at not in self._breaks[number]:
                return False
        return True


def squeezed(text: str) -> str:
    """The skeleton of a folded text."""
    return _collapsed(text.translate(_SQUEEZE))


def _collapsed(text: str) -> str:
    """Each run of a letter as one letter."""
    if not text.isascii():
        return _RUN.sub(r"\1", text)
    # Faster than the expression: most pairs are in no text.
    for pair, letter in _PAIRS:
        while pair in text:
            text = text.replace(pair, letter)
    return text


def _letter(sign: str) -> str:
    """The skeleton's letter for a sign of the text; empty for what the skeleton leaves out."""
    known = _LEET.get(sign)
    if known:
        return known
    return "" if sign.isascii() and not sign.isalnum() else sign


def _places(text: str) -> list[int]:
    """For each letter of the skeleton, where its run begins in the text."""
    places: list[int] = []
    last = ""
    for place, sign in enumerate(text.translate(_LETTERS)):
        if sign != " " and sign != last:
            places.append(place)
            last = sign
    return places


_LETTERS = str.maketrans({**dict.fromkeys(_DROPPED, " "), **_LEET})


def _all(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _blocks(text: str, first: int) -> list[tuple[int, int]]:
    """Start and end of the blocks of one letter's run, which begins at ``first``."""
    letter, blocks, place = _letter(text[first]), [], first
    limit = min(len(text), first + _RUN_READ)
    while place < limit:
        here = _letter(text[place])
        if here == letter:
            start = place
            while place < limit and _letter(text[place]) == letter:
                place += 1
            blocks.append((start, place))
        elif here:
            break
        else:
            place += 1
    return blocks[:_BLOCKS_READ]


def _spell(signs: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether signs read as those letters; each run at least as long as the phrase has it."""
    have = [(key, list(run)) for key, run in groupby(signs, _letter)]
    need = [(key, list(run)) for key, run in groupby(wanted, _letter)]
    if [key for key, _ in have] != [key for key, _ in need]:
        return False
    for (_, run), (_, letters) in zip(have, need, strict=True):
        if len(run) < len(letters):
            return False
        if len(wanted) <= 4 and len(letters) == 1 and len(run) == 2:
            return False
    return True


def _breaks(phrase: str) -> frozenset[int]:
    """After how many letters of its skeleton the phrase itself has a space or a mark."""
    words = re.findall(r"[^\W_]+", phrase)
    return frozenset(
        sum(len(squeezed(word)) for word in words[:count]) for count in range(1, len(words))
    )


def _outermost(found: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Without hits inside longer ones, in the order of the text."""
    kept: list[tuple[int, int, int]] = []
    reach = -1
    for start, end, number in sorted(found, key=lambda one: (one[0], -one[1])):
        if end > reach:
            kept.append((start, end, number))
            reach = end
    return kept


def _automaton(patterns: list[str]) -> AhoCorasick:
    try:
        from ahocorasick_rs import AhoCorasick
    except ImportError:
        raise MissingExtra("ahocorasick-rs", "creatives", "The guard") from None
    return AhoCorasick(patterns)
