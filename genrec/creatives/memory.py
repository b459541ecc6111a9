"""A shopper's own texts, and those of them that have to do with what is to be said now.

The retrieval of LaMP (Salemi et al. 2024): BM25, recency or dense vectors behind one interface.
What is found grounds a sentence; it is evidence and never an instruction.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.errors import ConfigError, nearest

RETRIEVERS = ("bm25", "recency", "dense")
_WORD = re.compile(r"[^\W_]+")
# Robertson and Zaragoza (2009), the usual values.
_K1, _B = 1.2, 0.75
LAST_EVENTS = 500
# Attributes that say what kind of thing an item is.
KINDS = ("category", "type", "genre", "subject")


@dataclass(frozen=True, slots=True)
class Remembered:
    """One text of a shopper.

    Attributes:
        event: its number in the shopper's history, from 0.
        item: what it was about.
        text: a title that was bought, or a review.
        likeness: with what was asked for, from 0 to 1; 1 for what is merely recent.
    """

    event: int
    item: str
    text: str
    likeness: float = 1.0


class Retriever(Protocol):
    """Weighs a shopper's texts against a question."""

    def weigh(self, question: str, texts: Sequence[str]) -> np.ndarray:
        """How well each text fits, 0 for not at all, shape (texts,); texts are oldest first."""


class Bm25:
    """Words in common, rare ones first, within the shopper's own texts."""

    def weigh(self, question: str, texts: Sequence[str]) -> np.ndarray:
        wanted = set(_words(question))
        counts = [Counter(_words(text)) for text in texts]
        lengths = np.array([sum(one.values()) for one in counts], float)
        mean = lengths.mean() if len(lengths) and lengths.any() else 1.0
        found = np.zeros(len(texts))
        for word in wanted:
            often = np.array([one[word] for one in counts], float)
            have = int((often > 0).sum())
            if not have:
                continue
            rare = math.log(1 + (len(texts) - have + 0.5) / (have + 0.5))
            found += rare * often * (_K1 + 1) / (often + _K1 * (1 - _B + _B * lengths / mean))
        return found


class Recency:
    """The latest first, whatever they say."""

    def weigh(self, question: str, texts: Sequence[str]) -> np.ndarray:  # noqa: ARG002
        return (np.arange(len(texts)) + 1.0) / max(len(texts), 1)


class Dense:
    """Cosine of sentence vectors; what points elsewhere counts as nothing.

    Args:
        encode: texts -> unit vectors, shape (texts, width).
    """

    def __init__(self, encode: Callable[[Sequence[str]], np.ndarray]) -> None:
        self._encode = encode

    def weigh(self, question: str, texts: Sequence[str]) -> np.ndarray:
        if not len(texts):
            return np.zeros(0)
        vectors = self._encode([question, *texts])
        return np.maximum(vectors[1:] @ vectors[0], 0.0)


@dataclass(frozen=True)
class Memory:
    """What shoppers bought, by the titles of the items.

    Args:
        data: whose events are remembered.
        retriever: how texts are weighed.
        least: weight below which a text has nothing to do with the question, as a share of what
            the question itself would weigh among them.
        usable: whether an item may be spoken of, shape (items,); what a profile leaves out as
            sensitive is remembered no more than it. ``None`` for all.
    """

    data: Dataset
    retriever: Retriever
    least: float = 0.4
    usable: np.ndarray | None = None

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {str(user): row for row, user in enumerate(self.data.users)}

    def texts(self, user: str) -> list[Remembered]:
        """The shopper's last texts, oldest first; none for a shopper that is not known."""
        row = self._rows.get(user)
        if row is None:
            return []
        items = self.data.sequences[row].items
        first = max(len(items) - LAST_EVENTS, 0)
        catalog: Catalog = self.data.catalog
        return [
            Remembered(first + place, catalog.ids[int(item)], self._titles[int(item)])
            for place, item in enumerate(items[first:])
            if self.usable is None or self.usable[int(item)]
        ]

    def recall(self, user: str, question: str, *, n: int = 3) -> list[Remembered]:
        """The ``n`` texts of a shopper that fit a question best, each text once, best first."""
        latest = {one.text: one for one in self.texts(user)}
        found = list(latest.values())
        if not found or not question.strip():
            return []
        texts = [self._searched(one.item, one.text) for one in found]
        weights = self.retriever.weigh(question, [*texts, question])
        whole = float(weights[-1]) or 1.0
        likeness = np.clip(weights[:-1] / whole, 0.0, 1.0)
        # Of equally good ones the latest.
        order = np.lexsort((-np.array([one.event for one in found]), -likeness))[:n]
        return [
            Remembered(found[row].event, found[row].item, found[row].text, float(likeness[row]))
            for row in order
            if likeness[row] >= self.least
        ]

    def _searched(self, item: str, title: str) -> str:
        """What a text is found by: the title, and what kind of thing it is."""
        attributes = self.data.catalog[item].attributes
        kinds = [str(value) for name, value in attributes.items() if name.lower() in KINDS]
        return " ".join([title, *kinds])

    @cached_property
    def _titles(self) -> list[str]:
        titles: list[str] = self.data.catalog.table["title"].to_list()
        return titles


def retriever_named(name: str) -> Retriever:
    """A retriever by name; ``dense`` loads the sentence encoder of the item vectors.

    Raises:
        ConfigError: there is none of that name.
    """
    if name == "bm25":
        return Bm25()
    if name == "recency":
        return Recency()
    if name == "dense":
        return Dense(_minilm())
    raise ConfigError(f"There is no retriever '{name}'; {nearest(name, RETRIEVERS)}")


def _words(text: str) -> list[str]:
    """Words that tell things apart; sizes and units are shared by the most unlike of them."""
    found = _WORD.findall(text.lower())
    return [word.rstrip("s") for word in found if len(word) > 2 and word.isalpha()]


def _minilm() -> Callable[[Sequence[str]], np.ndarray]:
    from genrec.encoders.text import TextEncoder

    encoder = TextEncoder()

    def encode(texts: Sequence[str]) -> np.ndarray:
        vectors = np.asarray(encoder.encode_texts(list(texts)), float)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, 1e-12)

    return encode
