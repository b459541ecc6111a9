"""The table in which every kind of trait is found: one row for a trait of a user."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

SCHEMA: dict[str, pl.DataType] = {
    "user": pl.Int64(),
    "kind": pl.String(),
    "name": pl.String(),
    "value": pl.String(),
    "strength": pl.Float64(),
    "count": pl.Float64(),
    "of": pl.Float64(),
    "expected": pl.Float64(),
    "events": pl.Int64(),
    "evidence": pl.List(pl.UInt32()),
}
"""``count`` of ``of``, where the crowd has ``expected`` of as many: what each is depends on the
kind, and ``sentences.py`` says it."""


def nothing() -> pl.DataFrame:
    """No trait."""
    return pl.DataFrame(schema=SCHEMA)


def traits(
    user: np.ndarray,
    kind: str,
    name: str | Sequence[str],
    value: Sequence[str] | pl.Series,
    *,
    strength: np.ndarray,
    count: np.ndarray,
    of: np.ndarray,
    expected: np.ndarray,
    evidence: pl.DataFrame,
) -> pl.DataFrame:
    """Traits of one kind, row by row.

    Args:
        evidence: columns ``events`` and ``evidence``, as ``gathered`` returns them.
    """
    size = len(user)

    def numbers(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.asarray(values, float), size)

    table = pl.DataFrame(
        {
            "user": np.asarray(user, np.int64),
            "kind": pl.Series([kind], dtype=pl.String).new_from_index(0, size),
            "name": pl.Series([name], dtype=pl.String).new_from_index(0, size)
            if isinstance(name, str)
            else pl.Series(values=name, dtype=pl.String),
            "value": pl.Series(values=value, dtype=pl.String),
            "strength": numbers(strength),
            "count": numbers(count),
            "of": numbers(of),
            "expected": numbers(expected),
        }
    )
    return table.hstack(evidence.select("events", "evidence")).select(
        pl.col(column).cast(dtype) for column, dtype in SCHEMA.items()
    )


def gathered(wanted: np.ndarray, keys: np.ndarray, numbers: np.ndarray, limit: int) -> pl.DataFrame:
    """The events of each wanted key, in its order: how many, and the numbers of the latest.

    Args:
        wanted: distinct keys, shape (traits,).
        keys: key of each event, shape (events,); most may be of no interest.
        numbers: of the events, in the order of time within a key.
    """
    order = np.argsort(wanted)
    place = np.searchsorted(wanted[order], keys)
    place[place == len(wanted)] = 0
    hit = wanted[order][place] == keys if len(wanted) else np.zeros(len(keys), bool)
    row, number = order[place[hit]] if len(wanted) else place[:0], numbers[hit]
    sort = np.argsort(row, kind="stable")
    row, number = row[sort], number[sort]
    counts = np.bincount(row, minlength=len(wanted))
    ends = np.cumsum(counts)
    latest = np.arange(len(row)) >= np.repeat(ends - limit, counts)
    lists = pl.DataFrame({"row": row[latest], "number": number[latest].astype(np.uint32)})
    lists = lists.group_by("row", maintain_order=True).agg(evidence="number")
    every = pl.DataFrame({"row": np.arange(len(wanted))}, schema={"row": lists.schema["row"]})
    return every.join(lists, on="row", how="left", maintain_order="left").select(
        pl.Series("events", counts[: len(wanted)], dtype=pl.Int64),
        pl.col("evidence").fill_null(pl.lit([], dtype=pl.List(pl.UInt32))),
    )
