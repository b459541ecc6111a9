"""Which brands a user stays with, kind by kind, and whether they stay with brands at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from genrec.profiles.chance import least_lift, needed, share_surprise, times
from genrec.profiles.events import Events, counted
from genrec.profiles.found import gathered, nothing, traits
from genrec.profiles.goods import Attribute, Goods, plain
from genrec.profiles.likes import strongest
from genrec.profiles.options import ProfileConfig

MOSTLY = 0.6
"""A user is loyal to a brand that so many of their purchases of a kind are of."""
LEAST = 5
"""Purchases of a kind that loyalty needs."""


@dataclass(frozen=True)
class Purchases:
    """Brands met: one row for each visit, kind of goods and brand.

    Attributes:
        group: user times kinds plus kind of each row, ascending; likewise the others.
        number: of the first of its events, in the user's history.
        before: whether the row before is of the same user and kind.
        again: and of the same brand.
    """

    group: np.ndarray
    number: np.ndarray
    brand: np.ndarray
    before: np.ndarray
    again: np.ndarray

    @staticmethod
    def of(events: Events, within: Attribute, brand: Attribute) -> Purchases:
        """What these users bought, in the order of visits."""
        kind, made = within.single[events.item], brand.single[events.item]
        known = (kind >= 0) & (made >= 0)
        kinds, brands = len(within.values), len(brand.values)
        kind, made, visit = kind[known], made[known], events.visit[known]
        keys = (visit * kinds + kind) * brands + made
        order = np.argsort(keys, kind="stable")
        first = np.ones(len(keys), bool)
        first[1:] = keys[order][1:] != keys[order][:-1]
        row = order[first]
        group = events.user[known][row] * kinds + kind[row]
        # Rows are in the order of visits, and a stable sort keeps it within a group.
        row = row[np.argsort(group, kind="stable")]
        group, made = events.user[known][row] * kinds + kind[row], made[row]
        before = np.zeros(len(group), bool)
        before[1:] = group[1:] == group[:-1]
        again = before.copy()
        again[1:] &= made[1:] == made[:-1]
        return Purchases(group, events.number[known][row], made, before, again)


@dataclass(frozen=True)
class BrandRates:
    """What the crowd does.

    Attributes:
        share: of each brand in its kind, shape (kinds, brands), as sorted keys and values.
        again: how often the brand of a kind is the one before, shape (kinds,).
    """

    keys: np.ndarray
    share: np.ndarray
    again: np.ndarray

    @staticmethod
    def of(bought: Purchases, within: Attribute, brand: Attribute) -> BrandRates:
        """The rates over these purchases."""
        kinds, brands = len(within.values), len(brand.values)
        kind = bought.group % kinds
        keys, count = counted(kind * brands + bought.brand)
        total = np.bincount(kind, minlength=kinds)
        pairs = np.bincount(kind, bought.before, minlength=kinds)
        same = np.bincount(kind, bought.again, minlength=kinds)
        return BrandRates(keys, count / total[keys // brands], same / np.maximum(pairs, 1))


def loyalties(
    events: Events, goods: Goods, bought: Purchases, rates: BrandRates, config: ProfileConfig
) -> pl.DataFrame:
    """The brands that users stay with, and one trait of whether they stay with brands."""
    within, brand = goods.within, goods.brand
    if within is None or brand is None or not len(bought.group):
        return nothing()
    kinds, brands = len(within.values), len(brand.values)
    keys, count = counted(bought.group * brands + bought.brand)
    group = keys // brands
    groups, of = counted(bought.group)
    total = of[np.searchsorted(groups, group)]
    user, kind = group // kinds, group % kinds
    usual = rates.share[np.searchsorted(rates.keys, kind * brands + keys % brands)]
    strength = (count + config.smoothing * usual) / ((total + config.smoothing) * usual)
    kept = (count >= max(LEAST, config.visits)) & (count >= MOSTLY * total)
    kept &= strength >= least_lift(config.lift, usual)
    kept &= share_surprise(count / total, total, usual) >= needed(config.chance, kinds)
    kept = strongest(user, strength, kept, config.likes)
    event_group = within.single[events.item] + events.user * kinds
    made = brand.single[events.item]
    known = (made >= 0) & (within.single[events.item] >= 0)
    event_keys = np.where(known, event_group * brands + made, -1)
    names = [plain(value) for value in within.values]
    to_brands = traits(
        user[kept],
        "loyalty",
        [names[code] for code in kind[kept]],
        [f"{brand.name} {plain(brand.values[code])}" for code in (keys % brands)[kept]],
        strength=strength[kept],
        count=count[kept],
        of=total[kept],
        expected=(usual * total)[kept],
        evidence=gathered(keys[kept], event_keys, events.number, config.evidence),
    )
    return pl.concat([to_brands, _in_general(events, bought, rates, config, kinds)])


def _in_general(
    events: Events, bought: Purchases, rates: BrandRates, config: ProfileConfig, kinds: int
) -> pl.DataFrame:
    user = bought.group // kinds
    pairs = np.bincount(user, bought.before, minlength=events.users)
    same = np.bincount(user, bought.again, minlength=events.users)
    usual = np.bincount(user, bought.before * rates.again[bought.group % kinds], events.users)
    trials = np.minimum(pairs, events.visits)
    share, expected = same / np.maximum(pairs, 1), usual / np.maximum(pairs, 1)
    kept = (pairs >= 4 * LEAST) & (np.abs(share - expected) >= 0.05)
    kept &= share_surprise(share, trials, expected) >= needed(config.chance, 2)
    who = np.flatnonzero(kept)
    if not len(who):
        return nothing()
    ratio = same[who] / np.maximum(usual[who], 1e-9)
    stays = ratio > 1
    wanted = np.zeros(events.users, bool)
    wanted[who] = stays
    rows = np.flatnonzero(bought.before & (bought.again == wanted[user]))
    # In the order of the history, of which the latest are kept.
    rows = rows[np.lexsort((bought.number[rows], user[rows]))]
    return traits(
        who,
        "loyalty",
        "brands in general",
        ["stays with brands" if one else "tries brands" for one in stays],
        strength=times(ratio),
        count=same[who],
        of=pairs[who],
        expected=usual[who],
        evidence=gathered(who, user[rows], bought.number[rows], config.evidence),
    )
