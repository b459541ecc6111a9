"""A catalogue with its interactions, and the held-out cases that a split makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.sequences import History, Sequences, kind_number
from genrec.errors import ConfigError, InputError, nearest

SPLITS = ("last-out", "last-basket", "global-time", "published")


@dataclass(frozen=True)
class Interaction:
    """One event: a user chose an item at a time."""

    user: str
    item: str
    time: int | None = None
    basket: int | None = None


@dataclass(frozen=True)
class Holdout:
    """What a split keeps back: each case is a history and the items that followed it.

    Attributes:
        histories: what the recommender may see.
        targets: what it should find, ragged like the histories, same users in the same order;
            at least one item each.
        split: name of the split that made it.
    """

    catalog: Catalog
    histories: Sequences
    targets: Sequences
    split: str

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: np.ndarray) -> Holdout:
        """The cases in these rows."""
        return replace(self, histories=self.histories.take(rows), targets=self.targets.take(rows))


@dataclass(frozen=True)
class Dataset:
    """A catalogue and who did what when.

    Attributes:
        name: under which figures are printed.
        catalog: all items.
        users: user ids, shape (users,); a user's number is the row here.
        events: columns ``user`` (uint32), ``item`` (uint32, catalogue position), and where known
            ``time`` (int64, seconds), ``basket`` (uint32, ascending within a user) and ``kind``
            (one of ``EVENT_KINDS``, or null); sorted by user, then time, with the order of the
            source kept within equal times. The events of one basket stand together, where the
            basket begins. Data with a published split may have ``part`` too: ``train``,
            ``validation`` or ``test``.
        published: the cases of a published split, ``validation`` and ``test``, where the source
            gives them as they are and not as parts of ``events``.
        user_table: optional columns about users (``user_id`` first), e.g. demographics.
        extras: further named tables of the source (campaigns, coupons, …).
    """

    name: str
    catalog: Catalog
    users: np.ndarray
    events: pl.DataFrame
    user_table: pl.DataFrame | None = None
    extras: dict[str, pl.DataFrame] = field(default_factory=dict)
    published: Mapping[str, Holdout] = field(default_factory=dict)

    @staticmethod
    def load(name: str, /, **options: object) -> Dataset:
        """A data set by its registered name, such as ``complete_journey`` or ``amazon``.

        Raises:
            ConfigError: nothing is registered under that name.
        """
        from genrec.data.sources import load_source

        return load_source(name, **options)

    @staticmethod
    def from_tables(
        catalog: Catalog,
        interactions: pl.DataFrame,
        *,
        name: str = "own",
        unknown: str = "error",
        time_unit: str | None = None,
        time_format: str | None = None,
    ) -> Dataset:
        """A data set of a table: ``user_id``, ``item_id``, maybe ``time``, ``basket_id``, ``kind``.

        Args:
            unknown: what to do with events whose item is not in the catalogue: ``error`` or
                ``drop`` (the count is logged).
            time_unit: of numeric times: ``s`` (also when left out), ``ms``, ``us`` or ``ns``.
            time_format: of times in text that are not ISO 8601, such as ``%d/%m/%Y``.

        Raises:
            InputError: every problem found, with row numbers.
        """
        from genrec.data.assemble import assemble

        return assemble(
            catalog,
            interactions,
            name=name,
            unknown=unknown,
            time_unit=time_unit,
            time_format=time_format,
        )

    @cached_property
    def sequences(self) -> Sequences:
        """Every user's events in time order."""
        counts = np.bincount(self.events["user"].to_numpy(), minlength=len(self.users))

        def column(name: str, dtype: type) -> np.ndarray | None:
            if name not in self.events.columns:
                return None
            return self.events[name].to_numpy().astype(dtype)

        items = column("item", np.int32)
        assert items is not None
        return Sequences(
            self.users,
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            items,
            column("time", np.int64),
            column("basket", np.int32),
            self._kinds,
        )

    @property
    def _kinds(self) -> np.ndarray | None:
        if "kind" not in self.events.columns:
            return None
        words = self.events["kind"].fill_null("")
        numbers = {word: kind_number(word) for word in words.unique()}
        return words.replace_strict(numbers, return_dtype=pl.UInt8).to_numpy()

    def history(self, user: str) -> History:
        """One user's events.

        Raises:
            InputError: the data set has no such user.
        """
        rows = np.flatnonzero(self.users == str(user))
        if not len(rows):
            some = ", ".join(str(u) for u in self.users[:3])
            raise InputError(f"{self.name} has no user '{user}'. Users look like: {some}")
        return self.sequences[int(rows[0])]

    def split(self, protocol: str = "last-out") -> tuple[Dataset, Holdout]:
        """What to train on, and the cases to test on.

        Splitting the training part again gives the validation cases:
        ``train, test = data.split(p); fit, validation = train.split(p)``. Users keep their numbers.

        Args:
            protocol: ``last-out`` (each user's last event), ``last-basket`` (each user's last
                basket), ``global-time`` (the last tenth of all events by time) or ``published``
                (the parts that came with the data).
        """
        from genrec.data.splits import split

        if protocol not in SPLITS:
            raise ConfigError(f"No split '{protocol}'; {nearest(protocol, SPLITS)}")
        return split(self, protocol)

    def core(
        self,
        k: int,
        *,
        basis: str = "events",
        min_user: int | None = None,
        min_item: int | None = None,
    ) -> Dataset:
        """Only users and items with at least ``k`` events each, applied until it holds.

        Args:
            min_user, min_item: of every user, of every item, where it is not ``k``.
            basis: count ``events``, or ``distinct`` partners (items of a user, users of an item).

        Raises:
            InputError: nothing is left.
        """
        from genrec.data.core import k_core

        return k_core(self, k, basis=basis, min_user=min_user, min_item=min_item)

    def require_events(self, who: str) -> None:
        """Stops what cannot do without events.

        Args:
            who: needs them, in words.

        Raises:
            InputError: nobody has chosen an item yet.
        """
        if not len(self) and not self.published:
            raise InputError(
                f"{self.name} has no events: nobody has chosen any of its {len(self.catalog):,} "
                f"items yet, and {who} needs some. Name a file of them, of your own tables by "
                "data.options.interactions=…. Without one, items can be pretrained on (genrec run "
                "pretrain/product-photos), or encoded (genrec run RECIPE data.core=0 --until "
                "encode) and found (genrec find)."
            )

    def without_users(self, users: Collection[str]) -> Dataset:
        """Nothing of these users: no event, case or row of a table with ``user_id`` is left.

        Those who stay are numbered anew, in their order; items keep their numbers.
        """
        gone = np.isin(self.users.astype(str), list(users))
        if not gone.any():
            return self
        numbers = (np.cumsum(~gone) - 1).astype(np.uint32)
        owners = self.events["user"].to_numpy()

        def left(table: pl.DataFrame) -> pl.DataFrame:
            if "user_id" not in table.columns:
                return table
            theirs = pl.col("user_id").cast(pl.String).is_in(list(users))
            return table.filter(~theirs.fill_null(value=False))

        def cases(holdout: Holdout) -> Holdout:
            theirs = np.isin(holdout.targets.users.astype(str), list(users))
            return holdout.take(np.flatnonzero(~theirs))

        return replace(
            self,
            users=self.users[~gone],
            events=self.events.with_columns(pl.Series("user", numbers[owners])).filter(
                ~gone[owners]
            ),
            user_table=None if self.user_table is None else left(self.user_table),
            extras={name: left(table) for name, table in self.extras.items()},
            published={part: cases(holdout) for part, holdout in self.published.items()},
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the content."""
        digest = hashlib.sha256(self.catalog.fingerprint.encode())
        digest.update("|".join(str(user) for user in self.users).encode())
        for column in self.events:
            digest.update(column.name.encode())
            values = column.to_list() if column.dtype == pl.String else column.to_numpy().tobytes()
            digest.update(values if isinstance(values, bytes) else str(values).encode())
        return digest.hexdigest()[:16]

    def __len__(self) -> int:
        return self.events.height

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}: {len(self.users):,} users, "
            f"{len(self.catalog):,} items, {len(self):,} events)"
        )
