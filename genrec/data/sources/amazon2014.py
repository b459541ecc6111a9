"""Amazon 2014 5-core, the standard table of generative recommendation: order only, no times."""

from __future__ import annotations

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.files import read_parquet
from genrec.data.sources.folders import data_folder, one_of, read_columns

DOMAINS = ("beauty", "toys")


def load(domain: str = "beauty") -> Dataset:
    """Reviewers and the products that they reviewed, in order; ids are ASINs and reviewer ids.

    Raises:
        ConfigError: no such domain.
        InputError: the folder is absent or damaged.
    """
    folder = data_folder(f"amazon2014-{one_of('domain', domain, DOMAINS)}")
    items = read_parquet(folder / "items.parquet")
    sequences = read_columns(folder / "sequences.parquet", ["user_asin", "item_ids"])
    brand = [pl.col("brand")] if "brand" in items.columns else []
    path = pl.col("categories").list.first().str.split(" > ")
    table = items.select(
        pl.col("asin").alias("item_id"),
        "title",
        # The root is the domain itself and says nothing.
        path.list.slice(1).list.join(" > ").alias("category"),
        *brand,
    )
    order = sequences.explode("item_ids").join(
        items.select("item_id", "asin"),
        left_on="item_ids",
        right_on="item_id",
        how="left",
        maintain_order="left",
    )
    events = order.select(user_id="user_asin", item_id="asin")
    return assemble(Catalog(table), events, name=f"amazon2014-{domain}")
