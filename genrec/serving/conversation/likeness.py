"""Items near a wish by vectors: by what their texts mean, and by what their pictures show.

Words decide where the shop has them; vectors answer for words that no item says. A cosine has no
scale of its own, so the shop's own words set it: a wish is near some item if it comes as near as
most names of kinds come to the items of this shop.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from genrec.encoders.finder import SEEN, TEXTS, Finder
from genrec.errors import ConfigError, InputError
from genrec.serving.conversation.word_index import WordIndex

# So many of the shop's words set the scale; a wish must come as near as three in four of them.
SAMPLED, NEAR_ENOUGH = 48, 0.25
# Items with less than this share of the best one's cosine are further off.
CLOSE = 0.85
# Wishes whose vectors are kept: a turn asks for its own several times.
_KEPT = 256
_NO_PICTURES = "This shop cannot look for pictures. Say in words what you look for."
# Names that lists of candidates are weighted by.
_NAMES = {TEXTS: "vectors", SEEN: "seen"}


class Likeness:
    """What vectors know of one shop's items.

    Args:
        finder: of the run's vectors; ``None`` finds nothing.
    """

    def __init__(self, finder: Finder | None, index: WordIndex) -> None:
        self._finder, self._index = finder, index
        self._queries: dict[str, dict[str, np.ndarray]] = {}

    @cached_property
    def sees(self) -> bool:
        """Whether words can be compared with pictures."""
        return self._finder is not None and self._finder.sees

    def of_words(self, wish: str, n: int, *, allowed: np.ndarray) -> dict[str, np.ndarray]:
        """Positions near a wish, best first, by ``vectors`` (of texts) and ``seen`` (in pictures).

        A list is left out where nothing in the whole shop comes near the wish.

        Args:
            allowed: bool over all items, shape (items,).
        """
        found = {}
        for name, query in self._query(wish).items():
            _, best = self._nearest(name, query, 1)
            items, cosines = self._nearest(name, query, n, allowed=allowed)
            if best.max(initial=0.0) >= self._bars[name] and len(items):
                found[_NAMES[name]] = items[cosines >= CLOSE * cosines[0]]
        return found

    def of_picture(self, picture: bytes, n: int, *, allowed: np.ndarray) -> np.ndarray:
        """Positions of items whose pictures are like a picture, best first.

        Raises:
            InputError: the picture cannot be used, or this shop has no pictures to compare.
        """
        if self._finder is None:
            raise InputError(_NO_PICTURES)
        try:
            found = self._finder.find(picture=picture, n=n, allowed=allowed)
        except ConfigError as error:
            raise InputError(_NO_PICTURES) from error
        return np.array([one.item for one in found], np.int64)

    def _query(self, wish: str) -> Mapping[str, np.ndarray]:
        found = self._queries.get(wish)
        if found is None:
            made = self._finder.words([wish]) if self._finder else {}
            found = {name: vectors[0] for name, vectors in made.items() if name in self._bars}
            if len(self._queries) >= _KEPT:
                self._queries.clear()
            self._queries[wish] = found
        return found

    def _nearest(
        self, name: str, query: np.ndarray, n: int, *, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        assert self._finder is not None
        return self._finder.nearest(name, query, n, allowed=allowed)

    @cached_property
    def _bars(self) -> dict[str, float]:
        """For each list, the cosine that three in four of the shop's own words reach."""
        words = self._index.commonest_kinds(SAMPLED)
        if self._finder is None or not words:
            return {}
        try:
            vectors = self._finder.words(words)
        except (ConfigError, InputError):
            # These vectors cannot be compared with words.
            return {}
        return {
            name: float(
                np.quantile(
                    [self._nearest(name, one, 1)[1].max(initial=0.0) for one in queries],
                    NEAR_ENOUGH,
                )
            )
            for name, queries in vectors.items()
        }
