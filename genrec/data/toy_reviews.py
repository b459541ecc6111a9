"""What the toy shop's shoppers say of what they chose: stars by their tastes, in set phrases."""

from __future__ import annotations

import numpy as np
import polars as pl

_HEADLINES = {1: "A mistake", 2: "Not for me", 3: "It will do", 4: "Very nice", 5: "Just my thing"}


def reviews(
    events: pl.DataFrame,
    scores: np.ndarray,
    oracle: pl.DataFrame,
    table: pl.DataFrame,
    tastes: pl.DataFrame,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """A review of every choice: columns user_id, item_id, time, rating, headline, text.

    Args:
        events: choices, with ``user_id``, ``item_id`` and ``time``.
        scores: how well each item suits each shopper, shape (shoppers, items).
        oracle, table, tastes: of the items and shoppers, in the order of the scores.
    """
    user = {name: row for row, name in enumerate(tastes["user_id"])}
    item = {name: row for row, name in enumerate(oracle["item_id"])}
    people, products, prices = tastes.to_dicts(), oracle.to_dicts(), table["price"].to_list()
    rows = []
    for event, chance in zip(
        events.iter_rows(named=True), rng.normal(0, 0.4, len(events)), strict=True
    ):
        one, thing = user[event["user_id"]], item[event["item_id"]]
        stars = int(np.clip(np.round(1.5 + 1.4 * scores[one, thing] + chance), 1, 5))
        taste, product = people[one], products[thing]
        liked = "I like a" if product["kind"] in taste["kinds"] else "I seldom buy a"
        said = [f"{liked} {product['kind']}."]
        if product["colour"] in taste["colours"]:
            said.append("The colour is mine.")
        if prices[thing] > taste["budget"]:
            said.append("Too dear for me.")
        rows.append((event["user_id"], event["item_id"], event["time"], float(stars),
                     _HEADLINES[stars], " ".join(said)))  # fmt: skip
    columns = ("user_id", "item_id", "time", "rating", "headline", "text")
    return pl.DataFrame(rows, schema=columns, orient="row")
