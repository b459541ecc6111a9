"""Recommenders that give every item of the catalogue a score. Knows nothing of how they score."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from genrec.data.allowed import AllowedItems
from genrec.data.sequences import Sequences
from genrec.errors import InputError
from genrec.recommenders.base import NO_ITEM, Ranking, Recommender, top_n

CELLS_PER_BATCH = 16_000_000


class ScoredRecommender(Recommender):
    """Ranks by dense scores, a batch of users at a time."""

    @property
    def users_per_batch(self) -> int:
        """Users whose scores are in memory together: at most 256, and 64 MB of scores."""
        return max(1, min(256, CELLS_PER_BATCH // max(1, len(self.catalog))))

    @abstractmethod
    def scores(self, histories: Sequences) -> np.ndarray:
        """A score for every item, shape (users, items), float32, higher is better."""

    def rank(
        self,
        histories: Sequences,
        n: int,
        *,
        allowed: np.ndarray | AllowedItems | None = None,
        exclude_seen: bool = False,
    ) -> Ranking:
        """The n best items for each history; see ``Recommender.rank``.

        Raises:
            InputError: n is below 1, or ``allowed`` has another shape than the catalogue.
        """
        users, items = len(histories), len(self.catalog)
        if n < 1:
            raise InputError(f"n is {n}; ask for at least 1 item.")
        rules = AllowedItems.of(histories, items, allowed, exclude_seen=exclude_seen)
        ranked = np.full((users, n), NO_ITEM, np.int32)
        best = np.full((users, n), -np.inf, np.float32)
        for start in range(0, users, self.users_per_batch):
            rows = slice(start, min(start + self.users_per_batch, users))
            mask = rules.take(np.arange(users)[rows]).dense()
            ranking = top_n(self.scores(histories[rows]), n, mask)
            ranked[rows], best[rows] = ranking.items, ranking.scores
        return Ranking(ranked, best)
