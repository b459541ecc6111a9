"""The folder of a batch job: what was asked for, one Parquet file per shard of users, the counts.

``_job.json`` is written first and ``_manifest.json`` last. Each shard carries its key and a digest
of its content, so that a file says itself whose it is and whether it is whole. Knows nothing of
how recommendations are computed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from genrec.errors import ConfigError, StorageError
from genrec.recipe import Recipe
from genrec.workspace import content_key, storage_errors, write_text

JOB, MANIFEST = "_job.json", "_manifest.json"
SCHEMA = {"user": pl.String, "rank": pl.Int32, "item_id": pl.String, "score": pl.Float32}

# Raised when the same recommender and options come to give other shards.
_VERSION = 1
_MARK = "genrec"


@dataclass(frozen=True)
class BatchOptions:
    """What each user is asked for.

    Attributes:
        n: items per user.
        new: leave out items of the user's history.
        where: which items are allowed; see ``ItemFilter``.
        shard_users: users of one file.
    """

    n: int = 10
    new: bool = False
    where: Mapping[str, Any] | None = None
    shard_users: int = 2000

    def __post_init__(self) -> None:
        for name in ("n", "shard_users"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1.")


@dataclass(frozen=True)
class Shard:
    """The users of one file.

    Attributes:
        rows: their numbers in the data set.
        key: of everything that the file depends on.
    """

    file: Path
    rows: tuple[int, ...]
    key: str

    def lengths(self) -> dict[str, int] | None:
        """Items of each user that has any; ``None`` unless the file is whole and of this key."""
        try:
            mark = json.loads(pl.read_parquet_metadata(self.file)[_MARK])
            table = pl.read_parquet(self.file)
        except (OSError, ValueError, KeyError, pl.exceptions.PolarsError):
            return None
        if mark != self._mark(table):
            return None
        return dict(table.group_by("user").len().iter_rows())

    def write(self, table: pl.DataFrame) -> None:
        """Writes the file as a whole or not at all."""
        temporary = self.file.with_name(f".{self.file.name}.{os.getpid()}.new")
        with storage_errors(self.file):
            try:
                table.write_parquet(temporary, metadata={_MARK: json.dumps(self._mark(table))})
                os.replace(temporary, self.file)
            finally:
                temporary.unlink(missing_ok=True)

    def _mark(self, table: pl.DataFrame) -> dict[str, str]:
        return {"key": self.key, "content": _digest(table)}


@dataclass(frozen=True)
class Job:
    """Everything that workers need, in values that travel between processes.

    Attributes:
        run: folder of the workspace.
        recipe: what it was made by.
        into: folder of the shards.
        rows: numbers of the users in the data set.
        recommender: hash of all that decides who is recommended what, but for the options.
    """

    run: Path
    recipe: Recipe
    into: Path
    options: BatchOptions
    rows: tuple[int, ...]
    recommender: str

    @cached_property
    def about(self) -> dict[str, Any]:
        """What was asked for, as JSON values."""
        return {
            "format": _VERSION,
            "recommender": self.recommender,
            "users": len(self.rows),
            "users_key": content_key(self.rows),
            **asdict(self.options),
        }

    @cached_property
    def shards(self) -> list[Shard]:
        size = self.options.shard_users
        parts = [self.rows[start : start + size] for start in range(0, len(self.rows), size)]
        return [
            Shard(self.into / f"part-{number:05d}.parquet", rows, content_key(self.about, rows))
            for number, rows in enumerate(parts)
        ]

    def check_folder(self) -> None:
        """Keeps the job out of a folder that holds other things; writes nothing.

        Raises:
            ConfigError: says what lies there and what to do.
        """
        if self.into.exists() and not self.into.is_dir():
            raise ConfigError(f"{self.into} is a file. Name a folder with --into.")
        path = self.into / JOB
        if path.exists():
            self._compare(path)
        elif self.into.exists():
            others = [one.name for one in self.into.iterdir() if not one.name.startswith(".")]
            if others:
                raise ConfigError(
                    f"{self.into} holds '{min(others)}' and is no folder of recommendations. "
                    "Name an empty or new folder with --into."
                )

    def _compare(self, path: Path) -> None:
        try:
            stored = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{path} is damaged. Delete {self.into} and start again.") from error
        if differences := list(_differences(stored, json.loads(json.dumps(self.about)))):
            raise ConfigError(
                f"{self.into} holds recommendations of another job: {'; '.join(differences)}. "
                "Repeat the command that made it to go on with it, name another folder with "
                "--into, or delete this one."
            )

    def claim(self) -> None:
        """Marks the folder as this job's and removes what a killed process left half-written."""
        for left in self.into.glob(".part-*.new"):
            left.unlink(missing_ok=True)
        write_text(self.into / JOB, json.dumps(self.about, indent=1))

    def finish(self, lengths: Mapping[Shard, dict[str, int] | None]) -> dict[str, Any]:
        """Writes the manifest and returns it.

        Raises:
            StorageError: a shard is not whole although it was written.
        """
        broken = [shard.file.name for shard, held in lengths.items() if held is None]
        if broken:
            raise StorageError(
                f"{len(broken)} shards in {self.into} are not whole after writing, the first is "
                f"{broken[0]}. See that no other program changes them and repeat the command."
            )
        held = {shard: counts or {} for shard, counts in lengths.items()}
        full = sum(n == self.options.n for counts in held.values() for n in counts.values())
        manifest = {
            "key": content_key(self.about),
            **self.about,
            "run": str(self.run),
            "recommendations": sum(sum(counts.values()) for counts in held.values()),
            "users_with_fewer": len(self.rows) - full,
            "shards": [
                {
                    "file": shard.file.name,
                    "users": len(shard.rows),
                    "recommendations": sum(held[shard].values()),
                }
                for shard in self.shards
            ],
        }
        write_text(self.into / MANIFEST, json.dumps(manifest, indent=1))
        return manifest


def _differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterable[str]:
    words = {
        "recommender": "the recommender, its data or its decode options have changed",
        "users_key": "it is for other users",
        "format": "another version of genrec made it",
    }
    for name in sorted({*stored, *wanted}):
        there, here = stored.get(name), wanted.get(name)
        if there != here:
            yield words.get(name, f"{name} is {json.dumps(there)} there, {json.dumps(here)} here")


def _digest(table: pl.DataFrame) -> str:
    digest = hashlib.sha256()
    for column in table:
        digest.update(column.name.encode())
        if column.dtype == pl.String:
            digest.update(json.dumps(column.to_list()).encode())
        else:
            digest.update(column.to_numpy().tobytes())
    return digest.hexdigest()
