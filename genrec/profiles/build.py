"""Profiles of all users at once, from a data set: columns inside, a ``UserProfile`` when asked for.

::

    profiles = build_profiles(Dataset.load("complete_journey"))
    print(profiles["1001"])
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl

from genrec.data.dataset import Dataset, Interaction
from genrec.data.sequences import History, Sequences
from genrec.errors import InputError
from genrec.profiles.crowd import Crowd, Seen
from genrec.profiles.events import Events
from genrec.profiles.goods import Goods
from genrec.profiles.options import ProfileConfig
from genrec.profiles.profile import Trait, UserProfile
from genrec.profiles.promotion import Promotions
from genrec.profiles.sentences import sentence


def build_profiles(
    dataset: Dataset, config: ProfileConfig | None = None, *, leave_out: Collection[str] = ()
) -> Profiles:
    """The profile of every user of a data set.

    Args:
        leave_out: users who are to be forgotten: they get no profile and no part in the crowd.

    Raises:
        ConfigError: an option names an attribute or rules that there are not.
        InputError: the rules cannot be read.
    """
    builder = Builder.of(dataset, config or ProfileConfig(), leave_out=leave_out)
    return builder.profiles()


@dataclass(frozen=True)
class Builder:
    """Makes profiles: goods and crowd once, then any histories against them.

    Attributes:
        sequences: of the users who are not left out.
    """

    dataset: Dataset
    config: ProfileConfig
    goods: Goods
    sequences: Sequences
    seen: Seen
    crowd: Crowd

    @staticmethod
    def of(dataset: Dataset, config: ProfileConfig, *, leave_out: Collection[str] = ()) -> Builder:
        """The builder for a data set's users, who are the crowd too."""
        goods = Goods.of(dataset.catalog, config)
        promotions = Promotions.of(dataset.extras, goods)
        sequences, gone = dataset.sequences, set(leave_out)
        if gone:
            kept = [row for row, name in enumerate(sequences.users) if str(name) not in gone]
            sequences = sequences.take(kept)
            promotions = None if promotions is None else promotions.without(gone)
        seen = _seen(sequences, goods, config)
        return Builder(dataset, config, goods, sequences, seen, Crowd.of(seen, goods, promotions))

    def profiles(self) -> Profiles:
        """The profiles of all its users."""
        return self._made(self.seen)

    def of_histories(self, sequences: Sequences) -> Profiles:
        """Profiles of any histories against this crowd."""
        return self._made(_seen(sequences, self.goods, self.config))

    def after(self, profile: UserProfile, interaction: Interaction) -> UserProfile:
        """The profile that one event more makes.

        Raises:
            InputError: the event is another user's, names an unknown item, or lacks a time or
                basket that the others have.
        """
        history = profile_history(profile)
        if history is None:
            history = self.history(profile.user)
        grown = _appended(history, interaction, self.dataset)
        made = self.of_histories(Sequences.of([grown], [profile.user]))
        return replace(made[profile.user], source=Continued(self, grown))

    def history(self, user: str) -> History:
        """The history of one of its users.

        Raises:
            InputError: no such user.
        """
        rows = np.flatnonzero(self.sequences.users == user)
        if not len(rows):
            raise InputError(f"There is no history of '{user}' to go on from.")
        return self.sequences[int(rows[0])]

    def _made(self, seen: Seen) -> Profiles:
        events = seen.events
        users = pl.DataFrame(
            {
                "user_id": pl.Series([str(name) for name in events.names], dtype=pl.String),
                "events": events.total.astype(np.int64),
                "left_out": (events.total - events.used).astype(np.int64),
            }
        )
        return Profiles(
            users,
            self.crowd.traits(seen, self.config),
            self.goods.rules,
            dict(self.goods.left_out),
            lambda: self,
        )


@dataclass(frozen=True)
class Continued:
    """The source of a profile whose history has grown beyond the data set."""

    builder: Builder
    history: History

    def after(self, profile: UserProfile, interaction: Interaction) -> UserProfile:
        return self.builder.after(profile, interaction)


def profile_history(profile: UserProfile) -> History | None:
    """The history of a profile that has grown beyond the data set."""
    return profile.source.history if isinstance(profile.source, Continued) else None


@dataclass(frozen=True)
class Profiles:
    """Profiles of many users.

    Attributes:
        users: columns ``user_id``, ``events``, ``left_out``; a user's number is the row.
        traits: as ``found.SCHEMA``, by user and then from the strongest.
        rules: version of the rules for sensitive traits.
        items_left_out: items of the catalogue by sensitive topic.
        maker: gives what makes a profile again, when that is asked for; ``None`` when the
            profiles were read from disk alone.
    """

    users: pl.DataFrame
    traits: pl.DataFrame
    rules: str
    items_left_out: dict[str, int] = field(default_factory=dict)
    maker: Callable[[], Builder] | None = field(default=None, compare=False, repr=False)

    def __getitem__(self, user: str) -> UserProfile:
        """One user's profile.

        Raises:
            InputError: no such user.
        """
        if str(user) not in self._rows:
            some = ", ".join(self.users["user_id"].head(3))
            raise InputError(f"There is no profile of '{user}'. Users look like: {some}")
        row = self._rows[str(user)]
        start, end = int(self._offsets[row]), int(self._offsets[row + 1])
        about = self.users.row(row, named=True)
        return UserProfile(
            str(user),
            tuple(_trait(one) for one in self.traits[start:end].iter_rows(named=True)),
            about["events"],
            about["left_out"],
            self.rules,
            None if self.maker is None else self,
        )

    def __contains__(self, user: object) -> bool:
        return str(user) in self._rows

    def __len__(self) -> int:
        return self.users.height

    def __iter__(self) -> Iterator[UserProfile]:
        return (self[user] for user in self.users["user_id"])

    @cached_property
    def builder(self) -> Builder | None:
        """What makes a profile again."""
        return None if self.maker is None else self.maker()

    def after(self, profile: UserProfile, interaction: Interaction) -> UserProfile:
        """As of ``Builder``.

        Raises:
            InputError: as there; or the profiles were read from disk alone.
        """
        if self.builder is None:
            raise InputError(f"The profile of '{profile.user}' was read without its data set.")
        return self.builder.after(profile, interaction)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {user: row for row, user in enumerate(self.users["user_id"])}

    @cached_property
    def _offsets(self) -> np.ndarray:
        counts = np.bincount(self.traits["user"].to_numpy(), minlength=len(self))
        return np.concatenate([[0], np.cumsum(counts)])


def _trait(row: dict[str, object]) -> Trait:
    evidence = row["evidence"]
    assert isinstance(evidence, list)
    return Trait(
        str(row["kind"]).partition(" ")[0],
        str(row["name"]),
        str(row["value"]),
        float(str(row["strength"])),
        tuple(evidence),
        int(str(row["events"])),
        sentence(row),
    )


def _seen(sequences: Sequences, goods: Goods, config: ProfileConfig) -> Seen:
    events = Events.of(sequences, goods, hours_from_utc=config.hours_from_utc)
    return Seen.of(events, goods)


def _appended(history: History, event: Interaction, dataset: Dataset) -> History:
    """The history with one event more, where a data set would put it."""
    problems = []
    if event.user != history.user:
        problems.append(f"the event is of '{event.user}', the profile of '{history.user}'")
    if not dataset.catalog.has(event.item):
        problems.append(f"item '{event.item}' is not in the catalogue")
    for name, values in (("time", history.times), ("basket", history.baskets)):
        if values is not None and getattr(event, name) is None:
            problems.append(f"it has no {name}, which the other events have")
    if problems:
        raise InputError(f"The profile of '{history.user}' cannot go on with this.", problems)
    items = np.append(history.items, np.int32(dataset.catalog.position(event.item)))
    times = None if history.times is None else np.append(history.times, np.int64(event.time or 0))
    baskets = None
    if history.baskets is not None:
        baskets = np.append(history.baskets, np.int32(event.basket or 0))
    # Nobody says of what kind it is.
    kinds = None if history.kinds is None else np.append(history.kinds, np.uint8(0))
    if baskets is None and times is None:
        return History(items, None, None, history.user, kinds)
    order = _order(times, baskets)
    return History(
        items[order],
        None if times is None else times[order],
        None if baskets is None else _numbered(baskets[order]),
        history.user,
        None if kinds is None else kinds[order],
    )


def _order(times: np.ndarray | None, baskets: np.ndarray | None) -> np.ndarray:
    """By time, stable; a basket's events together, where the basket begins."""
    if baskets is None:
        assert times is not None
        return np.argsort(times, kind="stable")
    _, basket = np.unique(baskets, return_inverse=True)
    size = int(basket.max()) + 1
    first = np.full(size, len(baskets))
    np.minimum.at(first, basket, np.arange(len(baskets)))
    if times is None:
        return np.argsort(first[basket], kind="stable")
    begin = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(begin, basket, times)
    return np.lexsort((times, first[basket], begin[basket]))


def _numbered(baskets: np.ndarray) -> np.ndarray:
    starts = np.ones(len(baskets), bool)
    starts[1:] = baskets[1:] != baskets[:-1]
    return (np.cumsum(starts) - 1).astype(np.int32)
