"""A data set as parquet and JSON, so that later stages and servers need not read its source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.errors import ArtefactError


def write_dataset(dataset: Dataset, folder: Path) -> None:
    """Writes the bare files into a folder that somebody else seals."""
    dataset.catalog.table.write_parquet(folder / "catalog.parquet")
    dataset.events.write_parquet(folder / "events.parquet")
    users = pl.DataFrame({"user_id": [str(user) for user in dataset.users]})
    users.write_parquet(folder / "users.parquet")
    if dataset.user_table is not None:
        dataset.user_table.write_parquet(folder / "user_table.parquet")
    for name, table in dataset.extras.items():
        table.write_parquet(folder / f"extra_{name}.parquet")
    (folder / "dataset.json").write_text(json.dumps({"name": dataset.name}))


def read_dataset(folder: Path) -> Dataset:
    """Reads what ``write_dataset`` wrote.

    Raises:
        ArtefactError: a file is missing or damaged.
    """
    try:
        name = json.loads((folder / "dataset.json").read_text())["name"]
        users = pl.read_parquet(folder / "users.parquet")["user_id"].to_list()
        about_users = folder / "user_table.parquet"
        return Dataset(
            name,
            Catalog(pl.read_parquet(folder / "catalog.parquet")),
            np.array(users, dtype=object),
            pl.read_parquet(folder / "events.parquet"),
            pl.read_parquet(about_users) if about_users.exists() else None,
            {
                file.stem.removeprefix("extra_"): pl.read_parquet(file)
                for file in sorted(folder.glob("extra_*.parquet"))
            },
        )
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError) as error:
        raise ArtefactError(f"{folder} holds no data set ({error}). Run again.") from error
