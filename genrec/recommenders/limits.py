"""How long a list can be under several limits at once. Knows groups of items, not recommenders.

Of one limit, "two of a brand", a list that is filled from the best item down is as long as any. Of
two and more, an early item may use up a share that later ones needed. How long a list can be then
is a small integer program, of items that are alike in all limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from genrec.data.filters import Limit

# Seconds for one program; three limits and more can be made hard on purpose.
_PATIENCE = 0.2


class Room:
    """What limits leave for a list of n items.

    Args:
        limits: two or more.
        free: items that may be chosen, bool, shape (items,).
        n: items that are wanted.

    Attributes:
        kinds: of each item, the number of those that are alike in all limits; shape (items,).
        longest: items that a list can still have, at most n; -1 where that was not found out.
    """

    def __init__(self, limits: Sequence[Limit], free: np.ndarray, n: int) -> None:
        groups = np.stack([limit.groups for limit in limits], axis=1)
        self._alike, self.kinds = np.unique(groups, axis=0, return_inverse=True)
        self.kinds = self.kinds.ravel()
        self._left = np.bincount(self.kinds[free], minlength=len(self._alike))
        self._caps = self._caps_of(limits)
        self._closed: set[int] = set()
        self.longest = self._most(n)

    def _caps_of(self, limits: Sequence[Limit]) -> dict[tuple[int, int], int]:
        return {
            (number, group): limit.most
            for number, limit in enumerate(limits)
            for group in np.unique(self._alike[:, number]).tolist()
            if group >= 0
        }

    @property
    def closed(self) -> np.ndarray:
        """Kinds of which no further item may be taken."""
        return np.fromiter(self._closed, np.int64)

    def take(self, item: int) -> bool:
        """Takes an item that its limits allow, unless the list would end sooner for it."""
        kind = int(self.kinds[item])
        if kind in self._closed or not self.longest:
            return False
        keys = [(n, int(g)) for n, g in enumerate(self._alike[kind]) if g >= 0]
        self._change(kind, keys, -1)
        if self._most(self.longest - 1) == self.longest - 1:
            self.longest -= 1
            return True
        self._change(kind, keys, 1)
        # What is left only ever shrinks, so a kind that does not fit now never will.
        self._closed.add(kind)
        return False

    def _change(self, kind: int, keys: Sequence[tuple[int, int]], by: int) -> None:
        self._left[kind] += by
        for key in keys:
            self._caps[key] += by

    def _most(self, wanted: int) -> int:
        """Items that can be chosen of what is left, at most so many; -1 if it was not found out."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        kinds = np.flatnonzero(self._left)
        if not wanted or not len(kinds):
            return 0
        if self._found_at_once(kinds, wanted):
            return wanted
        rows, columns, caps = [np.zeros(len(kinds), np.int64)], [np.arange(len(kinds))], [wanted]
        for (number, group), cap in self._caps.items():
            members = np.flatnonzero(self._alike[kinds, number] == group)
            if len(members):
                rows.append(np.full(len(members), len(caps)))
                columns.append(members)
                caps.append(cap)
        where = (np.concatenate(rows), np.concatenate(columns))
        shape = (len(caps), len(kinds))
        matrix = csr_array((np.ones(len(where[0])), where), shape=shape)
        found = milp(
            -np.ones(len(kinds)),
            constraints=LinearConstraint(matrix, -np.inf, np.array(caps, float)),
            bounds=Bounds(0, self._left[kinds]),
            integrality=np.ones(len(kinds)),
            options={"time_limit": _PATIENCE},
        )
        return round(-found.fun) if found.success else -1

    def _found_at_once(self, kinds: np.ndarray, wanted: int) -> bool:
        """Whether taking what comes, the kinds with the rarest values first, is enough."""
        alike = self._alike[kinds]
        rarest = np.full(len(kinds), np.iinfo(np.int64).max)
        for number in range(alike.shape[1]):
            known = alike[:, number] >= 0
            supply = np.bincount(alike[known, number], weights=self._left[kinds][known])
            rarest[known] = np.minimum(rarest[known], supply[alike[known, number]].astype(np.int64))
        caps = dict(self._caps)
        for place in np.argsort(rarest, kind="stable").tolist():
            keys = [(n, int(group)) for n, group in enumerate(alike[place]) if group >= 0]
            most = min([wanted, int(self._left[kinds[place]]), *(caps[key] for key in keys)])
            wanted -= most
            for key in keys:
                caps[key] -= most
            if not wanted:
                return True
        return False


def can_count() -> bool:
    """Whether what counts is installed (extra ``llm``)."""
    return find_spec("scipy") is not None
