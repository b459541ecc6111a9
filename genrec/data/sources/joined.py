"""Several data sets as one, with a column ``domain`` that says which an item came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.errors import ConfigError

DOMAIN = "domain"


def load(parts: Mapping[str, Mapping[str, Any]], *, shared_users: bool = False) -> Dataset:
    """The items and events of all parts; ids get the part's name in front, as ``toys:B00004``.

    Args:
        parts: by name, each with ``source`` and, where it has any, ``options`` of that source.
        shared_users: whether equal user ids are one person; else users have the name in front too.

    Raises:
        ConfigError: fewer than two parts, or a part without a source.
    """
    if len(parts) < 2:
        raise ConfigError(f"Joining takes two data sets or more; there are {len(parts)}.")
    if wrong := [name for name, part in parts.items() if "source" not in part]:
        raise ConfigError(f"The part '{wrong[0]}' names no source.")
    datasets = {
        name: Dataset.load(part["source"], **part.get("options", {}))
        for name, part in parts.items()
    }
    return join(datasets, shared_users=shared_users)


def join(datasets: Mapping[str, Dataset], *, shared_users: bool = False) -> Dataset:
    """One data set of several; see ``load``. Times and baskets stay where all of them have some."""
    items, events = [], []
    for name, dataset in datasets.items():
        ids = pl.Series([f"{name}:{one}" for one in dataset.catalog.ids], dtype=pl.String)
        items.append(
            dataset.catalog.table.with_columns(ids.alias("item_id"), pl.lit(name).alias(DOMAIN))
        )
        start = "" if shared_users else f"{name}:"
        users = pl.Series([f"{start}{one}" for one in dataset.users], dtype=pl.String)
        table = dataset.events.with_columns(
            users.gather(dataset.events["user"]).alias("user_id"),
            ids.gather(dataset.events["item"]).alias("item_id"),
        )
        if "basket" in table.columns:
            basket = pl.format(f"{name}:{{}}", pl.col("basket"))
            table = table.with_columns(basket.alias("basket_id"))
        events.append(table.drop("user", "item", "basket", "part", strict=False))
    shared = [c for c in events[0].columns if all(c in table.columns for table in events)]
    return assemble(
        Catalog(pl.concat(items, how="diagonal_relaxed")),
        pl.concat([table.select(shared) for table in events]),
        name="+".join(datasets),
        time_unit="s",
    )
