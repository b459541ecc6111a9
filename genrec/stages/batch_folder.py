"""The folder of a batch job: what was asked for, one Parquet file per shard of users, the counts.

``_job.json`` is written first and ``_manifest.json`` last. Each shard carries its key and a digest
of its content, so that a file says itself whose it is and whether it is whole. Knows nothing of
how recommendations are computed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from genrec.bounds import outside
from genrec.data.sealed_table import read_sealed, write_sealed
from genrec.errors import ConfigError, StorageError
from genrec.recipe import Recipe
from genrec.stages.job_folder import MANIFEST, check_folder, claim
from genrec.workspace import Workspace, content_key, write_text

SCHEMA = {"user": pl.String, "rank": pl.Int32, "item_id": pl.String, "score": pl.Float32}

# Raised when the same recommender and options come to give other shards.
_VERSION = 1
_WORDS = {
    "recommender": "the recommender, its data or its decode options have changed",
    "users_key": "it is for other users",
    "format": "another version of genrec made it",
}


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
        if problems := outside(self, n="[1, inf)", shard_users="[1, inf)"):
            raise ConfigError("The batch cannot be computed so: " + "; ".join(problems))


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

    @property
    def size(self) -> int:
        """Users of the file."""
        return len(self.rows)

    def lengths(self) -> dict[str, int] | None:
        """Items of each user that has any; ``None`` unless the file is whole and of this key."""
        table = read_sealed(self.file, self.key)
        return None if table is None else dict(table.group_by("user").len().iter_rows())

    def write(self, table: pl.DataFrame) -> None:
        """Writes the file as a whole or not at all."""
        write_sealed(table, self.file, self.key)


@dataclass(frozen=True)
class Job:
    """Everything that workers need, in values that travel between processes.

    Attributes:
        run: open at the version that the job keeps to.
        recipe: what it was made by.
        into: folder of the shards.
        rows: numbers of the users in the data set.
        recommender: hash of all that decides who is recommended what, but for the options.
    """

    run: Workspace
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
        check_folder(self.into, self.about, holds="recommendations", words=_WORDS)

    def claim(self) -> None:
        """Marks the folder as this job's and removes what a killed process left half-written."""
        for left in self.into.glob(".part-*.new"):
            left.unlink(missing_ok=True)
        claim(self.into, self.about, version=self.run.version)

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
            "run": str(self.run.root),
            "version": self.run.version,
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
