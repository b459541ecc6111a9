"""Whether a user comes back to what they know or tries new things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from genrec.profiles.chance import needed, share_surprise, times
from genrec.profiles.events import Events
from genrec.profiles.found import gathered, nothing, traits
from genrec.profiles.options import ProfileConfig

LEAST = 20
APART = 0.05
_PLACES = 40


@dataclass(frozen=True)
class Choices:
    """Items met on each visit after a user's first.

    Attributes:
        user, number, again: of each: whose, the event's number, whether it was met before.
        place: class of how many items the user had met by then; the more, the likelier it is old.
    """

    user: np.ndarray
    number: np.ndarray
    again: np.ndarray
    place: np.ndarray

    @staticmethod
    def of(events: Events, items: int) -> Choices:
        """The choices of these users."""
        key = events.user * items + events.item
        # By user and item, and within it in the order of visits.
        order = np.argsort(key, kind="stable")
        same = np.zeros(len(key), bool)
        same[1:] = key[order][1:] == key[order][:-1]
        twice = same.copy()
        twice[1:] &= events.visit[order][1:] == events.visit[order][:-1]
        again, double = np.zeros(len(key), bool), np.zeros(len(key), bool)
        again[order], double[order] = same, twice
        starts = np.searchsorted(events.user, np.arange(events.users))
        at = np.minimum(starts, max(len(key) - 1, 0))
        first = events.visit[at] if len(key) else at
        kept = ~double & (events.visit > first[events.user]) if len(key) else double
        place = np.floor(2 * np.log2(np.arange(len(key)) - starts[events.user] + 1)).astype(int)
        place = np.minimum(place, _PLACES - 1)
        return Choices(events.user[kept], events.number[kept], again[kept], place[kept])


def repeat_rates(choices: Choices) -> np.ndarray:
    """How often the crowd chooses what it knows, by place, shape (places,)."""
    met = np.bincount(choices.place, minlength=_PLACES)
    return np.bincount(choices.place, choices.again, minlength=_PLACES) / np.maximum(met, 1)


def habits(
    events: Events, choices: Choices, rates: np.ndarray, config: ProfileConfig
) -> pl.DataFrame:
    """One trait for those who repeat, or try, clearly more than the crowd."""
    if not len(choices.user):
        return nothing()
    met = np.bincount(choices.user, minlength=events.users)
    again = np.bincount(choices.user, choices.again, minlength=events.users)
    expected = np.bincount(choices.user, rates[choices.place], minlength=events.users)
    share, usual = again / np.maximum(met, 1), expected / np.maximum(met, 1)
    # What stands in one basket goes together, so a visit is one trial.
    trials = np.minimum(met, np.maximum(events.visits - 1, 0))
    kept = (met >= LEAST) & (np.abs(share - usual) >= APART)
    kept &= share_surprise(share, trials, usual) >= needed(config.chance, 2)
    who = np.flatnonzero(kept)
    if not len(who):
        return nothing()
    repeats = share[who] > usual[who]
    rows = choices.again == (share > usual)[choices.user]
    count = np.where(repeats, again[who], met[who] - again[who])
    wanted = np.where(repeats, expected[who], met[who] - expected[who])
    return traits(
        who,
        "habit",
        "new or known",
        ["comes back to what they know" if one else "tries new things" for one in repeats],
        strength=times(count / np.maximum(wanted, 1e-9)),
        count=count,
        of=met[who],
        expected=wanted,
        evidence=gathered(who, choices.user[rows], choices.number[rows], config.evidence),
    )
