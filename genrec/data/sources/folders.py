"""Where the benchmark data lie, and how one file of them is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from genrec.data.sources.files import read_parquet
from genrec.errors import ConfigError, InputError, nearest

VARIABLE = "GENREC_DATA"
DEFAULT = Path("..") / "shared" / "data"


def data_root() -> Path:
    """Where all benchmark data sets lie."""
    return Path(os.environ.get(VARIABLE) or DEFAULT)


def data_folder(name: str, *, instead: str = "") -> Path:
    """The folder of one benchmark data set.

    Args:
        instead: where else the data may come from, a sentence for the message.

    Raises:
        InputError: there is no such folder.
    """
    folder = data_root() / name
    if not folder.is_dir():
        raise InputError(
            f"The benchmark data '{name}' are not there: {folder} is no folder. They do not come "
            f"with genrec; name the folder that holds '{name}' in the environment: {VARIABLE}=…"
            f"{instead and '. ' + instead}"
        )
    return folder


def read_columns(path: Path, columns: Sequence[str], more: Sequence[str] = ()) -> pl.DataFrame:
    """These columns of a parquet file, and ``more`` where it has them.

    Raises:
        InputError: the file is absent or damaged, or lacks a column.
    """
    table = read_parquet(path)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(
            f"{path} lacks the column(s) {', '.join(missing)}; it has {', '.join(table.columns)}. "
            "Fetch the file anew."
        )
    return table.select(*columns, *(name for name in more if name in table.columns))


def one_of(option: str, value: str, valid: Sequence[str]) -> str:
    """The value, if it is a valid one.

    Raises:
        ConfigError: it is not.
    """
    if value not in valid:
        raise ConfigError(f"{option} is '{value}'; {nearest(str(value), valid)}")
    return value
