"""How a user answers promotions, where a data set tells of campaigns and redeemed coupons.

Reads these tables of ``Dataset.extras``: ``campaigns`` (``campaign_id``, ``user_id``),
``coupon_redemptions`` (``user_id``, ``campaign_id``, and ``coupon_upc``, ``redemption_date`` for
the evidence) and ``coupons`` (``coupon_upc``, ``item_id``, ``campaign_id``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from genrec.profiles.chance import lift, needed, surprise, times
from genrec.profiles.events import DAY, Events
from genrec.profiles.found import gathered, nothing, traits
from genrec.profiles.goods import Goods
from genrec.profiles.options import ProfileConfig


@dataclass(frozen=True)
class Promotions:
    """What was sent and what came of it.

    Attributes:
        by_user: columns ``user_id``, ``campaigns``, ``redeemed`` and ``expected``, the redemptions
            that the receivers of the same campaigns make on average.
        redeemed: columns ``user_id``, ``day`` and ``coupon``, a number.
        good_for: columns ``coupon`` and ``item``, a catalogue position.
    """

    by_user: pl.DataFrame
    redeemed: pl.DataFrame
    good_for: pl.DataFrame

    @staticmethod
    def of(extras: Mapping[str, pl.DataFrame], goods: Goods) -> Promotions | None:
        """The promotions of a data set; ``None`` where it tells of none."""
        sent, used = extras.get("campaigns"), extras.get("coupon_redemptions")
        if sent is None or used is None:
            return None
        wanted = {"user_id", "campaign_id"}
        if not (wanted <= set(sent.columns) and wanted <= set(used.columns)):
            return None
        sent = sent.select(pl.col("user_id", "campaign_id").cast(pl.String)).unique()
        counts = used.group_by(pl.col("user_id", "campaign_id").cast(pl.String)).len("redeemed")
        # A coupon that was passed on to somebody who was sent none tells of no campaign's rate.
        both = sent.join(counts, on=["user_id", "campaign_id"], how="left").with_columns(
            pl.col("redeemed").fill_null(0)
        )
        both = both.with_columns(expected=pl.col("redeemed").mean().over("campaign_id"))
        by_user = both.group_by("user_id").agg(
            pl.len().alias("campaigns"),
            pl.col("redeemed").sum(),
            pl.col("expected").sum(),
        )
        return Promotions(by_user.sort("user_id"), *_redeemed(used, extras.get("coupons"), goods))

    def without(self, names: set[str]) -> Promotions:
        """Without the rows of these users."""
        gone = pl.col("user_id").is_in(list(names))
        return Promotions(self.by_user.filter(~gone), self.redeemed.filter(~gone), self.good_for)


def _redeemed(
    used: pl.DataFrame, coupons: pl.DataFrame | None, goods: Goods
) -> tuple[pl.DataFrame, pl.DataFrame]:
    numbers = {"coupon": pl.UInt32, "item": pl.Int64}
    nothing_known = (
        pl.DataFrame(schema={"user_id": pl.String, "day": pl.Int64, "coupon": pl.UInt32}),
        pl.DataFrame(schema=numbers),
    )
    if coupons is None or not {"coupon_upc", "item_id"} <= set(coupons.columns):
        return nothing_known
    if not {"coupon_upc", "redemption_date"} <= set(used.columns):
        return nothing_known
    if not used["redemption_date"].dtype.is_temporal():
        return nothing_known
    keys = ["coupon_upc", *(["campaign_id"] if "campaign_id" in coupons.columns else [])]
    day = pl.col("redemption_date").cast(pl.Datetime("us")).dt.epoch("s") // DAY
    taken = used.select(
        pl.col("user_id", *keys).cast(pl.String), day.cast(pl.Int64).alias("day")
    ).unique()
    which = taken.select(keys).unique().sort(keys).with_row_index("coupon")
    ids = goods.catalog.table["item_id"]
    places = pl.DataFrame({"item_id": ids, "item": np.arange(len(ids))})
    offered = coupons.with_columns(pl.col("item_id", *keys).cast(pl.String))
    good_for = offered.join(which, on=keys).join(places, on="item_id").select(*numbers)
    return taken.join(which, on=keys).select("user_id", "day", "coupon"), good_for


def responses(events: Events, promotions: Promotions | None, config: ProfileConfig) -> pl.DataFrame:
    """Who redeems more, or less, than others who were sent the same campaigns."""
    if promotions is None:
        return nothing()
    names = pl.DataFrame({"user_id": [str(name) for name in events.names]}).with_row_index("user")
    table = names.join(promotions.by_user, on="user_id", maintain_order="left")
    redeemed, expected = table["redeemed"].to_numpy(), table["expected"].to_numpy()
    far = surprise(redeemed, expected) >= needed(config.chance, 2)
    many = far & (redeemed > expected) & (redeemed >= config.visits)
    few = far & (redeemed < expected)
    table = table.filter(pl.Series(many | few))
    if not table.height:
        return nothing()
    who = table["user"].to_numpy().astype(np.int64)
    redeemed, expected = table["redeemed"].to_numpy(), table["expected"].to_numpy()
    ratio = lift(redeemed, expected, config.smoothing)
    rows = _bought_with(events, names, promotions)
    found = traits(
        who,
        "promotion",
        "coupons",
        ["redeems coupons" if one else "leaves coupons" for one in redeemed > expected],
        strength=times(ratio),
        count=redeemed,
        of=table["campaigns"].to_numpy(),
        expected=expected,
        evidence=gathered(who, events.user[rows], events.number[rows], config.evidence),
    )
    # Who redeemed and shows no purchase with it did so for items that are left out.
    if promotions.good_for.height:
        found = found.filter((pl.col("events") > 0) | (pl.col("value") == "leaves coupons"))
    return found


def _bought_with(events: Events, names: pl.DataFrame, promotions: Promotions) -> np.ndarray:
    """Events of a day on which the user redeemed a coupon that is good for the item."""
    if events.day is None or not promotions.redeemed.height:
        return np.zeros(0, np.int64)
    taken = promotions.redeemed.join(names, on="user_id").select(
        pl.col("user").cast(pl.Int64), "day", "coupon"
    )
    # Few events are on such days at all, so those are looked for first.
    days = np.unique(taken["user"].to_numpy() * 1_000_000 + taken["day"].to_numpy())
    near = np.flatnonzero(np.isin(events.user * 1_000_000 + events.day, days))
    table = pl.DataFrame(
        {"row": near, "user": events.user[near], "item": events.item[near], "day": events.day[near]}
    )
    bought = table.join(taken, on=["user", "day"]).join(
        promotions.good_for, on=["coupon", "item"], how="semi"
    )
    return bought["row"].unique().sort().to_numpy()
