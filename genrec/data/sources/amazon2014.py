"""Amazon 2014 5-core, the standard table of generative recommendation: order only, no times.

Each domain lies in a folder of its own, ``amazon2014-DOMAIN``.
"""

from __future__ import annotations

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.folders import data_folder, data_root, one_of, read_columns

PREFIX = "amazon2014-"
DOMAINS = ("beauty", "toys")
"""Those that have a recipe; any other that has a folder can be read as well."""


def load(domain: str = "beauty") -> Dataset:
    """Reviewers and the products that they reviewed, in order; ids are ASINs and reviewer ids.

    Args:
        domain: ``beauty``, ``toys``, or what follows ``amazon2014-`` in another folder's name.

    Raises:
        ConfigError: no such domain.
        InputError: the folder is absent or damaged, or a file lacks a column.
    """
    there = {path.name.removeprefix(PREFIX) for path in data_root().glob(f"{PREFIX}*")}
    folder = data_folder(PREFIX + one_of("domain", domain, sorted({*DOMAINS, *there})))
    wanted = ["item_id", "asin", "title"]
    items = read_columns(folder / "items.parquet", wanted, more=("categories", "brand"))
    sequences = read_columns(folder / "sequences.parquet", ["user_asin", "item_ids"])
    # The root is the domain itself and says nothing.
    path = pl.col("categories").list.first().str.split(" > ").list.slice(1).list.join(" > ")
    told = {"categories": path.alias("category"), "brand": pl.col("brand")}
    columns = [column for name, column in told.items() if name in items.columns]
    table = items.select(pl.col("asin").alias("item_id"), "title", *columns)
    order = sequences.explode("item_ids").join(
        items.select("item_id", "asin"),
        left_on="item_ids",
        right_on="item_id",
        how="left",
        maintain_order="left",
    )
    events = order.select(user_id="user_asin", item_id="asin")
    return assemble(Catalog(table), events, name=f"amazon2014-{domain}")
