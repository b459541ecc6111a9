"""Lists for several conversations at once, by one search of the recommender.

Nobody waits for company: a list that is asked for while none is computed is computed alone, and
those that are asked for meanwhile are computed together next.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from genrec.data.allowed import AllowedItems
from genrec.data.sequences import History, Sequences
from genrec.recommenders.base import Recommender

# Lists in one search.
MOST = 16


@dataclass(eq=False)
class Wanted:
    """One list that a conversation asks for.

    Attributes:
        allowed: bool, shape (items,).
        key: of the bitmap, where it is kept; empty where it is used once.
        off: positions that may not come beside.
        found: positions, best first, once they are known.
    """

    history: History
    allowed: np.ndarray
    key: str
    off: np.ndarray
    n: int
    found: np.ndarray | None = None
    error: Exception | None = None


class TogetherRanker:
    """Ranks for many threads by one recommender."""

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender
        self._waiting: list[Wanted] = []
        self._list, self._search = threading.Lock(), threading.Lock()

    def rank(self, wanted: Wanted) -> np.ndarray:
        """Positions, best first, shape (≤ n,), int64."""
        with self._list:
            self._waiting.append(wanted)
        with self._search:
            # Whoever searched before may have found this list too.
            if wanted.found is None and wanted.error is None:
                self._compute(self._taken(wanted))
        if wanted.error is not None:
            raise wanted.error
        assert wanted.found is not None
        return wanted.found

    def _taken(self, first: Wanted) -> list[Wanted]:
        """What waits and is as long as the first, the first with it."""
        with self._list:
            alike = [one for one in self._waiting if one.n == first.n and one is not first]
            taken = [first, *alike[: MOST - 1]]
            self._waiting = [one for one in self._waiting if one not in taken]
        return taken

    def _compute(self, batch: list[Wanted]) -> None:
        catalog = self.recommender.catalog
        rules = AllowedItems(
            len(catalog),
            [one.allowed for one in batch],
            [one.key or None for one in batch],
            np.arange(len(batch)),
            [one.off for one in batch],
        )
        histories = Sequences.of([one.history for one in batch])
        try:
            rows = self.recommender.rank(histories, batch[0].n, allowed=rules).items
        except Exception as error:  # noqa: BLE001
            # Raised again where the list was asked for. Of several one may be at fault; its
            # neighbours are not.
            if len(batch) == 1:
                batch[0].error = error
            else:
                for one in batch:
                    self._compute([one])
            return
        for one, row in zip(batch, rows, strict=True):
            one.found = row[row >= 0].astype(np.int64)
