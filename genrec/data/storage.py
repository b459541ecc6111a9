"""A data set as parquet and JSON, so that later stages and servers need not read its source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.media import MediaFolder
from genrec.data.reading import reading
from genrec.data.sequences import Sequences


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
    for part, cases in dataset.published.items():
        for role in ("histories", "targets"):
            _table(getattr(cases, role)).write_parquet(folder / f"{part}_{role}.parquet")
    media = dataset.catalog.media
    about = {
        "name": dataset.name,
        "published": {p: c.split for p, c in dataset.published.items()},
        # Pictures stay where they are; a run names their place.
        "media": None if media is None else str(media.root.resolve()),
    }
    (folder / "dataset.json").write_text(json.dumps(about))


def read_dataset(folder: Path) -> Dataset:
    """Reads what ``write_dataset`` wrote.

    Raises:
        ArtefactError: a file is missing or damaged.
    """
    with reading(folder, "data set", then="Run again."):
        about = json.loads((folder / "dataset.json").read_text())
        users = pl.read_parquet(folder / "users.parquet", glob=False)["user_id"].to_list()
        about_users = folder / "user_table.parquet"
        media = about.get("media")
        catalog = Catalog(
            pl.read_parquet(folder / "catalog.parquet", glob=False),
            media=None if media is None else MediaFolder(Path(media)),
        )
        return Dataset(
            about["name"],
            catalog,
            np.array(users, dtype=object),
            _numbered(
                pl.read_parquet(folder / "events.parquet", glob=False),
                user=len(users),
                item=len(catalog),
            ),
            pl.read_parquet(about_users, glob=False) if about_users.exists() else None,
            {
                file.stem.removeprefix("extra_"): pl.read_parquet(file, glob=False)
                for file in sorted(folder.glob("extra_*.parquet"))
            },
            {
                part: Holdout(
                    catalog,
                    _sequences(pl.read_parquet(folder / f"{part}_histories.parquet", glob=False)),
                    _sequences(pl.read_parquet(folder / f"{part}_targets.parquet", glob=False)),
                    split,
                )
                for part, split in about["published"].items()
            },
        )


def stored_users(folder: Path) -> list[str]:
    """The ids of a stored data set's users, without the rest of it.

    Raises:
        ArtefactError: the file is missing or damaged.
    """
    with reading(folder, "data set", then="Run again."):
        return [
            str(user) for user in pl.read_parquet(folder / "users.parquet", glob=False)["user_id"]
        ]


def stored_user_table(folder: Path) -> pl.DataFrame | None:
    """What a stored data set says of its users; ``None`` where it says nothing.

    Raises:
        ArtefactError: the file is damaged.
    """
    path = folder / "user_table.parquet"
    with reading(path, "table of users", then="Run again."):
        return pl.read_parquet(path, glob=False) if path.exists() else None


def _numbered(events: pl.DataFrame, **most: int) -> pl.DataFrame:
    """The events, if every number in them stands for something."""
    for name in (name for name in ("user", "item", "time", "basket") if name in events.columns):
        column = events[name]
        if not column.dtype.is_integer() or column.null_count():
            raise ValueError(
                f"'{name}' of the events is {column.dtype}, not all of it whole numbers"
            )
        numbers = column.to_numpy()
        if name in most and ((numbers < 0) | (numbers >= most[name])).any():
            raise ValueError(f"the events name a {name} beyond the {most[name]} there are")
    return events


def _table(sequences: Sequences) -> pl.DataFrame:
    """One row per user, one list per array."""
    columns: dict[str, pl.Series] = {"user_id": pl.Series([str(u) for u in sequences.users])}
    for name in ("items", "times", "baskets", "kinds"):
        values = getattr(sequences, name)
        if values is not None:
            parts = np.split(values, sequences.offsets[1:-1])
            columns[name] = pl.Series([part.tolist() for part in parts], dtype=pl.List(pl.Int64))
    return pl.DataFrame(columns)


def _sequences(table: pl.DataFrame) -> Sequences:
    lengths = table["items"].list.len().to_numpy().astype(np.int64)

    def joined(name: str, dtype: type) -> np.ndarray | None:
        if name not in table.columns:
            return None
        return table[name].explode().drop_nulls().to_numpy().astype(dtype)

    return Sequences(
        np.array(table["user_id"].to_list(), dtype=object),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        table["items"].explode().drop_nulls().to_numpy().astype(np.int32),
        joined("times", np.int64),
        joined("baskets", np.int32),
        joined("kinds", np.uint8),
    )
