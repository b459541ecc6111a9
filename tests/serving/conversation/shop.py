"""A corner shop whose every item is known: what the tests of the conversation sell from."""

from __future__ import annotations

from itertools import product

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.serving.conversation.shop import Shop

COLOURS = ("blue", "green", "red", "black", "white", "navy")
BRANDS = ("Alpine", "Nordic Home", "Birch & Co", "Juno")
SHELVES = {
    "mugs": ("mug", 8.0, ("stoneware", "glass")),
    "lamps": ("lamp", 45.0, ("linen and oak", "glass")),
    "bags": ("bag", 60.0, ("leather", "cotton")),
    "shirts": ("shirt", 24.0, ("cotton", "linen")),
    "cushions": ("cushion", 18.0, ("wool", "cotton")),
    "vases": ("vase", 25.0, ("glass", "stoneware")),
}
SAID = ("striped", "with flowers", "dishwasher safe", "for travel", "for reading", "cosy")


def catalog() -> Catalog:
    """288 items: every shelf, brand and colour, in both materials of the shelf."""
    rows = []
    for number, (shelf, brand, colour, second) in enumerate(
        product(SHELVES, BRANDS, COLOURS, (0, 1))
    ):
        name, price, materials = SHELVES[shelf]
        rows.append(
            {
                "item_id": f"i{number:03d}",
                "title": f"{brand} {name}",
                "text": f"A {name}, {SAID[number % len(SAID)]}.",
                "price": round(price * (0.6 + (number * 7 % 13) / 13), 2),
                "category": shelf,
                "colour": colour,
                "material": materials[second],
                "brand": brand,
                "organic": number % 3 == 0,
                "on_sale": number % 5 == 0,
                "in_stock": number % 11 != 0,
            }
        )
    return Catalog(pl.DataFrame(rows))


def dataset() -> Dataset:
    """Twelve shoppers, each of whom bought what lies on two shelves."""
    sold = catalog()
    users, items, times = [], [], []
    for user in range(12):
        for event in range(6):
            users.append(f"u{user}")
            items.append(sold.ids[(user * 48 + event * 5 + user) % len(sold)])
            times.append(1_700_000_000 + event * 86_400)
    events = pl.DataFrame({"user_id": users, "item_id": items, "time": times})
    return assemble(sold, events, name="corner")


def corner_shop() -> Shop:
    """The shop, open."""
    data = dataset()
    return Shop(Cooccurrence.train(data), data).open()
