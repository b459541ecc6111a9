"""Histories: who chose what, in time order, as flat arrays. Knows positions, not titles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

EVENT_KINDS = ("view", "cart", "buy")
_WORDS = {
    "click": "view",
    "pageview": "view",
    "addtocart": "cart",
    "add_to_cart": "cart",
    "purchase": "buy",
    "order": "buy",
    "transaction": "buy",
}


def kind_number(word: str) -> int:
    """1 and up for the kinds of ``EVENT_KINDS`` and other words for them; 0 for any other word."""
    plain = word.strip().lower()
    plain = _WORDS.get(plain, plain)
    return EVENT_KINDS.index(plain) + 1 if plain in EVENT_KINDS else 0


@dataclass(frozen=True, slots=True)
class History:
    """One user's items in time order.

    Attributes:
        items: catalogue positions, shape (events,), int32.
        times: seconds since 1970, shape (events,), int64; ``None`` when only the order is known.
        baskets: number of the basket of each event, shape (events,), int32, ascending;
            ``None`` when each event stands alone.
        user: whose it is; empty when nobody said.
        kinds: what was done, 1 and up as ``kind_number`` says, 0 where nobody said, shape
            (events,), uint8; ``None`` when no event has one.
    """

    items: np.ndarray
    times: np.ndarray | None = None
    baskets: np.ndarray | None = None
    user: str = ""
    kinds: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.items)

    def followed_by(self, items: np.ndarray) -> History:
        """With items behind of which nothing else is known.

        Each is a basket of its own, of no kind that anybody said, and at the time of the last event
        that has one.
        """
        joined = np.append(self.items, items).astype(np.int32)
        if not len(self):
            return History(joined, user=self.user)
        times, baskets, kinds = self.times, self.baskets, self.kinds
        return History(
            joined,
            None if times is None else np.append(times, np.full(len(items), times[-1])),
            None
            if baskets is None
            else np.append(baskets, baskets[-1] + 1 + np.arange(len(items), dtype=np.int32)),
            self.user,
            None if kinds is None else np.append(kinds, np.zeros(len(items), np.uint8)),
        )


@dataclass(frozen=True, slots=True)
class Sequences(Sequence[History]):
    """Many histories as ragged arrays: user ``u`` owns rows ``offsets[u]:offsets[u + 1]``.

    Attributes:
        users: user ids, shape (users,).
        offsets: shape (users + 1,), int64, from 0.
        items: catalogue positions, shape (events,), int32.
        times: as in ``History``, shape (events,).
        baskets: as in ``History``, shape (events,); numbers are comparable within a user only.
        kinds: as in ``History``, shape (events,).
    """

    users: np.ndarray
    offsets: np.ndarray
    items: np.ndarray
    times: np.ndarray | None = None
    baskets: np.ndarray | None = None
    kinds: np.ndarray | None = None

    @staticmethod
    def of(
        histories: Sequence[Sequence[int] | History], users: Sequence[str] | None = None
    ) -> Sequences:
        """Sequences from lists of positions or from histories.

        Times, baskets and kinds are kept only if all histories have them.

        Args:
            users: whose they are; as the histories say if left out.
        """
        rows = [
            row if isinstance(row, History) else History(np.asarray(row, np.int32))
            for row in histories
        ]
        lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))

        def joined(name: str, dtype: type) -> np.ndarray | None:
            parts = [getattr(row, name) for row in rows]
            if not parts or any(part is None for part in parts):
                return None
            return np.concatenate(parts).astype(dtype)

        items = joined("items", np.int32)
        names = [row.user for row in rows] if users is None else list(users)
        return Sequences(
            np.array(names, dtype=object),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.zeros(0, np.int32) if items is None else items,
            joined("times", np.int64),
            joined("baskets", np.int32),
            joined("kinds", np.uint8),
        )

    def __len__(self) -> int:
        return len(self.users)

    @property
    def lengths(self) -> np.ndarray:
        """Events of each user, shape (users,), int64."""
        return np.diff(self.offsets)

    @overload
    def __getitem__(self, user: int) -> History: ...

    @overload
    def __getitem__(self, user: slice) -> Sequences: ...

    def __getitem__(self, user: int | slice) -> History | Sequences:
        """The history at a row (int), or the sequences of a slice."""
        if isinstance(user, slice):
            return self.take(np.arange(len(self))[user])
        row = int(user) + (len(self) if user < 0 else 0)
        if not 0 <= row < len(self):
            raise IndexError(user)
        span = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        return History(
            self.items[span],
            None if self.times is None else self.times[span],
            None if self.baskets is None else self.baskets[span],
            str(self.users[row]),
            None if self.kinds is None else self.kinds[span],
        )

    def __iter__(self) -> Iterator[History]:
        return (self[row] for row in range(len(self)))

    def take(self, rows: Sequence[int] | np.ndarray) -> Sequences:
        """The sequences of these user rows, in this order."""
        rows = np.asarray(rows, dtype=np.int64)
        return self._select(rows, self.offsets[rows], self.offsets[rows + 1])

    def last(self, events: int) -> Sequences:
        """Each history cut to its last ``events`` events."""
        ends = self.offsets[1:]
        return self._select(
            np.arange(len(self)), np.maximum(self.offsets[:-1], ends - events), ends
        )

    def _select(self, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Sequences:
        lengths = ends - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return Sequences(
            self.users[rows],
            offsets,
            self.items[index],
            None if self.times is None else self.times[index],
            None if self.baskets is None else self.baskets[index],
            None if self.kinds is None else self.kinds[index],
        )
