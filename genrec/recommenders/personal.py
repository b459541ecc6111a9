"""What a user chose most often before: hard to beat wherever people buy the same things again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.recommenders.baskets import basket_ranks
from genrec.recommenders.card import read_card, write_card
from genrec.recommenders.counts import (
    item_counts,
    popularity_below_one,
    read_counts,
    write_counts,
)
from genrec.recommenders.scored import ScoredRecommender


class Personal(ScoredRecommender):
    """The user's own most frequent items; among equals the most recent; then the popular ones.

    In basket data the most recent means the latest basket, and items of one basket are ordered by
    popularity.

    Attributes:
        counts: events of each item in the training data, shape (items,), int64.
    """

    name = "personal"

    def __init__(self, catalog: Catalog, counts: np.ndarray) -> None:
        self.catalog, self.counts = catalog, counts

    @classmethod
    def train(
        cls,
        dataset: Dataset,
        *,
        validation: Holdout | None = None,  # noqa: ARG003
    ) -> Personal:
        """Counts the events of ``dataset``; ``validation`` has nothing to choose here."""
        return cls(dataset.catalog, item_counts(dataset))

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

    def save(self, folder: Path) -> None:
        """Writes ``recommender.json`` and ``counts.parquet``."""
        write_card(folder, self.name, self.catalog, {})
        write_counts(folder, self.counts)

    @classmethod
    def load(cls, folder: Path, catalog: Catalog) -> Personal:
        """What ``save`` wrote.

        Raises:
            ArtefactError: a file is missing or damaged, or belongs to another catalogue.
        """
        read_card(folder, cls.name, catalog)
        return cls(catalog, read_counts(folder, len(catalog)))
