"""Amazon 2018 as MiniOneRec cut it: sliding windows in one global order, 8:1:1, published cases.

The prepared tables lack the published training part. Without it ``events`` hold only what can be
told from the validation cases without looking ahead: the history of each user's first one. That is
enough for controls and checks, not for training to the published table. MiniOneRec's own files
have it.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.data.sources.folders import data_folder, one_of, read_columns
from genrec.data.sources.minionerec_files import events_of_windows, read_published
from genrec.data.sources.plain_text import without_tags
from genrec.errors import InputError

log = logging.getLogger(__name__)

DOMAINS = {"industrial": "Industrial_and_Scientific", "office": "Office_Products"}

_CASE = ["user_id", "history_item_id", "item_id"]


def load(domain: str = "industrial", folder: str | Path | None = None) -> Dataset:
    """The catalogue, the training part, and the official cases as ``published``.

    ``data.split("published")`` gives the official test cases, and splitting the training part
    again the official validation cases. One user may have several.

    Args:
        domain: ``industrial`` or ``office``.
        folder: holds MiniOneRec's own files: folders ``train``, ``valid``, ``test`` and, if known,
            ``info`` and ``index``; by default the prepared tables of the benchmark data, which
            lack ``train``.

    Raises:
        ConfigError: no such domain.
        InputError: the folder is absent or damaged, or files in it are missing or broken.
    """
    stem = DOMAINS[one_of("domain", domain, list(DOMAINS))]
    items, parts = _prepared(stem) if folder is None else read_published(Path(folder), stem)
    catalog = Catalog(
        items.select(
            "item_id",
            "title",
            pl.Series("text", [_text(raw) for raw in items["description"]], dtype=pl.String),
            pl.col("brand").replace("", None),
        )
    )
    name, valid = f"minionerec-{domain}", parts["valid"]
    if "train" in parts:
        events = events_of_windows(parts["train"], name)
    else:
        log.warning("%s has no training part: what is told from histories is a third of it", name)
        first = valid.unique("user_id", keep="first", maintain_order=True)
        events = first.select("user_id", item_id="history_item_id").explode("item_id")
    data = assemble(catalog, events, name=name)
    cases = {"validation": valid, "test": parts["test"]}
    published = {part: _cases(catalog, table, stem) for part, table in cases.items()}
    return Dataset(data.name, catalog, data.users, data.events, published=published)


def _prepared(stem: str) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    folder = data_folder(
        "amazon2018-minionerec",
        instead="Or take MiniOneRec's own files: data.options.folder=MiniOneRec/data/Amazon",
    )
    wanted = ["item_id", "title", "description", "brand"]
    items = read_columns(folder / f"{stem}.items.parquet", wanted)
    return items, {
        part: read_columns(folder / f"{stem}.{part}.parquet", _CASE) for part in ("valid", "test")
    }


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
