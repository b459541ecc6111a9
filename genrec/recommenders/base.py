"""The one interface of everything that recommends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.data.catalog import Catalog, Item
from genrec.data.sequences import History, Sequences
from genrec.errors import InputError

NO_ITEM = -1


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One item for one user.

    Attributes:
        item: what is recommended.
        score: higher is better; comparable within one list only.
        reason: why, in words, from the user's own history; empty when not asked for.
    """

    item: Item
    score: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ranked lists of many users.

    Attributes:
        items: catalogue positions, best first, shape (users, n), int32; ``NO_ITEM`` fills up
            where fewer than n items are allowed.
        scores: shape (users, n), float32, descending; -inf where there is no item.
    """

    items: np.ndarray
    scores: np.ndarray


class Recommender(ABC):
    """Ranks the catalogue for a history. Subclasses implement ``rank``; the rest follows.

    Attributes:
        name: as printed in reports.
        catalog: the items that it can recommend.
        beams: beam width, if it generates; 0 if it scores every item.
        seed: of its training.
    """

    name: str
    catalog: Catalog
    beams: int = 0
    seed: int = 0

    @abstractmethod
    def rank(
        self,
        histories: Sequences,
        n: int,
        *,
        allowed: np.ndarray | None = None,
        exclude_seen: bool = False,
    ) -> Ranking:
        """The n best items for each history.

        Args:
            allowed: which items may be returned, bool, shape (items,) for all users or
                (users, items).
            exclude_seen: leave out items of the user's own history.

        Returns:
            Distinct allowed items only, ties broken by lower position. n items whenever n are
            allowed and the recommender can score them. An empty history is valid.
        """

    def recommend(
        self,
        history: Sequence[str] | History,
        n: int = 10,
        *,
        allowed: np.ndarray | None = None,
        exclude_seen: bool = False,
    ) -> list[Recommendation]:
        """The n best items for one history of item ids, oldest first.

        Raises:
            InputError: n is below 1, or the history names unknown items (all are listed).
        """
        if n < 1:
            raise InputError(f"n is {n}; ask for at least 1 recommendation.")
        if not isinstance(history, History):
            history = History(self.catalog.positions([str(item) for item in history]))
        ranking = self.rank(Sequences.of([history]), n, allowed=allowed, exclude_seen=exclude_seen)
        return [
            Recommendation(self.catalog[int(item)], float(score))
            for item, score in zip(ranking.items[0], ranking.scores[0], strict=True)
            if item != NO_ITEM
        ]


def allowed_mask(
    histories: Sequences, items: int, allowed: np.ndarray | None, *, exclude_seen: bool
) -> np.ndarray | None:
    """Bool mask, shape (items,) or (users, items), of both rules together; None if all may be."""
    if not exclude_seen:
        return allowed
    mask = np.ones((len(histories), items), bool)
    if allowed is not None:
        mask &= allowed
    mask[np.repeat(np.arange(len(histories)), histories.lengths), histories.items] = False
    return mask


def top_n(scores: np.ndarray, n: int, allowed: np.ndarray | None = None) -> Ranking:
    """The n best of dense scores, shape (users, items); items scored -inf are never returned."""
    scores = np.array(scores, dtype=np.float32)
    if allowed is not None:
        scores[~np.broadcast_to(allowed, scores.shape)] = -np.inf
    width = min(n, scores.shape[1])
    # A stable sort of the few best keeps ties in the order of positions.
    if width < scores.shape[1]:
        threshold = np.partition(scores, -width, axis=1)[:, -width]
    else:
        threshold = np.full(len(scores), -np.inf, np.float32)
    items = np.full((len(scores), n), NO_ITEM, np.int32)
    best = np.full((len(scores), n), -np.inf, np.float32)
    for user, row in enumerate(scores):
        pool = np.flatnonzero((row >= threshold[user]) & (row > -np.inf))
        order = pool[np.argsort(-row[pool], kind="stable")][:n]
        items[user, : len(order)] = order
        best[user, : len(order)] = row[order]
    return Ranking(items, best)
