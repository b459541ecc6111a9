"""Items by words, by a picture, or by both: a by-product of every encoder that knows them.

A question is compared with each kind of content that it can be compared with: words with texts,
words with pictures where an encoder has both in one space, pictures with pictures. The lists become
one by reciprocal rank fusion (Cormack, Clarke and Büttcher 2009), which needs no common scale.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        lists = {}
        for name, (kind, query) in self._queries(text.strip(), picture).items():
            depth = max(DEPTH, n)
            lists[name] = self.indexes[kind].search(query, depth, allowed=allowed)[0]
        if not lists:
            asked = " and ".join(["words"] * bool(text) + ["a picture"] * bool(picture))
            raise ConfigError(
                f"The question is {asked}, and no encoder of this run compares that with its "
                f"items: it has {', '.join(self.indexes) or 'none'}. Name a text model in "
                "encode.model, or a model of pictures and words in encode.image.model."
            )
        return fused(lists)[:n]

    def _queries(self, text: str, picture: bytes) -> dict[str, tuple[str, np.ndarray]]:
        """Vectors of the question, by the name of the list that each makes."""
        found: dict[str, tuple[str, np.ndarray]] = {}
        for kind, encoder in self.encoders.items():
            if text and isinstance(encoder, TextEncoder):
                found["words in texts"] = kind, encoder.encode_texts([text])[0]
            if isinstance(encoder, ImageEncoder):
                if text and encoder.reads_text:
                    found["words in pictures"] = kind, encoder.encode_texts([text])[0]
                if picture:
                    found["picture in pictures"] = kind, encoder.encode_contents([picture])[0]
        return found


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
