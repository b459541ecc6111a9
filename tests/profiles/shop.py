"""A shop with known shoppers: who likes what, when they come, what they pay."""

from __future__ import annotations

import numpy as np
import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset

DAY = 86_400
MONDAY = 1_704_067_200
"""2024-01-01, a Monday, at midnight."""
CATEGORIES = ("Bread", "Cheese", "Tea", "Fruit", "Soap", "Pasta", "Baby foods", "Beer")
MAKERS = ("Acorn", "Birch", "Cedar", "Dune")


def catalog() -> Catalog:
    """Four makers of each of eight categories, at 1, 2, 3 and 4."""
    rows = [
        {
            "item_id": f"{category[:2]}{number}",
            "title": f"{category} by {maker}",
            "price": 1.0 + number,
            "category": category,
            "brand": maker,
        }
        for category in CATEGORIES
        for number, maker in enumerate(MAKERS)
    ]
    return Catalog(pl.DataFrame(rows))


def crowd_rows(
    users: int, visits: int, generator: np.random.Generator, size: int = 4
) -> list[tuple[str, str, int, str]]:
    """Shoppers without any taste: every visit at any weekday and hour, any items."""
    ids = catalog().ids
    rows = []
    for user in range(users):
        for visit in range(visits):
            when = MONDAY + visit * 4 * DAY + int(generator.integers(4 * DAY))
            for item in generator.choice(len(ids), size, replace=False):
                rows.append((f"c{user}", ids[item], when, f"c{user}-{visit}"))
    return rows


def shop(
    extra: list[tuple[str, str, int, str]] = (), *, users: int = 60, visits: int = 25, seed: int = 0
) -> Dataset:
    """A crowd without taste, and the rows of those who have one."""
    rows = [*crowd_rows(users, visits, np.random.default_rng(seed)), *extra]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "time", "basket_id"], orient="row")
    return assemble(catalog(), table, name="shop")


def visits_of(
    user: str, baskets: list[list[str]], *, every: int = 7, hour: int = 10, start: int = MONDAY
) -> list[tuple[str, str, int, str]]:
    """One visit for each basket, so many days apart."""
    return [
        (user, item, start + number * every * DAY + hour * 3600, f"{user}-{number}")
        for number, basket in enumerate(baskets)
        for item in basket
    ]


def tea_lover(visits: int = 20) -> list[tuple[str, str, int, str]]:
    """Cheap tea by Acorn every Monday morning, and another thing in turn."""
    others = [one for one in catalog().ids if not one.startswith(("Te", "Ba", "Be"))]
    return visits_of("ann", [["Te0", others[n % len(others)]] for n in range(visits)])
