"""What a shop says of itself before anybody has asked: from its catalogue alone."""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from genrec.data.catalog import Catalog
from genrec.serving.conversation.shop import Shop
from genrec.serving.shopfront_schemas import ShopAnswer

# Columns that name what an item is, the most telling first.
_KINDS = ("category", "categories", "type", "department", "genre")
SUGGESTED, USERS = 4, 6


def welcome(shop: Shop, *, users: bool) -> ShopAnswer:
    """The shop's name, size and some wishes that it can fulfil.

    Args:
        users: whether to name some.
    """
    return ShopAnswer(
        name=shop.dataset.name.replace("_", " ").title(),
        items=len(shop.catalog),
        currency=shop.currency,
        suggestions=list(_suggestions(shop.catalog)),
        users=[str(user) for user in shop.dataset.users[:USERS]] if users else [],
    )


@lru_cache(maxsize=4)
def _suggestions(catalog: Catalog) -> tuple[str, ...]:
    """Wishes in words that each name a large group of items, and one that names a price."""
    kind = next((name for name in _KINDS if name in catalog.attribute_names), None)
    if kind is None or catalog.table.schema[kind] != pl.String:
        return ()
    groups = (
        catalog.table.group_by(kind)
        .agg(pl.len().alias("items"), pl.col("price").median())
        .drop_nulls(kind)
        .sort("items", kind, descending=[True, False])
    )
    found: list[str] = []
    for name, _, price in groups.head(40).iter_rows():
        # A name with a slash or a comma is a shelf's, not a shopper's.
        if len(name) > 22 or any(mark in name for mark in "/,&("):
            continue
        bounded = len(found) % 2 == 0 and price
        found.append(f"{name} under {_round(price)}" if bounded else name)
        if len(found) == SUGGESTED:
            break
    return tuple(found)


def _round(price: float) -> str:
    return f"{max(1, round(price * 1.25)):g}"
