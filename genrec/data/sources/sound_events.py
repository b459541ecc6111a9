"""Events of a file with sound ids and times: what is not so is refused or left out, by its line."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl

from genrec.data.rows import as_times, found
from genrec.data.sources.downloads import settle
from genrec.data.sources.files import TableFile
from genrec.errors import ConfigError, InputError

log = logging.getLogger(__name__)

STARS = 5
MOST = 2.0**53
ONLINE = 631_152_000
"""Seconds of 1990: nobody clicked before."""


def sound_events(
    path: Path,
    file: TableFile,
    *,
    broken: str = "error",
    time_unit: str | None = None,
    time_format: str | None = None,
    numbers: tuple[str, ...] = (),
) -> pl.DataFrame:
    """The file's rows with ``user_id``, ``item_id`` and, where it has times, ``time`` in seconds.

    Args:
        broken: rows without an id or a time: ``error`` or ``drop``.
        time_unit, time_format: as in ``assemble``.
        numbers: text columns that hold numbers, to be float64.

    Raises:
        InputError: rows are broken, which it lists with their lines, or all times lie before 1990.
    """
    table, rows = file.table, file.rows
    bad = pl.repeat(value=False, n=table.height, eager=True)
    problems: list[str] = []
    for name in ("user_id", "item_id"):
        cells = table[name].cast(pl.String)
        empty = cells.str.strip_chars().fill_null("") == ""
        problems += found(empty, None, f"{name} is empty", rows)
        bad |= empty
    if "time" in table.columns:
        given = table["time"]
        if time_unit is not None and given.dtype == pl.String:
            given, wrong = _whole(given)
            problems += found(wrong, table["time"], "time '{value}' is no number", rows)
            bad |= wrong
        times, more = as_times(given, rows, unit=time_unit, pattern=time_format)
        problems += more
        bad |= times.is_null()
        _check_unit(path, given, times, time_unit)
        table = table.with_columns(times.alias("time"))
    for name in numbers:
        values = table[name].cast(pl.Float64, strict=False)
        # Infinity, too, and what no whole number can be made of.
        wrong = ~(values.abs() < MOST).fill_null(value=False)
        problems += found(wrong, table[name], f"{name} '{{value}}' is no number", rows)
        bad |= wrong
        table = table.with_columns(values.alias(name))
    if problems:
        sound = table.filter(~bad)
        # One row may have several problems; what counts is whether any row has none.
        settle(path, problems, broken, total=len(problems) + sound.height)
        table = sound
    return table


def _check_unit(path: Path, given: pl.Series, times: pl.Series, unit: str | None) -> None:
    """Seconds that are read as milliseconds all lie in the first weeks of 1970."""
    newest = times.max()
    if unit == "ms" and isinstance(newest, int) and newest < ONLINE:
        raise InputError(
            f"{path} counts times such as {given.drop_nulls()[0]}, which in milliseconds lie "
            "before 1990. It must be the file as its makers give it; fetch it anew, or multiply "
            "times that are seconds by 1000."
        )


def _whole(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Whole numbers of a text column, and where it holds something else (there the number is 0)."""
    text = column.str.strip_chars()
    numbers = text.cast(pl.Int64, strict=False)
    if numbers.null_count() > text.null_count():
        rounded = text.cast(pl.Float64, strict=False).floor().cast(pl.Int64, strict=False)
        numbers = numbers.zip_with(numbers.is_not_null(), rounded)
    wrong = numbers.is_null() & (text.fill_null("") != "")
    return numbers.set(wrong, 0), wrong


def at_least_stars(table: pl.DataFrame, min_rating: float) -> pl.DataFrame:
    """The rows whose ``rating`` reaches so many stars.

    Raises:
        ConfigError: no rating can.
    """
    if not 0 <= min_rating <= STARS:
        raise ConfigError(f"min_rating is {min_rating}; stars go from 0 to {STARS}.")
    return table.filter(pl.col("rating") >= min_rating) if min_rating else table


def without_repeats(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """The events without those that stand in the data twice: one user, one item, one time."""
    same = [key for key in ("user_id", "item_id", "time") if key in table.columns]
    kept = table.unique(same, keep="first", maintain_order=True)
    if kept.height < table.height:
        log.info("%s: %d events stood there twice", name, table.height - kept.height)
    return kept
