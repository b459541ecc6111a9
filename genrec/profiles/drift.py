"""What changed in a user between two windows of time: which traits came, which went.

Both windows are held against the same crowd, and events of every kind count, as in profiles. What
only one window shows may be missing in the other for want of visits. So a like, a favourite or a
brand has come or gone only if the two rates differ by more than chance, and any other trait only if
the other window shows another value instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genrec.data.sequences import History, Sequences
from genrec.errors import InputError
from genrec.profiles.build import Builder, Profiles, profile_history
from genrec.profiles.chance import needed, share_surprise
from genrec.profiles.events import DAY
from genrec.profiles.goods import ITEM, Attribute, plain
from genrec.profiles.profile import Trait, UserProfile

CHANGE = 1.5
"""Days between visits have changed when they are so many times as long, or short."""


@dataclass(frozen=True)
class Window:
    """Seconds since 1970, from ``start`` until before ``end``; or numbers of events."""

    start: int
    end: int


@dataclass(frozen=True)
class Drift:
    """The difference of two windows.

    Attributes:
        came: traits of the later window alone.
        went: traits of the earlier window alone.
        stayed: of both, as the later shows them.
        unclear: of one alone, but the other's visits are too few to say that it is not there.
    """

    user: str
    earlier: UserProfile
    later: UserProfile
    came: tuple[Trait, ...]
    went: tuple[Trait, ...]
    stayed: tuple[Trait, ...]
    unclear: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "user": self.user,
            "events": [self.earlier.events, self.later.events],
            "came": [one.to_dict() for one in self.came],
            "went": [one.to_dict() for one in self.went],
            "stayed": [one.to_dict() for one in self.stayed],
            "unclear": self.unclear,
        }

    def __str__(self) -> str:
        lines = [
            f"User {self.user}: {self.earlier.events:,} events before, {self.later.events:,} after"
        ]
        for mark, traits in (("+", self.came), ("-", self.went)):
            lines += [f"  {mark} {one.text}" for one in traits]
        if not (self.came or self.went):
            lines.append("  Nothing that is more than chance.")
        lines.append(f"  {len(self.stayed)} traits stayed; {self.unclear} are too close to call.")
        return "\n".join(lines)


def drift(profiles: Profiles, user: str, *, windows: tuple[Window, Window] | None = None) -> Drift:
    """How a user changed.

    Args:
        windows: the earlier and the later; the halves of the user's time (or of the events where
            there are no times) if left out.

    Raises:
        InputError: no such user, windows that overlap, or one without events.
    """
    profile, builder = profiles[user], profiles.builder
    if builder is None:
        raise InputError(f"Profiles without their data set know no windows of '{user}'.")
    history = profile_history(profile) or builder.history(profile.user)
    when = np.arange(len(history)) if history.times is None else history.times
    if windows is None:
        windows = _halves(when, str(user))
    if windows[0].end > windows[1].start:
        raise InputError(
            "The windows overlap: the earlier must end where the later begins or before."
        )
    parts = [_within(history, when, window) for window in windows]
    empty = [name for name, part in zip(("earlier", "later"), parts, strict=True) if not len(part)]
    if empty:
        raise InputError(f"'{user}' has no events in the {' and '.join(empty)} window.")
    made = builder.of_histories(Sequences.of(parts, ["earlier", "later"]))
    earlier, later = made["earlier"], made["later"]
    before, after = _by_key(earlier), _by_key(later)
    went, unsure_went = _gone(before, after, parts[0], parts[1], builder)
    came, unsure_came = _gone(after, before, parts[1], parts[0], builder)
    return Drift(
        str(user),
        earlier,
        later,
        tuple(came),
        tuple(went),
        tuple(trait for key, trait in after.items() if key in before),
        unsure_went + unsure_came,
    )


def _halves(when: np.ndarray, user: str) -> tuple[Window, Window]:
    if len(when) < 2:
        raise InputError(f"'{user}' has {len(when)} events; two windows need at least one each.")
    start, end = int(when[0]), int(when.max()) + 1
    middle = (start + end) // 2
    return Window(start, middle), Window(middle, end)


def _within(history: History, when: np.ndarray, window: Window) -> History:
    rows = np.flatnonzero((when >= window.start) & (when < window.end))
    return History(
        history.items[rows],
        None if history.times is None else history.times[rows],
        None if history.baskets is None else history.baskets[rows],
        history.user,
        None if history.kinds is None else history.kinds[rows],
    )


def _by_key(profile: UserProfile) -> dict[tuple[str, str, str], Trait]:
    # What describes a window only, or holds for the user as a whole, neither comes nor goes.
    return {
        (one.kind, one.name, one.value): one
        for one in profile
        if one.kind not in ("recency", "promotion") and (one.kind, one.name) != ("price", "range")
    }


def _gone(
    here: dict[tuple[str, str, str], Trait],
    there: dict[tuple[str, str, str], Trait],
    own: History,
    other: History,
    builder: Builder,
) -> tuple[list[Trait], int]:
    """Traits of one window that the other clearly lacks, and how many it may lack by chance."""
    gone, unsure = [], 0
    for key, trait in here.items():
        if key in there:
            continue
        if trait.kind in ("like", "favourite", "loyalty") and trait.name != "brands in general":
            clear = _differs(trait, own, other, builder)
        else:
            clear = _replaced(trait, there)
        if clear:
            gone.append(trait)
        else:
            unsure += 1
    return gone, unsure


def _replaced(trait: Trait, there: dict[tuple[str, str, str], Trait]) -> bool:
    values = [value for kind, name, value in there if (kind, name) == (trait.kind, trait.name)]
    if trait.name != "days between visits":
        return bool(values)
    ratio = float(trait.value) / float(values[0]) if values else 1.0
    return max(ratio, 1 / ratio) >= CHANGE


def _differs(trait: Trait, own: History, other: History, builder: Builder) -> bool:
    """Whether a value's rate over visits, or over those with its kind, differs between windows."""
    goods = builder.goods
    among = goods.usable
    if trait.kind == "loyalty":
        if goods.within is None or goods.brand is None:
            return False
        among = among & _having(goods.within, trait.name)
        has = among & _having(goods.brand, trait.value.removeprefix(f"{goods.brand.name} "))
    else:
        attributes = {one.name: one for one in goods.likes} | {ITEM: goods.titles}
        has = among & _having(attributes[trait.name], trait.value)
    if trait.kind != "loyalty":
        among = np.ones(len(among), bool)
    visits = [_visits(part, among) for part in (own, other)]
    counts = [_visits(part, has) for part in (own, other)]
    if not all(visits):
        return False
    found = share_surprise(
        np.array([counts[0] / max(sum(counts), 1)]),
        np.array([sum(counts)]),
        np.array([visits[0] / sum(visits)]),
    )
    return bool(found[0] >= needed(builder.config.chance, 1))


def _having(attribute: Attribute, value: str) -> np.ndarray:
    """Whether each item has this value, shape (items,)."""
    codes = [code for code, shown in enumerate(attribute.values) if plain(shown) == value]
    items = len(attribute.offsets) - 1
    has = np.zeros(items, bool)
    owner = np.repeat(np.arange(items), np.diff(attribute.offsets))
    has[owner[np.isin(attribute.codes, codes)]] = True
    return has


def _visits(history: History, has: np.ndarray) -> int:
    """Visits with such an item."""
    part = history.baskets
    if part is None:
        part = np.arange(len(history)) if history.times is None else history.times // DAY
    return len(np.unique(part[has[history.items]]))
