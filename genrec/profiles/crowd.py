"""What customers do on the whole: every trait is a difference from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from genrec.profiles.events import Events, counted
from genrec.profiles.found import SCHEMA
from genrec.profiles.goods import Attribute, Goods, plain
from genrec.profiles.habit import Choices, habits, repeat_rates
from genrec.profiles.likes import Met, Rates, likes
from genrec.profiles.loyalty import BrandRates, Purchases, loyalties
from genrec.profiles.options import ProfileConfig
from genrec.profiles.price import Prices, price_bands
from genrec.profiles.promotion import Promotions, responses
from genrec.profiles.rhythm import Clock, rhythms

COVERED = 0.8
"""A value that says so much of the same events as a broader one says it better."""


@dataclass(frozen=True)
class Seen:
    """Events of some users, arranged once for all kinds of traits."""

    events: Events
    met: list[Met]
    favourites: Met
    bought: Purchases | None
    choices: Choices

    @staticmethod
    def of(events: Events, goods: Goods) -> Seen:
        """The arrangement of these events."""
        bought = None
        if goods.brand is not None and goods.within is not None:
            bought = Purchases.of(events, goods.within, goods.brand)
        return Seen(
            events,
            [Met.of(events, attribute) for attribute in goods.likes],
            Met.of(events, goods.titles),
            bought,
            Choices.of(events, len(goods.catalog)),
        )


@dataclass(frozen=True)
class Crowd:
    """The rates of all users together, against which each of them is held."""

    goods: Goods
    rates: list[Rates]
    favourites: Rates
    brands: BrandRates | None
    prices: Prices
    clock: Clock | None
    repeats: np.ndarray
    promotions: Promotions | None

    @staticmethod
    def of(seen: Seen, goods: Goods, promotions: Promotions | None) -> Crowd:
        """The crowd that these events make."""
        events = seen.events
        brands = None
        if seen.bought is not None and goods.within is not None and goods.brand is not None:
            brands = BrandRates.of(seen.bought, goods.within, goods.brand)
        return Crowd(
            goods,
            [Rates.of(events, met) for met in seen.met],
            Rates.of(events, seen.favourites),
            brands,
            Prices.of(events, goods),
            Clock.of(events),
            repeat_rates(seen.choices),
            promotions,
        )

    def traits(self, seen: Seen, config: ProfileConfig) -> pl.DataFrame:
        """All traits of these users, by user and then from the strongest, as ``found.SCHEMA``."""
        events = seen.events
        liked = [
            likes(events, met, rates, config, kind="like")
            for met, rates in zip(seen.met, self.rates, strict=True)
        ]
        liked.append(likes(events, seen.favourites, self.favourites, config, kind="favourite"))
        table = pl.concat(
            [
                *_narrowest(liked, [*self.goods.likes, self.goods.titles]),
                price_bands(events, self.goods, self.prices, config),
                rhythms(events, self.clock, config),
                habits(events, seen.choices, self.repeats, config),
                responses(events, self.promotions, config),
            ]
        )
        if seen.bought is not None and self.brands is not None:
            loyal = loyalties(events, self.goods, seen.bought, self.brands, config)
            table = table.vstack(loyal)
        table = _most(table, config.likes)
        return table.sort(
            ["user", "strength", "events", "kind", "name", "value"],
            descending=[False, True, True, False, False, False],
        ).select(*SCHEMA)


def _most(table: pl.DataFrame, most: int) -> pl.DataFrame:
    """Each user's strongest of a kind; the rest of a long list says little."""
    rank = pl.col("strength").rank("ordinal", descending=True).over("user", "kind")
    many = pl.col("kind").is_in(["like", "favourite", "loyalty"])
    return table.sort("user", "kind", "name", "value").filter(~many | (rank <= most))


def _narrowest(liked: list[pl.DataFrame], attributes: list[Attribute]) -> list[pl.DataFrame]:
    """Likes without those that a narrower value says of nearly the same events."""
    kept = list(liked)
    for narrow in range(len(liked)):
        for broad in range(narrow):
            if not (kept[narrow].height and kept[broad].height):
                continue
            above = parents(attributes[narrow], attributes[broad], kept[narrow]["value"])
            inside = kept[narrow].join(above, on="value")
            says = inside.group_by("user", "parent").agg(pl.col("events").max().alias("said"))
            both = kept[broad].join(
                says,
                left_on=["user", "value"],
                right_on=["user", "parent"],
                how="left",
                maintain_order="left",
            )
            told = (pl.col("said") >= COVERED * pl.col("events")).fill_null(value=False)
            kept[broad] = both.filter(~told).drop("said")
    return kept


def parents(narrow: Attribute, broad: Attribute, values: pl.Series) -> pl.DataFrame:
    """For each of these values of the narrow attribute, the broad one that most items have."""
    has = (narrow.single >= 0) & (broad.single >= 0)
    pairs, count = counted(narrow.single[has] * len(broad.values) + broad.single[has])
    child, parent = pairs // len(broad.values), pairs % len(broad.values)
    order = np.lexsort((parent, -count, child))
    first = np.ones(len(order), bool)
    first[1:] = child[order][1:] != child[order][:-1]
    child, parent = child[order][first], parent[order][first]
    table = pl.DataFrame(
        {
            "value": [plain(narrow.values[code]) for code in child],
            "parent": [plain(broad.values[code]) for code in parent],
        },
        schema={"value": pl.String, "parent": pl.String},
    )
    return table.join(values.unique().to_frame(), on="value", how="semi").unique(
        "value", keep="first", maintain_order=True
    )
