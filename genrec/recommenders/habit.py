"""What a user chose most often of late: where people buy the same again, the strongest count."""

from __future__ import annotations

import numpy as np

from genrec.data.sequences import Sequences
from genrec.recommenders.baskets import basket_ranks
from genrec.recommenders.counting import CountingRecommender
from genrec.recommenders.counts import popularity_below_one
from genrec.recommenders.options import HybridConfig


class Habit(CountingRecommender):
    """The user's own items by how often they were chosen, later times counting more.

    Among equals the popular ones come first, and so they do behind the user's own. Events of every
    kind count alike.
    """

    name = "habit"

    def scores(self, histories: Sequences) -> np.ndarray:
        """A score for every item, shape (users, items), float32.

        An item of the history scores 1 more than ``own_counts`` says and up to a thousandth for
        its popularity, any other below 1.
        """
        counts = own_counts(histories, len(self.counts), HybridConfig.habit_decay)
        popularity = popularity_below_one(self.counts).astype(np.float32)
        scores: np.ndarray = np.where(counts > 0, 1 + counts + popularity / 1000, popularity)
        return scores


def own_counts(histories: Sequences, items: int, decay: float) -> np.ndarray:
    """log(1 + times) of every item in each history, shape (users, items), float32.

    Args:
        decay: the weight of a time against one that is a basket (or, without baskets, an event)
            later.
    """
    counts = np.zeros((len(histories), items), np.float32)
    for row, history in enumerate(histories):
        ranks = basket_ranks(history)
        np.add.at(counts[row], history.items, decay ** (ranks[-1:] - ranks))
    logs: np.ndarray = np.log1p(counts)
    return logs
