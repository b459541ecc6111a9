"""What a user chooses more often than the crowd would on visits like theirs.

Visits are counted, not items: five yogurts in one basket are one piece of evidence. A customer
with large baskets meets every value more often, so the expectation of a value is summed over the
sizes of the user's visits: ``1 - (1 - p)^size`` with its share ``p`` of all events, scaled so that
the crowd as a whole meets it as often as it did.

Values that most visits hold anyway (*Grocery*, *private label*) are compared by their share of the
events instead, where a visit counts as one trial.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from genrec.profiles.chance import least_lift, lift, needed, share_surprise, surprise
from genrec.profiles.events import Events, counted, distinct
from genrec.profiles.found import gathered, nothing, traits
from genrec.profiles.goods import Attribute, plain
from genrec.profiles.options import ProfileConfig

COMMON = 0.25
"""An attribute with a value in so many of the events is compared by shares."""
_SIZES = np.unique(np.round(np.concatenate([np.arange(1, 33), 32 * 1.1 ** np.arange(1, 60)])))
_CHUNK = 100_000


@dataclass(frozen=True)
class Met:
    """Who met which values of an attribute when.

    Attributes:
        keys: user times values plus code, of each event and value.
        rows: the event of each key.
        pairs: visit times values plus code, distinct, ascending.
    """

    attribute: Attribute
    keys: np.ndarray
    rows: np.ndarray
    codes: np.ndarray
    pairs: np.ndarray

    @staticmethod
    def of(events: Events, attribute: Attribute) -> Met:
        """What these events met."""
        size = len(attribute.values)
        rows, codes = attribute.of(events.item)
        return Met(
            attribute,
            events.user[rows] * size + codes,
            rows,
            codes,
            distinct(events.visit[rows] * size + codes),
        )

    @property
    def size(self) -> int:
        return len(self.attribute.values)


@dataclass(frozen=True)
class Rates:
    """What the crowd chooses of one attribute.

    Attributes:
        share: of each value in the events, shape (values,).
        scale: by which the expectation over visits is multiplied, shape (values,).
    """

    share: np.ndarray
    scale: np.ndarray

    @staticmethod
    def of(events: Events, met: Met) -> Rates:
        """The rates over these events."""
        size = met.size
        share = np.bincount(met.codes, minlength=size) / max(len(events.item), 1)
        if share.max(initial=0.0) >= COMMON:
            return Rates(share, np.ones(size))
        visits = np.bincount(met.pairs % size, minlength=size)
        sizes = np.bincount(_size_class(events.visit_size), minlength=len(_SIZES))
        expected = np.zeros(size)
        for at in range(0, size, _CHUNK):
            expected[at : at + _CHUNK] = _meeting(share[at : at + _CHUNK]) @ sizes
        return Rates(share, visits / np.maximum(expected, 1e-12))


def likes(
    events: Events, met: Met, rates: Rates, config: ProfileConfig, *, kind: str
) -> pl.DataFrame:
    """The traits of one attribute; of these users, against that crowd."""
    if rates.share.max(initial=0.0) >= COMMON:
        return _by_share(events, met, rates, config, kind)
    return _by_visits(events, met, rates, config, kind)


def _by_visits(
    events: Events, met: Met, rates: Rates, config: ProfileConfig, kind: str
) -> pl.DataFrame:
    size = met.size
    keys, count = counted(events.visit_user[met.pairs // size] * size + met.pairs % size)
    enough = count >= config.visits
    keys, count = keys[enough], count[enough]
    user, code = keys // size, keys % size
    expected = _expected(events, user, code, rates)
    strength = lift(count, expected, config.smoothing)
    kept = (strength >= config.lift) & (count > expected)
    kept &= surprise(count, expected) >= needed(config.chance, size)
    kept = strongest(user, strength, kept, config.likes)
    if not kept.any():
        return nothing()
    user, code = user[kept], code[kept]
    return traits(
        user,
        kind,
        met.attribute.name,
        _values(met.attribute, code),
        strength=strength[kept],
        count=count[kept],
        of=events.visits[user],
        expected=expected[kept],
        evidence=gathered(keys[kept], met.keys, events.number[met.rows], config.evidence),
    )


def _by_share(
    events: Events, met: Met, rates: Rates, config: ProfileConfig, kind: str
) -> pl.DataFrame:
    size = met.size
    keys, count = counted(met.keys)
    user, code = keys // size, keys % size
    of, usual = events.used[user], rates.share[code]
    visits = events.visits[user]
    # Smoothed by visits as large as the user's own.
    extra = config.smoothing * of / np.maximum(visits, 1)
    strength = (count + extra * usual) / ((of + extra) * usual)
    kept = (strength >= least_lift(config.lift, usual)) & (count >= config.visits)
    kept &= share_surprise(count / of, visits, usual) >= needed(config.chance, size)
    kept = strongest(user, strength, kept & (visits >= config.visits), config.likes)
    if not kept.any():
        return nothing()
    return traits(
        user[kept],
        f"{kind} share",
        met.attribute.name,
        _values(met.attribute, code[kept]),
        strength=strength[kept],
        count=count[kept],
        of=of[kept],
        expected=(of * usual)[kept],
        evidence=gathered(keys[kept], met.keys, events.number[met.rows], config.evidence),
    )


def _values(attribute: Attribute, codes: np.ndarray) -> list[str]:
    return [plain(attribute.values[code]) for code in codes]


def strongest(user: np.ndarray, strength: np.ndarray, kept: np.ndarray, most: int) -> np.ndarray:
    """Of those kept, the strongest few of each user."""
    rows = np.flatnonzero(kept)
    rows = rows[np.lexsort((rows, -strength[rows], user[rows]))]
    starts = np.ones(len(rows), bool)
    starts[1:] = user[rows][1:] != user[rows][:-1]
    rank = np.arange(len(rows)) - np.maximum.accumulate(np.where(starts, np.arange(len(rows)), 0))
    chosen = np.zeros(len(kept), bool)
    chosen[rows[rank < most]] = True
    return chosen


def _size_class(sizes: np.ndarray) -> np.ndarray:
    return np.minimum(np.searchsorted(_SIZES, sizes), len(_SIZES) - 1)


def _meeting(share: np.ndarray) -> np.ndarray:
    """The chance that a visit of each size holds a value, shape (values, sizes)."""
    return -np.expm1(np.log1p(-np.minimum(share, 0.999))[:, None] * _SIZES[None])


def _expected(events: Events, user: np.ndarray, code: np.ndarray, rates: Rates) -> np.ndarray:
    """Visits of each user that would hold the value were they of the crowd."""
    classes = events.visit_user * len(_SIZES) + _size_class(events.visit_size)
    sizes = np.bincount(classes, minlength=events.users * len(_SIZES)).astype(float)
    sizes = sizes.reshape(events.users, len(_SIZES))
    values, place = np.unique(code, return_inverse=True)
    meeting = _meeting(rates.share[values])
    expected = np.zeros(len(code))
    for at in range(0, len(code), _CHUNK):
        part = slice(at, at + _CHUNK)
        expected[part] = np.einsum("ij,ij->i", sizes[user[part]], meeting[place[part]])
    return expected * rates.scale[code]
