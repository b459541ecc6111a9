"""Items by words, by a picture, or by both: a by-product of every encoder that knows them.

A question is compared with each kind of content that it can be compared with: words with texts,
words with pictures where an encoder has both in one space, pictures with pictures. The lists become
one by reciprocal rank fusion (Cormack, Clarke and Büttcher 2009), which needs no common scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genrec.encoders.base import Encoder, ItemVectors
from genrec.encoders.image import ImageEncoder
from genrec.encoders.text import TextEncoder
from genrec.encoders.vector_index import VectorIndex
from genrec.errors import ConfigError, InputError

# Of reciprocal rank fusion: how little the very first places count beyond the next ones.
RANK_OFFSET = 60
# How far down each list is looked for the one list.
DEPTH = 200
# What is compared with what, by the name of the list that it makes.
TEXTS, SEEN, PICTURES = "words in texts", "words in pictures", "picture in pictures"


@dataclass(frozen=True)
class Found:
    """One item that answers a question.

    Attributes:
        item: position in the catalogue.
        score: sum of 1 / (rank + ``RANK_OFFSET``) over the lists that it stands in.
        ranks: its place in each list, from 1, by the list's name.
    """

    item: int
    score: float
    ranks: dict[str, int]


@dataclass(frozen=True)
class Finder:
    """Finds items of one catalogue.

    Attributes:
        encoders: by kind of content, ``text`` and ``image``.
        indexes: of the same kinds.
    """

    encoders: Mapping[str, Encoder]
    indexes: Mapping[str, VectorIndex]

    @staticmethod
    def of(encoders: Mapping[str, Encoder], vectors: Mapping[str, ItemVectors]) -> Finder:
        """A finder over vectors that these encoders made."""
        usable = {kind: one for kind, one in encoders.items() if kind in vectors}
        return Finder(usable, {kind: VectorIndex(vectors[kind]) for kind in usable})

    def find(
        self,
        text: str = "",
        picture: bytes = b"",
        *,
        n: int = 10,
        allowed: np.ndarray | None = None,
    ) -> list[Found]:
        """The n best answers to words, a picture, or both.

        Args:
            picture: the bytes of a file.
            allowed: bool over the catalogue, shape (items,).

        Raises:
            InputError: nothing was asked, or the picture cannot be used.
            ConfigError: no encoder can compare the question with any item.
        """
        if not text.strip() and not picture:
            raise InputError("Nothing was asked. Give words, a picture, or both.")
        words = self.words([text.strip()]) if text.strip() else {}
        queries = {name: found[0] for name, found in words.items()}
        for encoder in self.encoders.values():
            if picture and isinstance(encoder, ImageEncoder):
                queries[PICTURES] = encoder.encode_contents([picture])[0]
        if not queries:
            asked = " and ".join(["words"] * bool(text) + ["a picture"] * bool(picture))
            raise ConfigError(
                f"The question is {asked}, and no encoder of this run compares that with its "
                f"items: it has {', '.join(self.indexes) or 'none'}. Name a text model in "
                "encode.model, or a model of pictures and words in encode.image.model."
            )
        depth = max(DEPTH, n)
        lists = {
            name: self.nearest(name, query, depth, allowed=allowed)[0]
            for name, query in queries.items()
        }
        return fused(lists)[:n]

    @property
    def sees(self) -> bool:
        """Whether words can be compared with pictures."""
        images = [one for one in self.encoders.values() if isinstance(one, ImageEncoder)]
        return any(one.reads_text for one in images)

    def words(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Vectors of texts for each list that words can make, shape (texts, dimensions) each."""
        found = {}
        for encoder in self.encoders.values():
            if isinstance(encoder, TextEncoder):
                found[TEXTS] = encoder.encode_texts(texts)
            elif isinstance(encoder, ImageEncoder) and encoder.reads_text:
                found[SEEN] = encoder.encode_texts(texts)
        return found

    def nearest(
        self, name: str, query: np.ndarray, n: int, *, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The n items of one list, best first, and their cosines, both of shape (≤ n,).

        Args:
            name: of the list: ``TEXTS``, ``SEEN`` or ``PICTURES``.
            query: shape (dimensions,).
            allowed: bool over the catalogue, shape (items,).
        """
        wanted = TextEncoder if name == TEXTS else ImageEncoder
        kind = next(kind for kind, one in self.encoders.items() if isinstance(one, wanted))
        return self.indexes[kind].search(query, n, allowed=allowed)


def fused(lists: Mapping[str, np.ndarray]) -> list[Found]:
    """One list of several, by reciprocal ranks; equal scores in the order of positions."""
    ranks: dict[int, dict[str, int]] = {}
    for name, items in lists.items():
        for rank, item in enumerate(items.tolist(), 1):
            ranks.setdefault(item, {})[name] = rank
    found = [
        Found(item, sum(1 / (rank + RANK_OFFSET) for rank in own.values()), own)
        for item, own in ranks.items()
    ]
    return sorted(found, key=lambda one: (-one.score, one.item))
