"""How often items were chosen: what every control falls back on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from genrec.data.dataset import Dataset
from genrec.data.reading import reading
from genrec.errors import ArtefactError, StorageError

COUNTS = "counts.parquet"


def item_counts(dataset: Dataset) -> np.ndarray:
    """Events of each item, shape (items,), int64."""
    positions = dataset.events["item"].to_numpy().astype(np.int64)
    counts: np.ndarray = np.bincount(positions, minlength=len(dataset.catalog))
    return counts


def popularity_below_one(counts: np.ndarray) -> np.ndarray:
    """Counts scaled into [0, 1) in their order, to break ties between larger steps."""
    share: np.ndarray = counts / (counts.max(initial=0) + 1)
    return share


def write_counts(folder: Path, counts: np.ndarray) -> None:
    """Writes ``counts.parquet``, one row per item in catalogue order."""
    write_table(pl.DataFrame({"count": counts}), folder / COUNTS)


def read_counts(folder: Path, items: int) -> np.ndarray:
    """The counts, shape (items,), int64.

    Raises:
        ArtefactError: the file is missing, damaged or of another length.
    """
    table = read_table(folder / COUNTS, ["count"])
    if table.height != items:
        raise ArtefactError(
            f"{folder / COUNTS} has {table.height} rows for {items} items. "
            "Train the recommender again."
        )
    with reading(folder / COUNTS, "counts", then="Train the recommender again."):
        counts: np.ndarray = table["count"].to_numpy().astype(np.int64)
        if (counts < 0).any():
            raise ValueError("an item was chosen less than never")
    return counts


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Writes one parquet file.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        table.write_parquet(path)
    except (OSError, pl.exceptions.ComputeError) as error:
        raise StorageError(
            f"{path} cannot be written: {error}. Free some space or choose another folder."
        ) from error


def read_table(path: Path, columns: list[str]) -> pl.DataFrame:
    """One parquet file with these columns.

    Raises:
        ArtefactError: it is missing, damaged or lacks a column.
    """
    with reading(path, "table", then="Train the recommender again."):
        return pl.read_parquet(path, columns=columns, glob=False)
