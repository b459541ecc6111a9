"""Files of new events and new items, read as the run that they are for has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from genrec.data.assemble import INTERACTION_COLUMNS
from genrec.data.catalog import ITEM_COLUMNS, Catalog
from genrec.data.dataset import Dataset
from genrec.data.rows import as_ids
from genrec.data.sources.files import TableFile, read_table
from genrec.data.sources.item_files import photos_by_id
from genrec.errors import ConfigError, InputError, nearest

LATE = ("error", "keep", "drop")
UNKNOWN = ("error", "drop", "add")


@dataclass(frozen=True)
class Choices:
    """How a file of new events is read.

    Attributes:
        late: what to do with events before the last known one: ``error``, ``keep`` or ``drop``.
        unknown: what to do with events of items that nobody described: ``error``, ``drop``, or
            ``add`` the items by their ids alone.
        columns: what the files call our columns, where they do not use our names.
        time_unit: of numeric times, as of ``assemble``.
        time_format: of times in text, likewise.
    """

    late: str = "error"
    unknown: str = "error"
    columns: Mapping[str, str] | None = None
    time_unit: str | None = None
    time_format: str | None = None

    def __post_init__(self) -> None:
        for name, value, valid in (
            ("late", self.late, LATE),
            ("unknown", self.unknown, UNKNOWN),
        ):
            if value not in valid:
                raise ConfigError(f"{name} is '{value}'; {nearest(value, valid)}")


def new_items(catalog: Catalog, path: Path, choices: Choices, notes: list[str]) -> Catalog:
    """The items of a file that the catalogue lacks, with its columns in its types."""
    file = read_table(path)
    table = file.table
    wanted = catalog.table.schema
    for key, own in (choices.columns or {}).items():
        known = key in ITEM_COLUMNS or key in wanted
        if known and own in table.columns and key not in table.columns:
            table = table.rename({own: key})
    problems = []
    if "item_id" not in table.columns:
        close = nearest("item_id", table.columns)
        raise InputError(f"{path.name} has no column item_id; {close}")
    if "image" in wanted and catalog.media is not None and catalog.media.root.exists():
        table = photos_by_id(table, catalog.media)
    if lacking := [name for name in wanted if name not in table.columns and name != "item_id"]:
        notes.append(f"{path.name} lacks {', '.join(lacking)}: empty for the new items")
    if unused := [name for name in table.columns if name not in wanted]:
        notes.append(f"{path.name}: not used, since the catalogue lacks them: {', '.join(unused)}")
    ids, trouble = as_ids(table["item_id"])
    if trouble:
        raise InputError(f"{path.name}: {trouble}")
    there = ids.is_in(catalog.ids).fill_null(value=False)
    if there.any():
        notes.append(
            f"{int(there.sum()):,} items of {path.name} are in the catalogue and stay as they were"
        )
    rows = file.rows.of((~there).arg_true())
    table = table.with_columns(ids.alias("item_id")).filter(~there)
    columns: list[pl.Series] = []
    for name, kind in wanted.items():
        if name not in table.columns:
            columns.append(pl.Series(name, [None] * table.height, dtype=kind))
            continue
        given = table[name]
        column = _as(given, kind)
        wrong = given.is_not_null() & column.is_null() & (given.cast(pl.String, strict=False) != "")
        if wrong.any():
            first = int(wrong.arg_true()[0])
            problems.append(
                f"{path.name}: {int(wrong.sum()):,} values of '{name}' are not {_in_words(kind)}, "
                f"as they are in the catalogue, the first in {rows(first)}: '{given[first]}'"
            )
        columns.append(column)
    if problems:
        raise InputError(f"{path.name} cannot be used.", problems)
    return Catalog(pl.DataFrame(columns), media=catalog.media, rows=rows)


def _in_words(kind: pl.DataType) -> str:
    if kind.is_integer():
        return "whole numbers"
    if kind.is_numeric():
        return "numbers"
    return "true or false" if kind == pl.Boolean else str(kind)


def _unused(name: str, others: Iterable[str]) -> str:
    """The column that may be meant, of those that are not taken for something else."""
    hint = nearest(name, others)
    return hint if hint.endswith("?") else f"columns not used: {', '.join(sorted(others)) or '-'}."


def _as(column: pl.Series, kind: pl.DataType) -> pl.Series:
    """A column in another type, null where a value is none."""
    try:
        if kind == pl.Boolean and column.dtype == pl.String:
            low = column.str.to_lowercase()
            return (low == "true").set(~low.is_in(["true", "false"]), None)
        return column.cast(kind, strict=False)
    except (pl.exceptions.InvalidOperationError, pl.exceptions.ComputeError):
        return pl.Series(column.name, [None] * len(column), dtype=kind)


def new_events(dataset: Dataset, path: Path, choices: Choices, notes: list[str]) -> TableFile:
    """The columns of a file that a data set's events have, under our names."""
    file = read_table(path)
    if not file.table.height:
        raise InputError(f"{path.name} has no events. At least one row is needed.")
    mapping = choices.columns or {}
    present = {}
    for key in INTERACTION_COLUMNS:
        for name in (mapping.get(key, key), key):
            if name in file.table.columns:
                present[key] = name
                break
    needed = ["user_id", "item_id"]
    needed += [key for key in ("time",) if "time" in dataset.events.columns]
    needed += [key for key in ("basket_id",) if "basket" in dataset.events.columns]
    others = set(file.table.columns) - set(present.values())
    problems = [
        f"{path.name} has no column '{mapping.get(key, key)}' for {key}, which the run's events "
        f"have; {_unused(mapping.get(key, key), others)} Rename it, or say what it is called: "
        f"--column {key}=…"
        for key in needed
        if key not in present
    ]
    if problems:
        raise InputError(f"{path.name} cannot be used.", problems)
    wanted = [*needed, "kind"] if "kind" in dataset.events.columns else needed
    if lacking := [key for key in wanted if key not in present]:
        notes.append(f"{path.name} lacks {', '.join(lacking)}: nobody said it of the new events")
    kept = [key for key in present if key in wanted]
    used = {present[key] for key in kept}
    if unused := [name for name in file.table.columns if name not in used]:
        notes.append(f"{path.name}: columns not used: {', '.join(unused)}")
    return TableFile(pl.DataFrame([file.table[present[key]].alias(key) for key in kept]), file.rows)
