"""A small shop for copy: items with facts, a shopper with evidence, a history."""

from __future__ import annotations

import polars as pl

from genrec.data.catalog import Catalog, Item
from genrec.data.dataset import Dataset
from genrec.profiles.profile import Trait, UserProfile

ITEM = Item(
    id="p1",
    title="Oat biscuits, 12 oz",
    price=1.99,
    attributes={"brand": "Miller", "category": "Biscuits", "material": "oat"},
)
ANN = UserProfile(
    "ann", (Trait("like", "category", "Biscuits", 4.0, (3, 5, 9), 3, "Often buys Biscuits."),)
)
BEN = UserProfile(
    "ben", (Trait("loyalty", "brand", "Miller", 6.0, (1, 2), 2, "Stays with Miller."),)
)


def shop() -> Dataset:
    """Four items; ann bought biscuits of another kind, and soap."""
    catalog = Catalog(
        pl.DataFrame(
            {
                "item_id": ["p1", "p2", "p3", "p4"],
                "title": ["Oat biscuits, 12 oz", "Ginger biscuits, 8 oz", "Soap bar", "Mop"],
                "price": [1.99, 2.49, 1.0, 7.5],
                "category": ["Biscuits", "Biscuits", "Soap", "Cleaning"],
            }
        )
    )
    events = pl.DataFrame(
        {
            "user_id": ["ann", "ann", "ann", "ben"],
            "item_id": ["p3", "p2", "p4", "p4"],
            "time": [1, 2, 3, 1],
        }
    )
    return Dataset.from_tables(catalog, events, name="small")
