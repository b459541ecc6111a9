"""Amazon 2018 as MiniOneRec cut it: sliding windows in one global order, 8:1:1, published cases.

The published training part is not at hand. ``events`` therefore hold only what can be told from
the validation cases without looking ahead: the history of each user's first one. That is enough
for controls and checks, not for training to the published table.
"""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.data.sources.folders import data_folder, one_of, read_columns
from genrec.data.sources.plain_text import without_tags
from genrec.errors import InputError

DOMAINS = {"industrial": "Industrial_and_Scientific", "office": "Office_Products"}

_CASE = ["user_id", "history_item_id", "item_id"]


def load(domain: str = "industrial") -> Dataset:
    """The catalogue, the rebuilt part of training, and the official cases as ``published``.

    ``data.split("published")`` gives the official test cases, and splitting the training part
    again the official validation cases. One user may have several.

    Raises:
        ConfigError: no such domain.
        InputError: the folder is absent or damaged.
    """
    folder = data_folder("amazon2018-minionerec")
    stem = DOMAINS[one_of("domain", domain, list(DOMAINS))]
    items = read_columns(
        folder / f"{stem}.items.parquet", ["item_id", "title", "description", "brand"]
    )
    catalog = Catalog(
        items.select(
            "item_id",
            "title",
            pl.Series("text", [_text(raw) for raw in items["description"]], dtype=pl.String),
            pl.col("brand").replace("", None),
        )
    )
    valid = read_columns(folder / f"{stem}.valid.parquet", _CASE)
    test = read_columns(folder / f"{stem}.test.parquet", _CASE)
    first = valid.unique("user_id", keep="first", maintain_order=True)
    events = first.select("user_id", item_id="history_item_id").explode("item_id")
    data = assemble(catalog, events, name=f"minionerec-{domain}")
    published = {"validation": _cases(catalog, valid, stem), "test": _cases(catalog, test, stem)}
    return Dataset(data.name, catalog, data.users, data.events, published=published)


def _cases(catalog: Catalog, table: pl.DataFrame, stem: str) -> Holdout:
    users = np.array(table["user_id"].cast(pl.String).to_list(), dtype=object)
    lengths = table["history_item_id"].list.len().to_numpy().astype(np.int64)
    histories = table["history_item_id"].explode(empty_as_null=False)
    return Holdout(
        catalog,
        Sequences(
            users,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            _positions(catalog, histories, stem),
        ),
        Sequences(
            users,
            np.arange(len(users) + 1, dtype=np.int64),
            _positions(catalog, table["item_id"], stem),
        ),
        "published",
    )


def _positions(catalog: Catalog, column: pl.Series, stem: str) -> np.ndarray:
    if column.null_count():
        raise InputError(f"The cases of {stem} have {column.null_count()} empty items.")
    return catalog.positions(column.cast(pl.String).to_list())


def _text(raw: str | None) -> str:
    """The description without the source's list brackets, style sheets and tags."""
    text = without_tags(raw or "")
    text = re.sub(r"""^\[\s*['"]?|['"]?\s*\]$|['"],\s*['"]""", " ", text)
    return " ".join(text.split()).strip(" '\",")
