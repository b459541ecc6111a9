"""The one interface of everything that recommends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from genrec.data.allowed import AllowedItems
from genrec.data.catalog import Catalog, Item
from genrec.data.filter_language import ItemFilter
from genrec.data.filters import FilterCompiler, Where
from genrec.data.sequences import History, Sequences
from genrec.errors import InputError
from genrec.recommenders.filtered import FilteredList, rules_of

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


@dataclass(frozen=True, slots=True)
class Request:
    """What one user asks for.

    Attributes:
        history: what they chose so far.
        n: how many items.
        where: which items are allowed; see ``ItemFilter``. One that is compiled must be of the
            same catalogue.
        exclude_seen: leave out items of the history.
    """

    history: History
    n: int = 10
    where: Where = None
    exclude_seen: bool = False


class Recommender(ABC):
    """Ranks the catalogue for a history. Subclasses implement ``rank``; the rest follows.

    Attributes:
        name: as printed in reports.
        catalog: the items that it can recommend.
        beams: beam width, if it generates; 0 if it scores every item.
        seed: of its training.
        reads_events: whether times and kinds of events matter to it, beside their order.
    """

    name: str
    catalog: Catalog
    beams: int = 0
    reads_events: bool = False
    seed: int = 0

    @abstractmethod
    def rank(
        self,
        histories: Sequences,
        n: int,
        *,
        allowed: np.ndarray | AllowedItems | None = None,
        exclude_seen: bool = False,
    ) -> Ranking:
        """The n best items for each history.

        Args:
            allowed: which items may be returned, bool, shape (items,) for all users or
                (users, items), or rules that share bitmaps.
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
        where: ItemFilter | Mapping[str, Any] | None = None,
        exclude_seen: bool = False,
    ) -> list[Recommendation]:
        """The n best items for one history of item ids, oldest first.

        Args:
            where: which items are allowed, such as ``{"price": {"max": 10}}``; see ``ItemFilter``.

        Raises:
            InputError: n is below 1, the history names unknown items, or the filter is wrong (all
                problems are listed).
        """
        if not isinstance(history, History):
            history = History(self.catalog.positions([str(item) for item in history]))
        return self.recommend_many([Request(history, n, where, exclude_seen)])[0]

    def recommend_many(self, requests: Sequence[Request]) -> list[list[Recommendation]]:
        """A list for each request, computed together; n items whenever n are allowed.

        Raises:
            InputError: as of ``recommend``, for the first request that is wrong.
        """
        for request in requests:
            if request.n < 1:
                raise InputError(f"n is {request.n}; ask for at least 1 recommendation.")
        filters = [self.filters.compile(request.where) for request in requests]
        lists = [
            FilteredList(
                compiled,
                request.n,
                seen=request.history.items if request.exclude_seen or not compiled.seen else (),
            )
            for request, compiled in zip(requests, filters, strict=True)
        ]
        # Only limits such as "two of a brand" ever need a second round.
        rows = list(range(len(lists)))
        while rows:
            for part in self._alike(requests, lists, rows):
                wanted = max(lists[row].wanted for row in part)
                rules = rules_of(len(self.catalog), [lists[row] for row in part])
                ranking = self.rank(
                    Sequences.of([requests[row].history for row in part]), wanted, allowed=rules
                )
                for row, items, scores in zip(part, ranking.items, ranking.scores, strict=True):
                    lists[row].add(items, scores)
            rows = [row for row in rows if not lists[row].complete]
        return [
            [Recommendation(self.catalog[item], score) for item, score in one.chosen]
            for one in lists
        ]

    def _alike(
        self, requests: Sequence[Request], lists: Sequence[FilteredList], rows: Sequence[int]
    ) -> list[list[int]]:
        """Rows that change nothing about each other's answer when they are ranked together.

        A batch of histories keeps baskets, times and kinds only where all have them, and a search
        is as wide as its longest list.
        """
        groups: dict[tuple[bool | int, ...], list[int]] = {}
        for row in rows:
            history = requests[row].history
            width = max(self.beams, lists[row].wanted) if self.beams else 0
            told = (history.times is None, history.kinds is None) if self.reads_events else ()
            key = (history.baskets is None, width, *told)
            groups.setdefault(key, []).append(row)
        return list(groups.values())

    @cached_property
    def filters(self) -> FilterCompiler:
        """Compiles filters over the catalogue, and keeps the latest."""
        return FilterCompiler(self.catalog)


def top_n(scores: np.ndarray, n: int, allowed: np.ndarray | None = None) -> Ranking:
    """The n best of dense scores, shape (users, items); items scored -inf are never returned."""
    scores = np.array(scores, dtype=np.float32)
    if allowed is not None:
        scores[~np.broadcast_to(allowed, scores.shape)] = -np.inf
    items = np.full((len(scores), n), NO_ITEM, np.int32)
    best = np.full((len(scores), n), -np.inf, np.float32)
    for user, row in enumerate(scores):
        pool = np.flatnonzero(row > -np.inf)
        if len(pool) > n:
            # Among the allowed only: a partition of mostly -inf takes many times as long.
            own = row[pool]
            pool = pool[own >= np.partition(own, -n)[-n]]
        # A stable sort of the few best keeps ties in the order of positions.
        order = pool[np.argsort(-row[pool], kind="stable")][:n]
        items[user, : len(order)] = order
        best[user, : len(order)] = row[order]
    return Ranking(items, best)
