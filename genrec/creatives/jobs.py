"""Which ads a campaign needs, as columns: a million jobs are planned in seconds.

A job is one recipient, one item, one placement, one language and one seed. Its key is a hash of
everything that decides the ad, so that equal work is one job and an ad made once serves every
campaign. Knows hashes and numbers; knows no text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import polars as pl

from genrec.creatives.provenance import digest
from genrec.errors import InputError

MOST_JOBS = 20_000_000
# Rows whose hashes are made together: 64 bytes each.
_TOGETHER = 250_000
_BYTES = 16


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to place an ad: the same for all recipients and items."""

    placement: str
    language: str
    seed: int


def variants_of(
    placements: Sequence[str], languages: Sequence[str], seeds: Sequence[int]
) -> list[Variant]:
    """All of them, in the order in which they are written."""
    return [Variant(*one) for one in product(placements, languages, seeds)]


@dataclass(frozen=True)
class Plan:
    """All jobs of a campaign.

    Attributes:
        table: one row per delivery: ``recipient`` and ``item`` (their numbers, uint32),
            ``variant`` (uint16), ``key`` (32 hexadecimal digits).
    """

    table: pl.DataFrame
    variants: tuple[Variant, ...]

    def __len__(self) -> int:
        return self.table.height

    @cached_property
    def jobs(self) -> pl.DataFrame:
        """Each distinct job once, where it comes first."""
        return self.table.unique("key", keep="first", maintain_order=True)

    @property
    def key(self) -> str:
        """A hash of all deliveries in their order."""
        whole = hashlib.sha256()
        for part in self.table["key"].to_frame().iter_slices(_TOGETHER):
            whole.update("".join(part["key"].to_list()).encode())
        for name in ("recipient", "item", "variant"):
            whole.update(self.table[name].to_numpy().tobytes())
        return whole.hexdigest()[:32]

    def without(self, held: pl.Series) -> pl.DataFrame:
        """The distinct jobs whose keys are not among these, in their order."""
        return self.jobs.join(
            held.alias("key").to_frame(), on="key", how="anti", maintain_order="left"
        )


def plan_jobs(
    pairs: tuple[np.ndarray, np.ndarray],
    variants: Sequence[Variant],
    *,
    base: str,
    recipients: Sequence[str],
    items: Sequence[str],
) -> Plan:
    """The jobs of pairs of recipients and items, in their order.

    Args:
        pairs: numbers of recipients and of items, both of shape (pairs,).
        base: hash of what decides every ad of the campaign alike.
        recipients: hash of what is known of each, by number; empty where nothing is.
        items: hash of each item's record, by number.

    Raises:
        InputError: there are none, or more than a plan holds.
    """
    who, what = pairs
    jobs = len(who) * len(variants)
    if not jobs:
        raise InputError("The campaign asks for no ad: no recipient, or no item for anyone.")
    if jobs > MOST_JOBS:
        raise InputError(
            f"The campaign asks for {jobs:,} ads; a plan holds {MOST_JOBS:,}. Name fewer users, "
            "items or placements, or make several campaigns of it."
        )
    each = [digest(one.placement, one.language, one.seed) for one in variants]
    columns = [_bytes(recipients), _bytes(items), _bytes(each)]
    rows: list[np.ndarray] = [
        np.repeat(who, len(variants)).astype(np.uint32),
        np.repeat(what, len(variants)).astype(np.uint32),
        np.tile(np.arange(len(variants), dtype=np.uint16), len(who)),
    ]
    start = hashlib.sha256(base.encode())
    keys = []
    for first in range(0, jobs, _TOGETHER):
        part = slice(first, first + _TOGETHER)
        keys.append(_keys(start, [of[row[part]] for of, row in zip(columns, rows, strict=True)]))
    table = pl.DataFrame(
        {"recipient": rows[0], "item": rows[1], "variant": rows[2], "key": pl.concat(keys)}
    )
    return Plan(table, tuple(variants))


def _bytes(digests: Sequence[str]) -> np.ndarray:
    """Hashes as bytes, shape (hashes, 16), uint8; zeros for an empty one."""
    empty = bytes(_BYTES)
    joined = b"".join(bytes.fromhex(one) if one else empty for one in digests)
    return np.frombuffer(joined, np.uint8).reshape(len(digests), _BYTES)


def _keys(start: hashlib._Hash, columns: list[np.ndarray]) -> pl.Series:
    rows = memoryview(np.concatenate(columns, axis=1).tobytes())
    width = _BYTES * len(columns)
    found = []
    for first in range(0, len(rows), width):
        one = start.copy()
        one.update(rows[first : first + width])
        found.append(one.hexdigest()[:32])
    return pl.Series("key", found, dtype=pl.String)
