"""First-order transitions: what was chosen right after the items that were chosen lately."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.reading import reading
from genrec.data.sequences import Sequences
from genrec.errors import ConfigError
from genrec.recommenders.baskets import basket_numbers
from genrec.recommenders.card import read_card, write_card
from genrec.recommenders.counts import (
    item_counts,
    read_counts,
    read_table,
    write_counts,
    write_table,
)
from genrec.recommenders.scored import ScoredRecommender

TRANSITIONS = "transitions.parquet"
# Baskets whose weight has fallen below it are not looked at.
SMALLEST_WEIGHT = 1e-3


class Cooccurrence(ScoredRecommender):
    """Scores item j after item i by how often j followed i, smoothed towards popularity.

    ``P(j | i) = (transitions(i, j) + backoff * P(j)) / (transitions from i + backoff)``, averaged
    over the items of the last basket. With a small ``backoff``, popularity orders only what
    transitions leave equal. In basket data each pair of an item in a basket and an item in the
    user's next basket is one transition; otherwise each pair of neighbouring events is.

    Args:
        decay: the weight of each basket against the one after it; 0 looks at the last one alone.

    Attributes:
        transitions: sparse counts, shape (items, items), from row to column.
        counts: events of each item, shape (items,), int64.
    """

    name = "cooccurrence"

    def __init__(
        self,
        catalog: Catalog,
        transitions: sparse.csr_array,
        counts: np.ndarray,
        *,
        backoff: float = 1.0,
        decay: float = 0.0,
    ) -> None:
        if not backoff > 0:
            raise ConfigError(f"backoff is {backoff}; give a number above 0, such as 1.")
        if not 0 <= decay < 1:
            raise ConfigError(f"decay is {decay}; it lies from 0 to below 1.")
        self.catalog, self.transitions, self.counts = catalog, transitions, counts
        self.backoff, self.decay = backoff, decay
        totals = np.asarray(transitions.sum(axis=1), dtype=np.float64).ravel()
        self._totals = totals + backoff
        self._smoothed = sparse.csr_array(sparse.diags_array(1 / self._totals) @ transitions)
        self._popularity = counts / max(1, counts.sum())

    @classmethod
    def train(
        cls,
        dataset: Dataset,
        *,
        validation: Holdout | None = None,  # noqa: ARG003
        backoff: float = 1.0,
        decay: float = 0.0,
    ) -> Cooccurrence:
        """Counts the transitions of ``dataset``; ``validation`` has nothing to choose here."""
        transitions = _transitions(dataset.sequences, len(dataset.catalog))
        counts = item_counts(dataset)
        return cls(dataset.catalog, transitions, counts, backoff=backoff, decay=decay)

    def scores(self, histories: Sequences) -> np.ndarray:
        """A score for every item, shape (users, items), float32; popularity after no history."""
        last = _last_baskets(histories, len(self.catalog), self.decay)
        weight = np.asarray(last @ (self.backoff / self._totals)).ravel()
        weight[histories.lengths == 0] = 1
        scores = (last @ self._smoothed).toarray() + weight[:, None] * self._popularity
        return np.asarray(scores, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Writes ``recommender.json``, ``counts.parquet`` and ``transitions.parquet``."""
        write_card(folder, self.name, self.catalog, {"backoff": self.backoff, "decay": self.decay})
        write_counts(folder, self.counts)
        pairs = self.transitions.tocoo()
        columns = {
            "item": pairs.row.astype(np.uint32),
            "next": pairs.col.astype(np.uint32),
            "count": pairs.data.astype(np.uint32),
        }
        write_table(pl.DataFrame(columns), folder / TRANSITIONS)

    @classmethod
    def load(cls, folder: Path, catalog: Catalog) -> Cooccurrence:
        """What ``save`` wrote.

        Raises:
            ArtefactError: a file is missing or damaged, or belongs to another catalogue.
        """
        options = read_card(folder, cls.name, catalog)
        items = len(catalog)
        table = read_table(folder / TRANSITIONS, ["item", "next", "count"])
        with reading(folder, "transitions", then="Train the recommender again."):
            ends = np.stack([table["item"].to_numpy(), table["next"].to_numpy()]).astype(np.int64)
            if ends.size and not 0 <= ends.min() <= ends.max() < items:
                raise ValueError(f"names item {ends.max()} of {items}")
            pairs = (table["count"].to_numpy().astype(np.float64), (ends[0], ends[1]))
            transitions = sparse.csr_array(sparse.coo_array(pairs, shape=(items, items)))
            backoff, decay = float(options["backoff"]), float(options.get("decay", 0))
        counts = read_counts(folder, items)
        return cls(catalog, transitions, counts, backoff=backoff, decay=decay)


def _baskets(histories: Sequences, items: int) -> tuple[sparse.csr_array, np.ndarray]:
    """Which items each basket holds, shape (baskets, items); and the user row of each basket."""
    numbers, owners = basket_numbers(histories)
    pairs = (np.ones(len(numbers)), (numbers, histories.items.astype(np.int64)))
    held = sparse.csr_array(sparse.coo_array(pairs, shape=(len(owners), items)))
    held.data[:] = 1  # an item bought twice in one basket is there once
    return held, owners


def _transitions(histories: Sequences, items: int) -> sparse.csr_array:
    held, owners = _baskets(histories, items)
    before = np.flatnonzero(owners[:-1] == owners[1:])
    return sparse.csr_array(held[before].T @ held[before + 1])


def _last_baskets(histories: Sequences, items: int, decay: float) -> sparse.csr_array:
    """Shares of the items of each user's last baskets, shape (users, items); they sum to 1.

    Empty rows for empty histories.
    """
    held, owners = _baskets(histories, items)
    # How many baskets of the same user come after each.
    places = np.arange(len(owners))
    after = np.searchsorted(owners, owners, side="right") - 1 - places
    weights = np.power(float(decay), after)
    kept = np.flatnonzero(weights >= SMALLEST_WEIGHT)
    shape = (len(histories), len(owners))
    each = sparse.csr_array(
        sparse.coo_array((weights[kept], (owners[kept], kept)), shape=shape)
    ) @ sparse.diags_array(1 / held.sum(axis=1))
    shares = sparse.csr_array(each @ held)
    totals = np.asarray(shares.sum(axis=1)).ravel()
    return sparse.csr_array(sparse.diags_array(1 / np.where(totals > 0, totals, 1)) @ shares)
