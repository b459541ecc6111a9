"""The catalogue's own words: values of attributes, names of attributes, kinds of product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.filter_columns import ListColumn, NumberColumn, ValueColumn
from genrec.data.filters import FilterCompiler
from genrec.serving.conversation.spelling import Speller, stems_of
from genrec.serving.conversation.word_index import WordIndex

# Beyond so many values an attribute is a name of each item rather than a choice.
MOST_VALUES = 100_000
# Up to so many words of a value are looked for together.
LONGEST_PHRASE = 6
# What people call attributes that catalogues have under another name.
SYNONYMS = {
    "colour": ("colour", "color", "shade"),
    "brand": ("brand", "make", "maker", "label"),
    "material": ("material", "fabric"),
    "price": ("price", "budget", "cost", "prices"),
    "category": ("category", "kind", "sort", "department"),
    "size": ("size",),
}
# Attributes whose values say what a thing is, rather than how it is.
KIND_ATTRIBUTES = ("category", "type", "department", "kind", "class", "section", "genre", "group")
_PARTLY = ("colour", "color", "material", "fabric")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase can mean.

    Attributes:
        values: of the attribute; one, or several that have the word in them.
        items: how many items have one of them.
        whole: whether the phrase is a whole value.
    """

    attribute: str
    values: tuple[Any, ...]
    items: int
    whole: bool = True


class Vocabulary:
    """Phrases of a shopper to values of the catalogue.

    Args:
        hidden: attributes that nobody asks for, such as the stock.
    """

    def __init__(
        self,
        catalog: Catalog,
        filters: FilterCompiler,
        index: WordIndex,
        *,
        hidden: Sequence[str] = (),
    ) -> None:
        self.catalog, self.index = catalog, index
        self.has_price = filters.column("price") is not None
        self.attributes: dict[str, Any] = {}
        self.phrases: dict[tuple[str, ...], list[Meaning]] = {}
        self._partly: dict[str, list[Meaning]] = {}
        for name in filters.names:
            if name in ("title", "text", "price", *hidden):
                continue
            column = filters.column(name)
            if isinstance(column, NumberColumn):
                self.attributes[name] = column
                if column.is_bool:
                    count = int((column.values == 1).sum())
                    self._add(stems_of(name.replace("_", " ")), Meaning(name, (True,), count))
            elif isinstance(column, ValueColumn | ListColumn) and len(column.texts) <= MOST_VALUES:
                self.attributes[name] = column
                self._add_values(name, column)
        self.names = self._named()

    def _add_values(self, name: str, column: ValueColumn | ListColumn) -> None:
        counts = value_counts(column)
        partly: dict[str, list[int]] = {}
        for number, value in enumerate(column.texts):
            stems = stems_of(value)
            # A number alone is a bound or a count, not a name.
            if not stems or len(stems) > LONGEST_PHRASE or all(s.isdigit() for s in stems):
                continue
            self._add(stems, Meaning(name, (value,), int(counts[number])))
            if len(stems) > 1 and any(part in name.lower() for part in _PARTLY):
                for one in stems:
                    partly.setdefault(one, []).append(number)
        for one, numbers in partly.items():
            if one == "and":
                continue
            # "linen" means linen, and also linen and oak.
            whole = [m for m in self.phrases.get((one,), []) if m.attribute == name]
            values = tuple(v for m in whole for v in m.values)
            values += tuple(column.texts[number] for number in numbers)
            items = sum(m.items for m in whole) + int(counts[numbers].sum())
            meanings = self.phrases.setdefault((one,), [])
            meanings[:] = [m for m in meanings if m.attribute != name]
            meanings.append(Meaning(name, values, items, bool(whole)))

    def _add(self, stems: tuple[str, ...], meaning: Meaning) -> None:
        self.phrases.setdefault(stems, []).append(meaning)

    def _named(self) -> dict[tuple[str, ...], str]:
        """Names that people give to attributes."""
        names: dict[tuple[str, ...], str] = {}
        own = [*self.attributes, *(["price"] if self.has_price else [])]
        for attribute in own:
            names.setdefault(stems_of(attribute.replace("_", " ")), attribute)
        for attribute in own:
            for canonical, words in SYNONYMS.items():
                if attribute.lower() in (canonical, *words):
                    for word in words:
                        names.setdefault(stems_of(word), attribute)
        return names

    @cached_property
    def absent(self) -> dict[str, str]:
        """Words for attributes that the catalogue lacks, unless items say them; and their names."""
        found = {
            stems_of(word)[0]: canonical
            for canonical, words in SYNONYMS.items()
            for word in words
            if stems_of(word) not in self.names
        }
        return {one: name for one, name in found.items() if one not in self.index.words}

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of a phrase."""
        return frozenset(word for phrase in self.phrases for word in phrase)

    @cached_property
    def speller(self) -> Speller:
        """Corrects to words of values and of items."""
        index = self.index
        counts = np.diff(index.starts)
        known = {word: int(counts[number]) for word, number in index.words.items()}
        for phrase, meanings in self.phrases.items():
            for word in phrase:
                known[word] = max(known.get(word, 0), *(m.items for m in meanings))
        return Speller(known.items())

    def meaning(self, stems: tuple[str, ...], preferred: str = "") -> Meaning | None:
        """What a phrase means; of several meanings the one that most items have.

        Args:
            preferred: an attribute that is spoken of, such as by an open question.
        """
        found = self.phrases.get(stems)
        if not found:
            return None
        return max(found, key=lambda one: (one.attribute == preferred, one.items))

    def is_kind(self, attribute: str) -> bool:
        """Whether an attribute says what a thing is."""
        return any(word in attribute.lower() for word in KIND_ATTRIBUTES)

    def values(self, attribute: str) -> list[str]:
        """Values of an attribute that hold words, the most frequent first."""
        column = self.attributes.get(attribute)
        if not isinstance(column, ValueColumn | ListColumn):
            return []
        order = np.argsort(-value_counts(column), kind="stable")
        return [column.texts[int(number)] for number in order]


def value_counts(column: ValueColumn | ListColumn) -> np.ndarray:
    """How many items have each value, shape (values,), int64."""
    numbers = column.numbers if isinstance(column, ValueColumn) else column.value_numbers
    return np.bincount(numbers[numbers >= 0], minlength=len(column.texts))
