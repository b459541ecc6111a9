"""Codes that are words: an item's ID is read off its title, from common words to rare ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import regex

from genrec.data.catalog import Catalog
from genrec.semantic_ids.quantizer import Progress, Quantizer

_WORD = regex.compile(r"[\p{L}\p{N}]+(?:['’&.-][\p{L}\p{N}]+)*")
# Code 0 of every level: the title has no further word that is known.
NOTHING = 0


class TitleWords(Quantizer):
    """The words of a title as an ID: no vectors, and readable.

    Of an item's words that are in a level's codebook, the commonest comes first, so that a trie
    over the IDs branches from kinds of goods to single products. A level's codebook are the words
    that the most items would put there. An LLM that was trained on text starts each code's token
    from the word itself, in its own tokens. Make the IDs unique with the rule ``append``: moving an
    item to a free last code would give it a word that its title lacks.
    """

    kind = "title-words"
    ordered = True

    def __init__(self, levels: int = 4, codebook_size: int = 1024) -> None:
        super().__init__(levels, codebook_size)
        self.books: list[list[str]] = []
        self.common: dict[str, int] = {}

    def inputs(self, catalog: Catalog, vectors: np.ndarray) -> np.ndarray:
        """The titles, shape (items,); the vectors are not looked at."""
        del vectors
        return np.array([title or "" for title in catalog.table["title"].to_list()], dtype=object)

    def fit(
        self,
        inputs: np.ndarray,
        *,
        seed: int,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        del seed, folder
        titles = [list(dict.fromkeys(words(str(title)))) for title in inputs]
        counted = Counter(word for title in titles for word in title)
        self.common = dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))
        self.books = []
        placed = [0] * len(titles)
        ordered = [sorted(title, key=self._rank) for title in titles]
        for level, size in enumerate(self.codebook_sizes):
            last = level + 1 == len(self.codebook_sizes)
            wanted: Counter[str] = Counter()
            for row, title in enumerate(ordered):
                rest = title[placed[row] :]
                wanted.update(rest if last else rest[:1])
            chosen = sorted(wanted, key=lambda word: (-wanted[word], word))[: size - 1]
            self.books.append(["", *chosen])
            known = set(chosen)
            for row, title in enumerate(ordered):
                found = next((n for n in range(placed[row], len(title)) if title[n] in known), None)
                placed[row] = placed[row] if found is None else found + 1
            if progress is not None:
                progress(level + 1, len(self.codebook_sizes))
        used = {word for book in self.books for word in book}
        self.common = {word: count for word, count in self.common.items() if word in used}

    def _rank(self, word: str) -> tuple[int, str]:
        return -self.common.get(word, 0), word

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        codes = np.zeros((len(inputs), len(self.books)), np.int32)
        numbers = [{word: code for code, word in enumerate(book)} for book in self.books]
        for row, title in enumerate(inputs):
            rest = sorted(set(words(str(title))), key=self._rank)
            for level, known in enumerate(numbers):
                place = next((n for n, word in enumerate(rest) if word in known), None)
                if place is not None:
                    codes[row, level] = known[rest[place]]
                    rest = rest[place + 1 :]
        return codes

    def last_level_distances(self, inputs: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """0 for the chosen word, 1 for others of the title, 2 for the rest."""
        last = {word: code for code, word in enumerate(self.books[-1])}
        distances = np.full((len(inputs), self.codebook_sizes[-1]), np.inf, np.float32)
        distances[:, : len(last)] = 2
        for row, title in enumerate(inputs):
            own = [last[word] for word in words(str(title)) if word in last]
            distances[row, own] = 1
            distances[row, codes[row, -1]] = 0
        return distances

    def words(self) -> list[list[str]]:
        return self.books

    def tensors(self) -> dict[str, np.ndarray]:
        held = {f"level_{n}": _bytes("\n".join(book)) for n, book in enumerate(self.books)}
        counts = np.array(list(self.common.values()), np.int64)
        return {"common": _bytes("\n".join(self.common)), "counts": counts, **held}

    def restore(self, tensors: dict[str, np.ndarray]) -> None:
        self.books = [_lines(tensors[f"level_{n}"]) for n in range(len(tensors) - 2)]
        common = _lines(tensors["common"]) if len(tensors["counts"]) else []
        self.common = dict(zip(common, tensors["counts"].tolist(), strict=True))


def words(title: str) -> list[str]:
    """The words of a title in lower case, in their order."""
    return [word.lower() for word in _WORD.findall(title)]


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8).copy()


def _lines(held: np.ndarray) -> list[str]:
    return held.tobytes().decode().split("\n")
