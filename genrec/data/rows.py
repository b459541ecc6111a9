"""How a table's rows are named in messages, and how its columns become ids, text and times.

Every function returns the clean column beside the problems it found; none raises for bad values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

LISTED = 1000
"""Problems of one kind that are written out; the rest are counted."""

TIME_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
EARLIEST, LATEST = -2_208_988_800, 7_258_118_400
"""Seconds since 1970 of the years 1900 and 2200: times outside are taken for another unit."""

_ID_TYPES = (pl.String, pl.Categorical, pl.Enum, pl.Date, pl.Datetime, pl.Null)
_DAY_NUMBER = r"^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$"
_NUMBER = r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$"


@dataclass(frozen=True, slots=True)
class RowNames:
    """Names rows in messages: ``row 3`` of a table, ``line 5`` of a file.

    Attributes:
        word: what a row is called.
        number: the printed number of each 0-based row.
    """

    word: str = "row"
    number: Callable[[int], int] = int

    def __call__(self, row: int) -> str:
        return f"{self.word} {self.number(row)}"

    def of(self, kept: pl.Series) -> RowNames:
        """The names where only these rows were kept, by their 0-based numbers."""
        return RowNames(self.word, lambda row: self.number(int(kept[row])))


TABLE_ROWS = RowNames()


def found(bad: pl.Series, values: pl.Series | None, what: str, rows: RowNames) -> list[str]:
    """One line for each row where ``bad`` holds; ``what`` may show the value as ``{value}``."""
    at = bad.fill_null(value=False).arg_true()
    shown = at.head(LISTED)
    cells = [None] * len(shown) if values is None else values.gather(shown).to_list()
    lines = [
        f"{rows(row)}: {what.format(value=_shown(cell))}"
        for row, cell in zip(shown.to_list(), cells, strict=True)
    ]
    if len(at) > LISTED:
        lines.append(f"{len(at) - LISTED} more rows: {what.format(value='…')}")
    return lines


def _shown(cell: object) -> str:
    text = cell if isinstance(cell, str) else repr(cell)
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= 60 else f"{text[:57]}…"


def as_ids(column: pl.Series) -> tuple[pl.Series, str]:
    """The column as id strings, null where a cell holds no id, and a problem or ``""``.

    Whole floats lose their ``.0``: that is how a table with gaps stores whole numbers.
    """
    name = column.name
    if column.dtype.is_float():
        whole = column.is_finite() & (column == column.floor()) & (column.abs() < 2**53)
        if bool(whole.fill_null(value=True).all()):
            return column.cast(pl.Int64).cast(pl.String), ""
        column = column.fill_nan(None)
    if not (column.dtype.is_numeric() or column.dtype in _ID_TYPES):
        nothing = pl.Series(name, [None] * len(column), dtype=pl.String)
        return nothing, f"column '{name}' holds {column.dtype}, not ids (text or whole numbers)"
    try:
        texts = column.cast(pl.String)
    except pl.exceptions.PanicException as error:
        # Dates beyond all calendars, as damaged files hold them, stop polars with a panic.
        nothing = pl.Series(name, [None] * len(column), dtype=pl.String)
        return nothing, f"column '{name}' holds {column.dtype} that cannot be read: {error}"
    return texts.set(texts.str.strip_chars().fill_null("") == "", None), ""


def as_times(
    column: pl.Series, rows: RowNames, *, unit: str | None = None, pattern: str | None = None
) -> tuple[pl.Series, list[str]]:
    """Whole seconds since 1970 (int64), and the problems found.

    Args:
        column: dates, datetimes (without a zone: UTC), numbers, or text of these.
        unit: of numbers: ``s``, ``ms``, ``us``, ``ns``. Without it numbers are seconds, and
            whole columns that could be read otherwise are refused.
        pattern: of text, as ``strptime`` takes it; without it ISO 8601.
    """
    empty = column.is_null()
    if column.dtype.is_float():
        empty |= column.is_nan()
    problems = found(empty, None, "time is empty", rows)
    if column.dtype in (pl.Date, pl.Datetime):
        seconds = column.cast(pl.Datetime("us")).dt.epoch("s")
    elif column.dtype == pl.String:
        seconds, more = _text_times(column, rows, unit, pattern)
        return seconds, _text_empty(column, rows) + more
    elif column.dtype.is_numeric():
        seconds, more = _number_times(column, rows, unit)
        problems += more
    elif column.dtype == pl.Null:
        seconds = pl.Series(column.name, [None] * len(column), dtype=pl.Int64)
    else:
        seconds = pl.Series(column.name, [None] * len(column), dtype=pl.Int64)
        problems = [f"column '{column.name}' holds {column.dtype}, not times"]
    return seconds, problems


def _text_empty(column: pl.Series, rows: RowNames) -> list[str]:
    blank = column.fill_null("").str.strip_chars() == ""
    return found(blank, None, "time is empty", rows)


def _text_times(
    column: pl.Series, rows: RowNames, unit: str | None, pattern: str | None
) -> tuple[pl.Series, list[str]]:
    text = column.str.strip_chars()
    text = text.set(text.fill_null("") == "", None)
    if pattern is not None:
        seconds = _moments(text, pattern)
        wrong = text.is_not_null() & seconds.is_null()
        return seconds, found(wrong, column, f"time '{{value}}' does not fit '{pattern}'", rows)
    is_number = text.str.contains(_NUMBER).fill_null(value=False)
    numbers = text.set(~is_number, None).cast(pl.Float64, strict=False)
    if bool(text.str.contains(r"^[+-]?\d+$").fill_null(value=True).all()):
        numbers = text.cast(pl.Int64, strict=False)
    from_numbers, problems = _number_times(numbers, rows, unit)
    dates = text.set(is_number, None)
    seconds = _iso(dates)
    wrong = dates.is_not_null() & seconds.is_null()
    what = "time '{value}' is neither a number nor an ISO date such as 2024-05-31T18:30:00"
    problems += found(wrong, column, what, rows)
    known = len(seconds) - seconds.null_count()
    if is_number.any() and known:
        problems.append(
            f"column '{column.name}' mixes {int(is_number.sum())} numbers with {known} dates; "
            "use one kind"
        )
    return seconds.zip_with(~is_number, from_numbers), problems


def _iso(text: pl.Series) -> pl.Series:
    """Seconds of ISO 8601 dates and times, with or without a zone; null where it is none."""
    if text.null_count() == len(text):
        return pl.Series(text.name, [None] * len(text), dtype=pl.Int64)
    for pattern in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"):
        if pattern == "%Y-%m-%d" and text.str.len_chars().max() != 10:
            continue
        seconds = _moments(text, pattern)
        if seconds.null_count() == text.null_count():
            return seconds
    plain = text.str.replace(r"^(\d{4}-\d{2}-\d{2}) ", "${1}T").str.replace(r"\.\d+", "")
    plain = plain.str.replace(r"^(\d{4}-\d{2}-\d{2})$", "${1}T00:00:00")
    plain = plain.str.replace(r"T(\d{2}:\d{2})(Z|[+-]\d{2}:?\d{2}|)$", "T${1}:00${2}")
    plain = plain.str.replace(r"(Z|\s*UTC)$", "+00:00")
    plain = plain.str.replace(r"(T\d{2}:\d{2}:\d{2})$", "${1}+00:00")
    plain = plain.str.replace(r"([+-]\d{2})(\d{2})$", "${1}:${2}")
    return _moments(plain, "%Y-%m-%dT%H:%M:%S%:z")


def _moments(text: pl.Series, pattern: str) -> pl.Series:
    moments = text.str.to_datetime(pattern, strict=False, time_unit="us")
    return moments.dt.epoch("s")


def _number_times(
    column: pl.Series, rows: RowNames, unit: str | None
) -> tuple[pl.Series, list[str]]:
    problems: list[str] = []
    if column.dtype.is_float():
        endless = column.is_infinite()
        problems += found(endless, column, "time is {value}, not a finite number", rows)
        column = column.fill_nan(None).set(endless.fill_null(value=False), None)
    whole = column.dtype.is_integer()
    if unit is None and whole and _looks_like_days(column):
        problems.append(
            f"times like {column.drop_nulls()[0]} are either days (pass time_format='%Y%m%d' with "
            "the column as text) or seconds (pass time_unit='s'); say which"
        )
        return column.cast(pl.Int64, strict=False), problems
    scale = TIME_UNITS[unit or "s"]
    given = column
    column = column.cast(pl.Int64 if whole else pl.Float64, strict=False)
    inside = (column >= EARLIEST * scale) & (column <= LATEST * scale)
    # What does not fit into 64 bits lies outside too.
    inside |= given.is_null()
    inside &= given.is_null() | column.is_not_null()
    hint = "" if unit else "; if these are milliseconds, pass time_unit='ms'"
    what = f"time {{value}} in '{unit or 's'}' is outside the years 1900 to 2200{hint}"
    problems += found(~inside, given, what, rows)
    column = column.set(~inside, None)
    if whole:
        return column // scale, problems
    return (column / scale).floor().cast(pl.Int64, strict=False), problems


def _looks_like_days(column: pl.Series) -> bool:
    known = column.drop_nulls()
    if not len(known) or known.min() < 19_000_101 or known.max() > 20_991_231:  # type: ignore[operator]
        return False
    return bool(known.cast(pl.String).str.contains(_DAY_NUMBER).all())
