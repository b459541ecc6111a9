"""Finished ads as Parquet parts: a campaign's own, and those that all campaigns share.

A part is written as a whole and never changed. One that is damaged counts as if it were not there,
and is removed, so its ads are made again. Where two parts hold the same ad, the older one speaks.
Knows keys and records; knows nothing of how ads are made.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from genrec.creatives.provenance import digest
from genrec.data.sealed_table import read_sealed, write_sealed
from genrec.workspace import storage_errors

log = logging.getLogger(__name__)

SCHEMA = {
    "key": pl.String,
    "record": pl.String,
    "tokens_in": pl.Int64,
    "tokens_out": pl.Int64,
}
_SEAL = "ads"
# A part that a killed process was writing is known by its age.
_HALF_WRITTEN_SECONDS = 3600


@dataclass
class AdStore:
    """The parts of one copywriter's ads.

    Attributes:
        own: folder of the campaign's own parts.
        shared: folder that all campaigns with the same copywriter share; ``None`` for none.
        broken: damaged parts that were removed so far.
    """

    own: Path
    shared: Path | None = None
    broken: int = 0
    _counted: dict[str, tuple[int, int, int]] = field(default_factory=dict, repr=False)

    def clean(self) -> None:
        """Makes the folders and removes what killed processes left half-written."""
        with storage_errors(self.own):
            for folder in self._folders:
                folder.mkdir(parents=True, exist_ok=True)
        for left in self.own.glob(".*.new"):
            left.unlink(missing_ok=True)
        if self.shared is not None:
            # Another process may be writing to its own part there right now.
            for left in self.shared.glob(".*.new"):
                if _age(left) > _HALF_WRITTEN_SECONDS:
                    left.unlink(missing_ok=True)
            for part in self.own.glob("*.parquet"):
                if not (self.shared / part.name).exists():
                    _share(part, self.shared / part.name)

    @property
    def _folders(self) -> list[Path]:
        return [self.own] if self.shared is None else [self.own, self.shared]

    def parts(self) -> list[Path]:
        """All parts, the campaign's own first, then by age."""
        return [part for folder in self._folders for part in sorted(folder.glob("*.parquet"))]

    def held(self) -> pl.Series:
        """Keys of all finished ads, each once; their records are not looked at."""
        found = [pl.Series("key", [], dtype=pl.String)]
        seen: set[str] = set()
        for part in self.parts():
            if part.name in seen:
                continue
            try:
                found.append(pl.read_parquet(part, columns=["key"], glob=False)["key"])
                seen.add(part.name)
            except (OSError, pl.exceptions.PolarsError):
                self._remove(part)
        return pl.concat(found).unique(maintain_order=True)

    def write(self, table: pl.DataFrame) -> None:
        """Keeps finished ads, as a whole or not at all.

        Raises:
            StorageError: the disk is full or cannot be written.
        """
        name = f"{time.time_ns():020d}-{digest(table['key'].to_list())[:16]}.parquet"
        write_sealed(table, self.own / name, _SEAL)
        if self.shared is not None:
            _share(self.own / name, self.shared / name)

    def spent(self) -> tuple[int, int, int]:
        """Ads in the campaign's own parts, and the tokens that they took, read and written."""
        for part in self.own.glob("*.parquet"):
            if part.name not in self._counted:
                table = read_sealed(part, _SEAL)
                if table is not None:
                    tokens = (int(table["tokens_in"].sum()), int(table["tokens_out"].sum()))
                    self._counted[part.name] = (table.height, *tokens)
        ads, read, written = (sum(one[n] for one in self._counted.values()) for n in range(3))
        return ads, read, written

    def records(self, keys: pl.Series) -> pl.DataFrame:
        """``key`` and ``record`` of those that are there whole, in the order of the keys."""
        wanted = keys.alias("key").to_frame().with_row_index("place")
        found = [pl.DataFrame(schema={"key": pl.String, "record": pl.String})]
        found += [table.join(wanted, on="key", how="semi") for table in self._tables()]
        first = pl.concat(found).unique("key", keep="first", maintain_order=True)
        return wanted.join(first, on="key").sort("place").select("key", "record")

    def record(self, key: str) -> str | None:
        """One ad's record, if it is there."""
        found = self.records(pl.Series([key]))
        return None if found.is_empty() else str(found["record"][0])

    def _tables(self) -> Iterator[pl.DataFrame]:
        seen: set[str] = set()
        for part in self.parts():
            if part.name in seen:
                continue
            table = read_sealed(part, _SEAL)
            if table is None or table.columns != list(SCHEMA):
                self._remove(part)
                continue
            seen.add(part.name)
            yield table.select("key", "record")

    def _remove(self, part: Path) -> None:
        log.warning("%s is damaged; its ads are made again", part)
        self.broken += 1
        with storage_errors(part):
            part.unlink(missing_ok=True)


def table_of(rows: Sequence[tuple[str, str, int, int]]) -> pl.DataFrame:
    """A part's table from keys, records and tokens read and written."""
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _share(part: Path, to: Path) -> None:
    try:
        os.link(part, to)
    except FileExistsError:
        return
    except OSError:
        # Another disk, or one without links: a copy under a hidden name first.
        beside = to.with_name(f".{to.name}.{os.getpid()}.new")
        try:
            shutil.copyfile(part, beside)
            os.replace(beside, to)
        except OSError as error:
            # The ad itself is kept; only later campaigns would have gained.
            log.warning("%s could not be shared: %s", part.name, error.strerror)
        finally:
            beside.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
