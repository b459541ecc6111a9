"""Whether a user buys the cheap or the dear of each kind, and what their purchases cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from genrec.profiles.chance import needed
from genrec.profiles.events import Events
from genrec.profiles.found import gathered, nothing, traits
from genrec.profiles.goods import Goods
from genrec.profiles.options import ProfileConfig

KINDS_LEAST = 5
EVENTS_LEAST = 10
APART = 0.05
"""The least distance from the crowd's prices that is worth saying, as a share."""


@dataclass(frozen=True)
class Prices:
    """What the crowd pays.

    Attributes:
        usual: logarithm of the median price paid in each kind, shape (kinds,); NaN where unknown.
        mean: of all users, of the mean distance from it.
    """

    usual: np.ndarray
    mean: float

    @staticmethod
    def of(events: Events, goods: Goods) -> Prices:
        """The prices over these events."""
        kind, price = _kinds(events, goods), goods.prices[events.item]
        known = (price > 0) & (kind >= 0)
        kinds = 1 if goods.within is None else len(goods.within.values)
        table = pl.DataFrame({"kind": kind[known], "price": np.log(price[known])})
        medians = table.group_by("kind").agg(pl.col("price").median())
        usual = np.full(kinds, np.nan)
        usual[medians["kind"].to_numpy()] = medians["price"].to_numpy()
        distances = _distances(events, goods, usual)
        mean = distances.mean[distances.kinds >= KINDS_LEAST]
        return Prices(usual, float(mean.mean()) if len(mean) else 0.0)


@dataclass(frozen=True)
class _Distances:
    """Of each user: mean log price over the kind's, its error over kinds, kinds, events."""

    mean: np.ndarray
    error: np.ndarray
    kinds: np.ndarray
    events: np.ndarray


def price_bands(
    events: Events, goods: Goods, prices: Prices, config: ProfileConfig
) -> pl.DataFrame:
    """Below, about or above the usual prices of each kind; and the middle half of prices paid."""
    price = goods.prices[events.item]
    paid = price > 0
    if not paid.any():
        return nothing()
    found = _distances(events, goods, prices.usual)
    apart = found.mean - prices.mean
    # The two-sided bound of a normal tail at this chance.
    far = np.sqrt(2 * needed(config.chance, 2)) * found.error
    enough = (found.kinds >= KINDS_LEAST) & (found.events >= EVENTS_LEAST)
    other = enough & (np.abs(apart) > far) & (np.abs(apart) >= APART)
    usual = enough & ~other & (np.abs(apart) + far <= 2 * APART)
    who = np.flatnonzero(other | usual)
    keys, numbers = events.user[paid], events.number[paid]
    words = np.where(apart < 0, "below the usual", "above the usual")
    words = np.where(usual, "about the usual", words)
    name = "for its kind" if goods.within is None else f"for its {goods.within.name}"
    relative = traits(
        who,
        "price",
        name,
        words[who].tolist(),
        strength=np.exp(np.abs(apart[who])),
        count=np.exp(apart[who]),
        of=found.kinds[who],
        expected=np.ones(len(who)),
        evidence=gathered(who, keys, numbers, config.evidence),
    )
    return pl.concat([relative, _range(events, price, paid, config)])


def _range(
    events: Events, price: np.ndarray, paid: np.ndarray, config: ProfileConfig
) -> pl.DataFrame:
    table = pl.DataFrame({"user": events.user[paid], "price": price[paid]})
    quarters = (
        table.group_by("user")
        .agg(
            pl.col("price").quantile(0.25, "nearest").alias("low"),
            pl.col("price").quantile(0.75, "nearest").alias("high"),
            pl.len(),
        )
        .filter(pl.col("len") >= EVENTS_LEAST)
        .sort("user")
    )
    who = quarters["user"].to_numpy()
    return traits(
        who,
        "price",
        "range",
        [f"{low:.2f} to {high:.2f}" for low, high in quarters.select("low", "high").iter_rows()],
        strength=np.ones(len(who)),
        count=quarters["low"].to_numpy(),
        of=quarters["high"].to_numpy(),
        expected=quarters["len"].to_numpy(),
        evidence=gathered(who, events.user[paid], events.number[paid], config.evidence),
    )


def _kinds(events: Events, goods: Goods) -> np.ndarray:
    if goods.within is None:
        return np.zeros(len(events.item), np.int64)
    return goods.within.single[events.item]


def _distances(events: Events, goods: Goods, usual: np.ndarray) -> _Distances:
    kind, price = _kinds(events, goods), goods.prices[events.item]
    known = (price > 0) & (kind >= 0)
    known &= ~np.isnan(usual[np.maximum(kind, 0)])
    user, kind = events.user[known], kind[known]
    distance = np.log(price[known]) - usual[kind]
    group, place, count = np.unique(
        user * len(usual) + kind, return_inverse=True, return_counts=True
    )
    of_kind = np.bincount(place, distance, len(group)) / np.maximum(count, 1)
    owner, total = group // len(usual), np.bincount(user, minlength=events.users)
    # Purchases of a kind are alike, so each kind is one observation, weighted by its purchases.
    weight = count / np.maximum(total, 1)[owner]
    mean = np.bincount(owner, weight * of_kind, events.users)
    spread = np.bincount(owner, (weight * (of_kind - mean[owner])) ** 2, events.users)
    kinds = np.bincount(owner, minlength=events.users)
    correction = kinds / np.maximum(kinds - 1, 1)
    return _Distances(mean, np.sqrt(spread * correction), kinds, total)
