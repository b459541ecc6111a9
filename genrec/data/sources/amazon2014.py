"""Amazon 2014 5-core, the standard table of generative recommendation: order only, no times.

Each domain lies in a folder of its own, ``amazon2014-DOMAIN``.
"""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl

from genrec.data.assemble import UNKNOWN, assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.rows import as_ids
from genrec.data.sources.folders import data_folder, data_root, one_of, read_columns
from genrec.errors import InputError

log = logging.getLogger(__name__)

PREFIX = "amazon2014-"
DOMAINS = ("beauty", "toys")
"""Those that have a recipe; any other that has a folder can be read as well."""
SHOWN = 5


def load(domain: str = "beauty", *, unknown: str = "error") -> Dataset:
    """Reviewers and the products that they reviewed, in order; ids are ASINs and reviewer ids.

    ``items.parquet`` has ``item_id``, ``asin``, ``title`` and, if known, ``categories`` and
    ``brand``; ``sequences.parquet`` has ``user_asin`` (or ``user_id``) and ``item_ids``, a list.
    An item always has ``category``, which is empty where nothing tells it.

    Args:
        domain: ``beauty``, ``toys``, or what follows ``amazon2014-`` in another folder's name.
        unknown: events of items that ``items.parquet`` lacks: ``error``, or ``drop`` them and log
            how many.

    Raises:
        ConfigError: no such domain, or ``unknown`` is neither.
        InputError: the folder is absent or damaged, a file lacks a column, or events are of
            unknown items.
    """
    one_of("unknown", unknown, UNKNOWN)
    there = {path.name.removeprefix(PREFIX) for path in data_root().glob(f"{PREFIX}*")}
    folder = data_folder(PREFIX + one_of("domain", domain, sorted({*DOMAINS, *there})))
    table, numbers = _items(folder / "items.parquet")
    catalog = Catalog(table)
    events = _events(folder / "sequences.parquet", numbers, unknown)
    return assemble(catalog, events, name=f"amazon2014-{domain}")


def _items(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The catalogue's columns, and the ASIN (``item_id``) of each number (``number``)."""
    wanted = ["item_id", "asin", "title"]
    items = read_columns(path, wanted, more=("categories", "brand"))
    numbers = pl.DataFrame({"number": _ids(path, items["item_id"]), "item_id": items["asin"]})
    twice = numbers["number"].filter(numbers["number"].is_duplicated()).unique().drop_nulls()
    if len(twice):
        raise InputError(
            f"{path} has {len(twice)} item_id(s) more than once, such as {_some(twice)}. "
            "Number each item once."
        )
    brand = [items["brand"]] if "brand" in items.columns else []
    return pl.DataFrame(
        [items["asin"].alias("item_id"), items["title"], _categories(path, items), *brand]
    ), numbers


def _events(path: Path, numbers: pl.DataFrame, unknown: str) -> pl.DataFrame:
    sequences = read_columns(path, ["item_ids"], more=("user_asin", "user_id"))
    user = next((name for name in ("user_asin", "user_id") if name in sequences.columns), None)
    if user is None:
        raise InputError(f"{path} has neither 'user_asin' nor 'user_id'. One of them is needed.")
    if not isinstance(sequences["item_ids"].dtype, pl.List):
        kind = sequences["item_ids"].dtype
        raise InputError(f"{path}: item_ids holds {kind}. It must be a list of one user's items.")
    named = sequences.select(user_id=user, number="item_ids")
    order = named.filter(pl.col("number").list.len() > 0).explode("number")
    order = order.with_columns(_ids(path, order["number"].alias("item_ids")).alias("number"))
    events = order.join(numbers, on="number", how="left", maintain_order="left")
    strange = events.filter(pl.col("item_id").is_null() & pl.col("number").is_not_null())
    if strange.height:
        items = strange["number"].unique(maintain_order=True)
        what = (
            f"{path}: {strange.height:,} of {events.height:,} events are of {len(items):,} items "
            f"that items.parquet lacks, such as {_some(items)}"
        )
        if unknown == "error" or strange.height == events.height:
            raise InputError(
                f"{what}. Add them to items.parquet, or leave these events out: "
                "data.options.unknown=drop"
            )
        log.warning("%s; they are left out", what)
        events = events.join(strange.select("number"), on="number", how="anti", nulls_equal=True)
    return events.select("user_id", "item_id")


def _ids(path: Path, column: pl.Series) -> pl.Series:
    """Whatever kind of numbers the two files have, they meet as text."""
    ids, problem = as_ids(column)
    if problem:
        raise InputError(f"{path}: {problem}")
    return ids


def _some(ids: pl.Series) -> str:
    return ", ".join(f"'{one}'" for one in ids.head(SHOWN))


def _categories(path: Path, items: pl.DataFrame) -> pl.Series:
    """Each item's first path below the root, which is the domain itself and says nothing.

    A path is text such as ``Sports > Balls > Tennis``, or a list of its names; an item has one
    path or a list of them. Where no text of the column is a path, a list of texts is one.
    """
    cells = items["categories"] if "categories" in items.columns else pl.Series([None])
    depth = 0
    inner: object = cells.dtype
    while isinstance(inner, pl.List):
        depth, inner = depth + 1, inner.inner
    if depth > 2 or inner not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise InputError(
            f"{path}: categories holds {cells.dtype}. Paths such as 'Sports > Balls', or lists of "
            "them, can be read; so can a file without that column."
        )
    if inner == pl.Null:
        return pl.Series("category", [None] * items.height, dtype=pl.String)
    if depth == 2:
        names = cells.list.first()
    else:
        texts = cells.cast(pl.List(pl.String) if depth else pl.String)
        first = texts.list.first() if depth else texts
        if not first.str.contains(" > ", literal=True).any():
            return (texts.list.slice(1).list.join(" > ") if depth else texts).alias("category")
        names = first.str.split(" > ")
    return names.list.slice(1).list.join(" > ").alias("category")
