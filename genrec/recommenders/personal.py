"""What a user chose most often before: hard to beat wherever people buy the same things again."""

from __future__ import annotations

import numpy as np

from genrec.data.sequences import Sequences
from genrec.recommenders.baskets import basket_ranks
from genrec.recommenders.counting import CountingRecommender
from genrec.recommenders.counts import (
    popularity_below_one,
)


class Personal(CountingRecommender):
    """The user's own most frequent items; among equals the most recent; then the popular ones.

    Events of every kind count alike, as they do among the cases that it is judged on: where views
    are read, looking at an item is choosing it.

    In basket data the most recent means the latest basket, and items of one basket are ordered by
    popularity.
    """

    name = "personal"

    def scores(self, histories: Sequences) -> np.ndarray:
        """A score for every item, shape (users, items), float32.

        An item of the history scores its number of events there, plus less than 1 for recency and
        popularity; any other item scores below 1.
        """
        popularity = popularity_below_one(self.counts)
        scores = np.tile(popularity.astype(np.float32), (len(histories), 1))
        for row, history in enumerate(histories):
            if not len(history):
                continue
            ranks = basket_ranks(history)
            items, times = np.unique(history.items, return_counts=True)
            latest = np.zeros(len(items), np.int64)
            np.maximum.at(latest, np.searchsorted(items, history.items), ranks)
            scores[row, items] = times + (latest + popularity[items]) / (ranks[-1] + 1)
        return scores
