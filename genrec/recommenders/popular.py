"""The most chosen items, the same for everyone. The least that any recommender must beat."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.recommenders.card import read_card, write_card
from genrec.recommenders.counts import item_counts, read_counts, write_counts
from genrec.recommenders.scored import ScoredRecommender


class Popular(ScoredRecommender):
    """Scores an item by its number of events.

    Attributes:
        counts: events of each item, shape (items,), int64.
    """

    name = "popular"

    def __init__(self, catalog: Catalog, counts: np.ndarray) -> None:
        self.catalog, self.counts = catalog, counts

    @classmethod
    def train(
        cls,
        dataset: Dataset,
        *,
        validation: Holdout | None = None,  # noqa: ARG003
    ) -> Popular:
        """Counts the events of ``dataset``; ``validation`` has nothing to choose here."""
        return cls(dataset.catalog, item_counts(dataset))

    def scores(self, histories: Sequences) -> np.ndarray:
        """A score for every item, shape (users, items), float32."""
        return np.tile(self.counts.astype(np.float32), (len(histories), 1))

    def save(self, folder: Path) -> None:
        """Writes ``recommender.json`` and ``counts.parquet``."""
        write_card(folder, self.name, self.catalog, {})
        write_counts(folder, self.counts)

    @classmethod
    def load(cls, folder: Path, catalog: Catalog) -> Popular:
        """What ``save`` wrote.

        Raises:
            ArtefactError: a file is missing or damaged, or belongs to another catalogue.
        """
        read_card(folder, cls.name, catalog)
        return cls(catalog, read_counts(folder, len(catalog)))
