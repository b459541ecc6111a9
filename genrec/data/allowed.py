"""Which items each user of a batch may get: few distinct bitmaps, and few items off each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.data.sequences import Sequences
from genrec.errors import InputError

_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class AllowedItems:
    """The rule of each user, without a bitmap of the whole catalogue for each.

    Attributes:
        items: size of the catalogue.
        masks: distinct bitmaps, bool, shape (items,) each.
        keys: of each bitmap: equal keys, equal bitmaps; ``None`` where it is used once.
        which: the bitmap of each user, shape (users,), int64; -1 allows every item.
        excluded: further positions that each user may not get.
    """

    items: int
    masks: Sequence[np.ndarray]
    keys: Sequence[str | None]
    which: np.ndarray
    excluded: Sequence[np.ndarray]

    @staticmethod
    def of(
        histories: Sequences,
        items: int,
        allowed: np.ndarray | AllowedItems | None = None,
        *,
        exclude_seen: bool = False,
    ) -> AllowedItems:
        """The rules in this form.

        Args:
            allowed: bool, shape (items,) for all users together or (users, items).

        Raises:
            InputError: ``allowed`` has another shape.
        """
        users = len(histories)
        if isinstance(allowed, AllowedItems):
            rules = allowed
        elif allowed is None:
            rules = AllowedItems(items, [], [], np.full(users, -1), [_NONE] * users)
        else:
            rules = AllowedItems.of_mask(allowed, users, items)
        if not exclude_seen:
            return rules
        seen = [
            np.union1d(off, history.items.astype(np.int64))
            for off, history in zip(rules.excluded, histories, strict=True)
        ]
        return AllowedItems(items, rules.masks, rules.keys, rules.which, seen)

    @staticmethod
    def of_mask(allowed: np.ndarray, users: int, items: int) -> AllowedItems:
        """The rules of a bitmap, shape (items,) for all users together or (users, items).

        Raises:
            InputError: it has another shape.
        """
        nothing_off = [_NONE] * users
        if allowed.shape == (items,):
            return AllowedItems(items, [allowed], [None], np.zeros(users, int), nothing_off)
        if allowed.shape == (users, items):
            which = np.arange(users)
            return AllowedItems(items, list(allowed), [None] * users, which, nothing_off)
        raise InputError(
            f"allowed has the shape {allowed.shape}; give ({items},) for all users together or "
            f"({users}, {items}) for each."
        )

    @property
    def is_everything(self) -> bool:
        """Whether every user may get every item."""
        return bool((self.which < 0).all()) and not any(len(off) for off in self.excluded)

    def __len__(self) -> int:
        return len(self.which)

    def take(self, rows: Sequence[int] | np.ndarray) -> AllowedItems:
        """The rules of these users, in this order; bitmaps of nobody are left out."""
        which = self.which[np.asarray(rows, np.int64)]
        used, numbers = np.unique(which[which >= 0], return_inverse=True)
        renumbered = np.full(len(which), -1)
        renumbered[which >= 0] = numbers
        return AllowedItems(
            self.items,
            [self.masks[int(one)] for one in used],
            [self.keys[int(one)] for one in used],
            renumbered,
            [self.excluded[int(row)] for row in rows],
        )

    def dense(self) -> np.ndarray | None:
        """Bool, shape (users, items); ``None`` when everything is allowed."""
        if self.is_everything:
            return None
        mask = np.ones((len(self), self.items), bool)
        for user, (one, off) in enumerate(zip(self.which, self.excluded, strict=True)):
            if one >= 0:
                mask[user] = self.masks[int(one)]
            mask[user, off] = False
        return mask

    def counts(self) -> np.ndarray:
        """How many items each user may get, shape (users,), int64."""
        sizes = np.array([int(mask.sum()) for mask in self.masks] + [self.items])
        counts = sizes[self.which]
        for user, (one, off) in enumerate(zip(self.which, self.excluded, strict=True)):
            off = np.unique(off)
            counts[user] -= len(off) if one < 0 else int(self.masks[int(one)][off].sum())
        return counts
