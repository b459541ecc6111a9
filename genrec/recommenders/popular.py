"""The most chosen items, the same for everyone. The least that any recommender must beat."""

from __future__ import annotations

import numpy as np

from genrec.data.sequences import Sequences
from genrec.recommenders.counting import CountingRecommender


class Popular(CountingRecommender):
    """Scores an item by its number of events."""

    name = "popular"

    def scores(self, histories: Sequences) -> np.ndarray:
        """A score for every item, shape (users, items), float32."""
        return np.tile(self.counts.astype(np.float32), (len(histories), 1))
