"""A Parquet file that says itself whose it is and whether it is whole.

It is written beside its place and renamed, and carries a key and a digest of its content. What a
killed process, a bad disk or another program left of it is told from the real thing when it is
read.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import polars as pl

from genrec.workspace import storage_errors

_MARK = "genrec"


def read_sealed(file: Path, key: str) -> pl.DataFrame | None:
    """The table; ``None`` unless the file is whole and of this key."""
    try:
        mark = json.loads(pl.read_parquet_metadata(file)[_MARK])
        table = pl.read_parquet(file, glob=False)
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError):
        return None
    return table if mark == _mark(table, key) else None


def write_sealed(table: pl.DataFrame, file: Path, key: str) -> None:
    """Writes the file as a whole or not at all.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.new")
    with storage_errors(file):
        try:
            table.write_parquet(temporary, metadata={_MARK: json.dumps(_mark(table, key))})
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)


def _mark(table: pl.DataFrame, key: str) -> dict[str, str]:
    return {"key": key, "content": digest_of(table)}


def digest_of(table: pl.DataFrame) -> str:
    """A hash of names and values, in their order."""
    digest = hashlib.sha256()
    for column in table:
        digest.update(column.name.encode())
        if column.dtype == pl.String:
            digest.update(json.dumps(column.to_list()).encode())
        else:
            digest.update(column.to_numpy().tobytes())
    return digest.hexdigest()
