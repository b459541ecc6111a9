"""A list that keeps to a filter, filled from rankings. Knows positions, not recommenders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from genrec.data.allowed import AllowedItems
from genrec.data.filters import CompiledFilter
from genrec.recommenders.limits import Room, can_count

# With limits, so many times the list is ranked at once: most lists are then full in one round.
_MORE = 4


class FilteredList:
    """The best items of one request, so far.

    Without limits one ranking of n items fills it. With limits, items of a value that has had its
    share are passed over, and the next ranking is asked for without that value; the outcome is
    that of walking down the whole ranking once. Where several limits make that list shorter than it
    could be, the ranking is walked once more, and items are passed over that would make it so.

    Attributes:
        chosen: positions and scores, best first.
        complete: whether another ranking could add nothing.
    """

    def __init__(
        self, compiled: CompiledFilter, n: int, seen: np.ndarray | Sequence[int] = ()
    ) -> None:
        self.compiled, self.n = compiled, n
        self.chosen: list[tuple[int, float]] = []
        self.complete = False
        self.off = np.unique(np.asarray(seen, np.int64))
        self.mask, self.key = compiled.allowed, compiled.key
        self._held: list[Counter[int]] = [Counter() for _ in compiled.limits]
        self._shorter: list[tuple[int, float]] = []
        self._room: Room | None = None

    @property
    def wanted(self) -> int:
        """Items to rank next."""
        missing = self.n - len(self.chosen)
        return missing * _MORE if self.compiled.limits else missing

    def add(self, items: np.ndarray, scores: np.ndarray) -> None:
        """Takes what fits from a ranking of at least ``wanted`` items, best first."""
        real = items >= 0
        for item, score in zip(items[real].tolist(), scores[real].tolist(), strict=True):
            if len(self.chosen) < self.n and self._fits(item):
                self.chosen.append((item, score))
        used_up = not real.all()
        self.complete = len(self.chosen) == self.n or used_up or not self.compiled.limits
        if self._room is not None:
            self.complete |= not self._room.longest
            if self.complete and len(self.chosen) < len(self._shorter):
                # The recommender could not rank all that is allowed.
                self.chosen = self._shorter
        elif used_up and len(self.chosen) < self.n and len(self.compiled.limits) > 1:
            self._walk_again()
        if not self.complete:
            self._close_full()

    def _walk_again(self) -> None:
        """Starts anew with an eye on the length, if a longer list is possible."""
        if not can_count():
            return
        free = np.ones(len(self.compiled.limits[0].groups), bool)
        if self.compiled.allowed is not None:
            free &= self.compiled.allowed
        free[self.off] = False
        room = Room(self.compiled.limits, free, self.n)
        if room.longest > len(self.chosen):
            self._room, self._shorter, self.chosen = room, self.chosen, []
            self._held = [Counter() for _ in self.compiled.limits]
            self.complete = False

    def _fits(self, item: int) -> bool:
        groups = [int(limit.groups[item]) for limit in self.compiled.limits]
        for limit, held, group in zip(self.compiled.limits, self._held, groups, strict=True):
            if group >= 0 and held[group] >= limit.most:
                return False
        if self._room is not None and not self._room.take(item):
            return False
        for held, group in zip(self._held, groups, strict=True):
            held[group] += 1
        return True

    def _close_full(self) -> None:
        mask = np.ones(len(self.compiled.limits[0].groups), bool)
        if self.compiled.allowed is not None:
            mask &= self.compiled.allowed
        if self._room is not None:
            mask &= ~np.isin(self._room.kinds, self._room.closed)
        for limit, held in zip(self.compiled.limits, self._held, strict=True):
            full = [group for group, count in held.items() if group >= 0 and count >= limit.most]
            mask &= ~np.isin(limit.groups, full)
        mask[[item for item, _ in self.chosen]] = False
        self.mask, self.key = mask, ""


def rules_of(items: int, lists: Sequence[FilteredList]) -> AllowedItems:
    """The rules of several lists, equal bitmaps shared."""
    masks: list[np.ndarray] = []
    keys: list[str | None] = []
    which = np.full(len(lists), -1)
    known: dict[str, int] = {}
    for row, one in enumerate(lists):
        if one.mask is None:
            continue
        if not one.key or one.key not in known:
            if one.key:
                known[one.key] = len(masks)
            which[row] = len(masks)
            masks.append(one.mask)
            keys.append(one.key or None)
        else:
            which[row] = known[one.key]
    return AllowedItems(items, masks, keys, which, [one.off for one in lists])
