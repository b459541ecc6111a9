"""The events that profiles may use, as flat arrays, cut into visits and days."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from genrec.data.dataset import Dataset
from genrec.data.sequences import Sequences
from genrec.profiles.goods import Goods

DAY = 86_400


def distinct(keys: np.ndarray) -> np.ndarray:
    """The distinct keys, ascending."""
    return counted(keys)[0]


def counted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct keys, ascending, and how often each is there.

    By polars' sort: ``np.unique`` takes four times as long, and where it hashes, fifty times.
    """
    keys = pl.Series(keys).sort().to_numpy()
    starts = np.ones(len(keys), bool)
    starts[1:] = keys[1:] != keys[:-1]
    at = np.flatnonzero(starts)
    return keys[at], np.diff(at, append=len(keys))


@dataclass(frozen=True)
class Events:
    """Usable events of some users, by user and then in the order of their history.

    Events of every kind are there: what was looked at says something of a user too. Data whose
    views should not count are read without them.

    Attributes:
        names: user ids, shape (users,).
        total: events of each user, usable or not, shape (users,).
        user: row of the user, shape (events,); likewise the others.
        item: catalogue position.
        number: number of the event in the user's history, from 0.
        time: seconds since 1970 by the shop's clock; ``None`` when only the order is known.
        visit: number of the visit, ascending over all users: a basket, else a day, else an event.
    """

    names: np.ndarray
    total: np.ndarray
    user: np.ndarray
    item: np.ndarray
    number: np.ndarray
    time: np.ndarray | None
    visit: np.ndarray

    @staticmethod
    def of(sequences: Sequences, goods: Goods, *, hours_from_utc: float = 0.0) -> Events:
        """All usable events of these users."""
        lengths = sequences.lengths
        kept = goods.usable[sequences.items]
        user = np.repeat(np.arange(len(lengths)), lengths)[kept]
        number = (np.arange(len(sequences.items)) - np.repeat(sequences.offsets[:-1], lengths))[
            kept
        ]
        time = sequences.times
        if time is not None:
            time = time[kept] + int(hours_from_utc * 3600)
        if sequences.baskets is not None:
            part = sequences.baskets[kept].astype(np.int64)
        else:
            part = number if time is None else time // DAY
        starts = np.ones(len(user), bool)
        starts[1:] = (user[1:] != user[:-1]) | (part[1:] != part[:-1])
        return Events(
            sequences.users,
            lengths,
            user,
            sequences.items[kept].astype(np.int64),
            number,
            time,
            np.cumsum(starts) - 1,
        )

    @staticmethod
    def of_dataset(dataset: Dataset, goods: Goods, *, hours_from_utc: float = 0.0) -> Events:
        """All usable events of a data set."""
        return Events.of(dataset.sequences, goods, hours_from_utc=hours_from_utc)

    @property
    def users(self) -> int:
        return len(self.names)

    @cached_property
    def used(self) -> np.ndarray:
        """Usable events of each user, shape (users,)."""
        return np.bincount(self.user, minlength=self.users)

    @cached_property
    def visit_user(self) -> np.ndarray:
        """Whose each visit is, shape (visits,)."""
        return self.user[np.flatnonzero(np.diff(self.visit, prepend=-1))]

    @cached_property
    def visit_size(self) -> np.ndarray:
        """Events of each visit, shape (visits,)."""
        return np.bincount(self.visit)

    @cached_property
    def visits(self) -> np.ndarray:
        """Visits of each user, shape (users,)."""
        return np.bincount(self.visit_user, minlength=self.users)

    @cached_property
    def day(self) -> np.ndarray | None:
        """Days since 1970, shape (events,)."""
        return None if self.time is None else self.time // DAY
