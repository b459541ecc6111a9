"""Words that claim something: colours, materials, certificates, superlatives, offers.

The lists are data (``words/*.yaml``). Forms that no list can hold (``X-free``, ``X certified``,
``strongest``) are recognised by how they are built. A text and an item are read by the same code,
so what an item says in its own words is found again in a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import yaml

_FOLDER = Path(__file__).with_name("words")
KINDS = {
    "colours": "colour",
    "materials": "material",
    "certificates": "certificate",
    "superlatives": "superlative",
    "offers": "offer",
}
_WORD = re.compile(r"#?[a-z0-9]++(?:'[a-z]++)?")
_SENTENCE_END = re.compile(r"[.!?;]")
# How far before a word its negation may stand.
_NEGATION_REACH = 5


@dataclass(frozen=True, slots=True)
class Mention:
    """A claim in a text: what kind, its one name, whether it is denied, and where it stands."""

    kind: str
    name: str
    denied: bool
    start: int
    end: int

    @property
    def key(self) -> tuple[str, str, bool]:
        return self.kind, self.name, self.denied


@dataclass(frozen=True, slots=True)
class _Forms:
    makes_certificate: frozenset[str]
    makes_none: frozenset[str]
    no_superlative: frozenset[str]
    negations: frozenset[str]
    negation_passes: frozenset[str]
    plain_capitals: frozenset[str]


@cache
def _forms() -> _Forms:
    lists = yaml.safe_load((_FOLDER / "forms.yaml").read_text("utf-8"))
    return _Forms(**{name: frozenset(map(str, words)) for name, words in lists.items()})


def plain_capitals() -> frozenset[str]:
    """Words in capitals that claim nothing."""
    return _forms().plain_capitals


class Lexicon:
    """Terms by their words; ``mentions`` finds them in a text.

    Args:
        terms: kind -> name -> its spellings.
    """

    def __init__(self, terms: Mapping[str, Mapping[str, Iterable[str]]]) -> None:
        self._forms = _forms()
        self._phrases: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for kind, names in terms.items():
            for name, spellings in names.items():
                for spelling in spellings:
                    if spelled := tuple(words(spelling)):
                        self._phrases.setdefault(spelled, []).append((kind, name))
        self._longest: dict[str, int] = {}
        for phrase in self._phrases:
            self._longest[phrase[0]] = max(self._longest.get(phrase[0], 0), len(phrase))
        self._telling = frozenset(self._longest) | self._forms.makes_certificate

    def mentions(
        self,
        text: str,
        listed: Sequence[str] | None = None,
        *,
        known: Set[tuple[str, str, bool]] = frozenset(),
        nested: bool = False,
    ) -> list[Mention]:
        """Claims of a text in lower case, in order.

        Args:
            listed: the text's ``words``, where they are at hand.
            known: keys of claims to leave out.
            nested: also those inside longer ones (``steel`` in ``stainless steel``).
        """
        found = words(text) if listed is None else listed
        telling = self._telling
        formed = "est" in text or "proof" in text
        if telling.isdisjoint(found) and not formed:
            return []
        if formed:
            places = [
                place
                for place, word in enumerate(found)
                if word in telling or word.endswith(("est", "proof"))
            ]
        else:
            places = [place for place, word in enumerate(found) if word in telling]
        read = _Read(text, found)
        mentions: list[Mention] = []
        reach = 0
        for place in places:
            terms: list[_Term] = []
            if nested or place >= reach:
                terms = self._listed(read, place)
                if terms and not nested:
                    length = terms[0][3]
                    terms = [term for term in terms if term[3] == length]
                    reach = place + length
            if found[place] in self._forms.makes_certificate or formed:
                terms += _formed(self._forms, read, place)
            for kind, name, first, length in terms:
                denied = self._is_denied(read, kind, first, length)
                if (kind, name, denied) not in known:
                    start, end = read.spans[first][0], read.spans[first + length - 1][1]
                    mentions.append(Mention(kind, name, denied, start, end))
        return mentions

    def _listed(self, read: _Read, place: int) -> list[_Term]:
        """Listed terms that begin at a word, longest first."""
        found = read.words
        most = self._longest.get(found[place], 0)
        if most == 1:
            return [(kind, name, place, 1) for kind, name in self._phrases[found[place],]]
        terms: list[_Term] = []
        for length in range(min(most, len(found) - place), 0, -1):
            names = self._phrases.get(tuple(found[place : place + length]))
            if names and (length == 1 or read.in_one_sentence(place, place + length)):
                terms += [(kind, name, place, length) for kind, name in names]
        return terms

    def _is_denied(self, read: _Read, kind: str, place: int, length: int) -> bool:
        forms, found, before = self._forms, read.words, place - 1
        while (
            before >= 0
            and found[before] in forms.negation_passes
            and place - before < _NEGATION_REACH
        ):
            before -= 1
        if before >= 0 and found[before] in forms.negations:
            return read.in_one_sentence(before, place + 1)
        last = place + length
        if kind == "material" and last < len(found) and found[last] == "free":
            return read.in_one_sentence(place, last + 1)
        return False


# Kind, name, first word, words.
_Term = tuple[str, str, int, int]


class _Read:
    """A text and its words; where they stand is found out only when it is asked for."""

    def __init__(self, text: str, words: Sequence[str]) -> None:
        self.text, self.words = text, words

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        return [match.span() for match in _WORD.finditer(self.text)]

    def in_one_sentence(self, first: int, last: int) -> bool:
        """Whether no sentence ends between the words ``first`` and ``last - 1``."""
        text, spans = self.text, self.spans
        return not _SENTENCE_END.search(text, spans[first][1], spans[last - 1][0])


def _formed(forms: _Forms, read: _Read, place: int) -> Iterator[_Term]:
    """Claims known by their form alone."""
    word = read.words[place]
    before = read.words[place - 1] if place else ""
    if (
        word in forms.makes_certificate
        and before
        and before not in forms.makes_none
        and not before.isdigit()
        and read.text[read.spans[place - 1][1] : read.spans[place][0]] in (" ", "-")
    ):
        yield "certificate", f"{before} {word}", place - 1, 2
    if word.endswith("est") and len(word) > 4 and word not in forms.no_superlative:
        yield "superlative", word, place, 1
    if word.endswith("proof") and len(word) > 6:
        yield "certificate", word, place, 1


def words(text: str) -> list[str]:
    """The words of a text in lower case; hyphens part them."""
    return _WORD.findall(text)


@cache
def shipped_terms() -> dict[str, dict[str, tuple[str, ...]]]:
    """The shipped lists: kind -> name -> spellings."""
    terms: dict[str, dict[str, tuple[str, ...]]] = {}
    for file, kind in KINDS.items():
        lines = yaml.safe_load((_FOLDER / f"{file}.yaml").read_text("utf-8"))
        split = [[part.strip().lower() for part in str(line).split("|")] for line in lines]
        terms[kind] = {parts[0]: tuple(parts) for parts in split}
    return terms


@cache
def shipped_lexicon() -> Lexicon:
    """The lexicon of the shipped lists."""
    return Lexicon(shipped_terms())
