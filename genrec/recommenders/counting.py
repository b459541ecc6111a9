"""Recommenders that need nothing but how often each item was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.recommenders.card import read_card, write_card
from genrec.recommenders.counts import item_counts, read_counts, write_counts
from genrec.recommenders.scored import ScoredRecommender


class CountingRecommender(ScoredRecommender):
    """Counts, stores and loads; subclasses score.

    Attributes:
        counts: events of each item in the training data, shape (items,), int64.
    """

    def __init__(self, catalog: Catalog, counts: np.ndarray) -> None:
        self.catalog, self.counts = catalog, counts

    @classmethod
    def train(
        cls,
        dataset: Dataset,
        *,
        validation: Holdout | None = None,  # noqa: ARG003
    ) -> Self:
        """Counts the events of ``dataset``; ``validation`` has nothing to choose here."""
        return cls(dataset.catalog, item_counts(dataset))

    def save(self, folder: Path) -> None:
        """Writes ``recommender.json`` and ``counts.parquet``."""
        write_card(folder, self.name, self.catalog, {})
        write_counts(folder, self.counts)

    @classmethod
    def load(cls, folder: Path, catalog: Catalog) -> Self:
        """What ``save`` wrote.

        Raises:
            ArtefactError: a file is missing or damaged, or belongs to another catalogue.
        """
        read_card(folder, cls.name, catalog)
        return cls(catalog, read_counts(folder, len(catalog)))
