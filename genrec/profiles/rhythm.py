"""When a user comes: days between visits, weekdays, parts of the day, and the last visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from genrec.profiles.chance import lift, needed, surprise, times
from genrec.profiles.events import DAY, Events, distinct
from genrec.profiles.found import gathered, nothing, traits
from genrec.profiles.options import ProfileConfig

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = {
    "at night": (22, 6),
    "in the morning": (6, 11),
    "around noon": (11, 14),
    "in the afternoon": (14, 18),
    "in the evening": (18, 22),
}
GAPS_LEAST = 4
LATE = 3.0
"""A user who stays away for so many of their usual gaps has lapsed, if longer than ever before."""
_SPAN = 200_000
"""Days that a key has room for: more than 500 years."""


@dataclass(frozen=True)
class Clock:
    """When the crowd comes.

    Attributes:
        gap: median over users of their median days between visits.
        weekdays: share of visit days on each weekday, from Monday.
        hours: share of visit days with a visit in each part of the day; empty if times tell none.
        until: the last day of the data.
    """

    gap: float
    weekdays: np.ndarray
    hours: np.ndarray
    until: int

    @staticmethod
    def of(events: Events) -> Clock | None:
        """The clock of these events; ``None`` when they have no times."""
        if events.time is None or not len(events.time):
            return None
        days = _Days.of(events)
        gaps = days.median[days.gaps >= GAPS_LEAST]
        weekdays = np.bincount(_weekday(days.day), minlength=7) / len(days.day)
        hours = np.zeros(0)
        # Times that are all at midnight are dates.
        if (events.time % DAY).any():
            part = _visits_by_part(events) % len(HOURS)
            hours = np.bincount(part, minlength=len(HOURS)) / len(part)
        gap = float(np.median(gaps)) if len(gaps) else 0.0
        return Clock(gap, weekdays, hours, int(days.day.max()))


@dataclass(frozen=True)
class _Days:
    """Distinct days of visits by user, and the gaps between them."""

    user: np.ndarray
    day: np.ndarray
    gaps: np.ndarray
    median: np.ndarray
    longest: np.ndarray

    @staticmethod
    def of(events: Events) -> _Days:
        assert events.day is not None
        keys = distinct(_key(events.user, events.day))
        user, day = keys // _SPAN, keys % _SPAN - _SPAN // 4
        same = np.zeros(len(user), bool)
        same[1:] = user[1:] == user[:-1]
        gap = pl.DataFrame({"user": user[same], "gap": np.diff(day, prepend=0)[same]})
        by_user = gap.group_by("user").agg(
            pl.len(), pl.col("gap").median().alias("median"), pl.col("gap").max().alias("longest")
        )
        who = by_user["user"].to_numpy()
        found = [np.zeros(events.users) for _ in range(3)]
        for column, name in zip(found, ("len", "median", "longest"), strict=True):
            column[who] = by_user[name].to_numpy()
        return _Days(user, day, *found)


def rhythms(events: Events, clock: Clock | None, config: ProfileConfig) -> pl.DataFrame:
    """Days between visits, weekdays, parts of the day, recency."""
    if clock is None or events.time is None or not len(events.user):
        return nothing()
    days = _Days.of(events)
    count = np.bincount(days.user, minlength=events.users)
    return pl.concat(
        [
            _between(events, days, clock, config),
            _weekdays(events, days, count, clock, config),
            _hours(events, clock, config),
            _recency(events, days, clock, config),
        ]
    )


def _between(events: Events, days: _Days, clock: Clock, config: ProfileConfig) -> pl.DataFrame:
    who = np.flatnonzero(days.gaps >= GAPS_LEAST)
    gap = np.maximum(days.median[who], 1.0)
    first = np.ones(len(events.user), bool)
    assert events.day is not None
    first[1:] = (events.user[1:] != events.user[:-1]) | (events.day[1:] != events.day[:-1])
    return traits(
        who,
        "rhythm",
        "days between visits",
        [f"{one:g}" for one in gap],
        strength=times(max(clock.gap, 1.0) / gap),
        count=gap,
        of=days.gaps[who],
        expected=np.full(len(who), clock.gap),
        evidence=gathered(who, events.user[first], events.number[first], config.evidence),
    )


def _weekdays(
    events: Events, days: _Days, count: np.ndarray, clock: Clock, config: ProfileConfig
) -> pl.DataFrame:
    assert events.day is not None
    return _preferred(
        "weekday",
        WEEKDAYS,
        days.user * 7 + _weekday(days.day),
        count,
        clock.weekdays,
        events.user * 7 + _weekday(events.day),
        events,
        config,
    )


def _hours(events: Events, clock: Clock, config: ProfileConfig) -> pl.DataFrame:
    if not len(clock.hours):
        return nothing()
    assert events.time is not None
    keys = events.user * len(HOURS) + _part(events.time)
    met = _visits_by_part(events)
    per_user = np.bincount(met // len(HOURS) % events.users, minlength=events.users)
    met = met // len(HOURS) % events.users * len(HOURS) + met % len(HOURS)
    return _preferred("time of day", tuple(HOURS), met, per_user, clock.hours, keys, events, config)


def _preferred(
    name: str,
    values: Sequence[str],
    met: np.ndarray,
    total: np.ndarray,
    shares: np.ndarray,
    event_keys: np.ndarray,
    events: Events,
    config: ProfileConfig,
) -> pl.DataFrame:
    """What a user's days fall on more often than the crowd's."""
    keys, count = np.unique(met, return_counts=True)
    user, code = keys // len(values), keys % len(values)
    expected = total[user] * shares[code]
    strength = lift(count, expected, config.smoothing)
    kept = (count >= config.visits) & (strength >= min(config.lift, 1.3))
    kept &= surprise(count, expected) >= needed(config.chance, len(values))
    return traits(
        user[kept],
        "rhythm",
        name,
        [values[one] for one in code[kept]],
        strength=strength[kept],
        count=count[kept],
        of=total[user[kept]],
        expected=expected[kept],
        evidence=gathered(keys[kept], event_keys, events.number, config.evidence),
    )


def _recency(events: Events, days: _Days, clock: Clock, config: ProfileConfig) -> pl.DataFrame:
    assert events.day is not None
    last = np.zeros(len(days.user), bool)
    last[:-1] = days.user[1:] != days.user[:-1]
    last[-1] = True
    who, day = days.user[last], days.day[last]
    since = np.maximum(clock.until, day) - day
    gap = np.maximum(days.median[who], 1.0)
    regular = days.gaps[who] >= GAPS_LEAST
    lapsed = regular & (since > LATE * gap) & (since > days.longest[who])
    on_last = np.isin(_key(events.user, events.day), _key(who, day))
    return traits(
        who,
        "recency",
        "last visit",
        ["lapsed" if late else f"{ago} days ago" for late, ago in zip(lapsed, since, strict=True)],
        strength=np.where(lapsed, since / gap, 1.0),
        count=since,
        of=np.where(regular, days.median[who], 0.0),
        expected=days.longest[who],
        evidence=gathered(who, events.user[on_last], events.number[on_last], config.evidence),
    )


def _key(user: np.ndarray, day: np.ndarray) -> np.ndarray:
    # Days before 1970 are below 0.
    return user * _SPAN + day + _SPAN // 4


def _weekday(day: np.ndarray) -> np.ndarray:
    # Day 0 was a Thursday.
    return (day + 3) % 7


def _part(time: np.ndarray) -> np.ndarray:
    table = np.zeros(24, np.int64)
    for part, (start, end) in enumerate(HOURS.values()):
        for hour in range(start, end if end > start else end + 24):
            table[hour % 24] = part
    return table[time % DAY // 3600]


def _visits_by_part(events: Events) -> np.ndarray:
    """Distinct days and parts of them: (day times users plus user) times parts plus part."""
    assert events.time is not None
    day = events.time // DAY - int(events.time.min()) // DAY
    return distinct((day * events.users + events.user) * len(HOURS) + _part(events.time))
