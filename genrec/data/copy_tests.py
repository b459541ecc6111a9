"""Randomised tests of copy: which text was shown how often beside which, and clicked how often.

Only arms of one test are ever compared. Knows clicks and texts, not what makes a text good.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from genrec.data.rows import RowNames, as_ids, found
from genrec.data.sources.files import read_table
from genrec.errors import ConfigError, InputError, nearest
from genrec.workspace import content_key

COLUMNS = ("test", "text", "impressions", "clicks")
OPTIONAL = ("shown_with", "share")
PARTS = {"train": range(70), "validation": range(70, 80), "test": range(80, 100)}
"""Which hundredths of all tests, by the hash of their id, are for what."""

UNFAIR = 0.001
"""A test whose impressions a fair draw would give more rarely than this is not trusted."""


@dataclass(frozen=True)
class CopyTests:
    """Arms of randomised tests, one row each.

    Attributes:
        table: ``test``, ``text``, ``shown_with`` (what else the arm showed, such as its picture),
            ``impressions``, ``clicks``, ``share`` (of the test's impressions that were meant for
            the arm, in any unit; all 1 where they were to be equal).
    """

    table: pl.DataFrame

    def __len__(self) -> int:
        return self.table.height

    @property
    def texts(self) -> list[str]:
        return self.table["text"].to_list()

    @cached_property
    def impressions(self) -> np.ndarray:
        return self.table["impressions"].to_numpy().astype(np.float64)

    @cached_property
    def clicks(self) -> np.ndarray:
        return self.table["clicks"].to_numpy().astype(np.float64)

    @cached_property
    def test_numbers(self) -> np.ndarray:
        """The test of each arm, numbered from 0 in order of appearance."""
        return _numbers(self.table, ["test"])

    @cached_property
    def groups(self) -> np.ndarray:
        """Arms that differ in their words alone share a number: same test, same ``shown_with``."""
        return _numbers(self.table, ["test", "shown_with"])

    @property
    def fingerprint(self) -> str:
        """A hash of all arms."""
        rows = self.table.sort("test", "shown_with", "text").rows()
        return content_key(rows)

    def take(self, rows: np.ndarray) -> CopyTests:
        """These arms only; bool mask or positions."""
        positions = np.flatnonzero(rows) if rows.dtype == bool else rows
        return CopyTests(self.table[positions])

    @cached_property
    def part(self) -> np.ndarray:
        """What each arm is for: ``train``, ``validation`` or ``test``; whole tests go together.

        Tests with a text in common go together too, or the text would have been seen in training.
        The hash of the smallest test id of such a family decides, so that neither the order of
        the rows nor a seed does.
        """
        family = _families(self.table)
        smallest = (
            self.table.with_columns(family=family).group_by("family").agg(pl.col("test").min())
        )
        parts = {
            number: _part(test) for number, test in smallest.select("family", "test").iter_rows()
        }
        return np.array([parts[number] for number in family.to_list()])

    @cached_property
    def fair(self) -> np.ndarray:
        """Whether each arm's test split its impressions as a draw by ``share`` would; bool.

        Pearson's chi-square (a sample ratio mismatch), the tail by Wilson and Hilferty's cube
        root (1931).
        """
        numbers = self.test_numbers
        arms = np.bincount(numbers)
        share = self.table["share"].to_numpy()
        wanted = (np.bincount(numbers, self.impressions) / np.bincount(numbers, share))[numbers]
        wanted = wanted * share
        chi = np.bincount(numbers, (self.impressions - wanted) ** 2 / np.maximum(wanted, 1e-9))
        degrees = np.maximum(arms - 1, 1)
        spread = 2 / (9 * degrees)
        z = ((chi / degrees) ** (1 / 3) - (1 - spread)) / np.sqrt(spread)
        tail = np.array([math.erfc(value / math.sqrt(2)) / 2 for value in z.tolist()])
        return (tail >= UNFAIR)[numbers]


def read_copy_tests(path: str | Path, *, columns: Mapping[str, str] | None = None) -> CopyTests:
    """The tests in a CSV, TSV, JSONL or Parquet file with one row for each arm.

    Args:
        columns: what the file calls ``test``, ``text``, ``impressions``, ``clicks`` and, if it has
            it, ``shown_with`` and ``share``: ``{"text": "headline"}``.

    Raises:
        ConfigError: a column mapping that does not exist.
        InputError: every problem of the file, with line or row numbers.
    """
    path, columns = Path(path), dict(columns or {})
    for key in columns:
        if key not in (*COLUMNS, *OPTIONAL):
            raise ConfigError(f"The column mapping has '{key}'; {nearest(key, COLUMNS + OPTIONAL)}")
    file = read_table(path)
    wanted = {key: columns.get(key, key) for key in (*COLUMNS, *OPTIONAL)}
    required = [*COLUMNS, *(key for key in OPTIONAL if key in columns)]
    missing = [
        f"column '{wanted[key]}' is missing; {nearest(wanted[key], file.table.columns)}"
        for key in required
        if wanted[key] not in file.table.columns
    ]
    if missing:
        raise InputError(f"{path} is no table of copy tests.", missing)
    table = file.table.select(
        pl.col(name).alias(key) for key, name in wanted.items() if name in file.table.columns
    )
    return copy_tests(table, rows=file.rows, name=str(path))


def copy_tests(table: pl.DataFrame, *, rows: RowNames, name: str) -> CopyTests:
    """Checked tests of a table with the columns ``COLUMNS`` and perhaps ``OPTIONAL``.

    Raises:
        InputError: every problem, with row numbers.
    """
    problems: list[str] = []
    tests, problem = as_ids(table["test"])
    problems += [problem] if problem else found(tests.is_null(), None, "no test id", rows)
    texts = one_line(table["text"].cast(pl.String))
    problems += found(texts.is_null() | (texts == ""), None, "no text", rows)
    counts = {}
    for column in ("impressions", "clicks"):
        counts[column], more = _counts(table[column], rows)
        problems += more
    beside = pl.Series("shown_with", [""] * table.height)
    if "shown_with" in table.columns:
        beside = table["shown_with"].cast(pl.String).fill_null("")
    share = pl.Series("share", [1.0] * table.height)
    if "share" in table.columns:
        share = table["share"].cast(pl.Float64, strict=False)
        bad = (share.is_finite() & (share > 0)).fill_null(value=False).not_()
        what = "share is '{value}', not a number above 0"
        problems += found(bad, table["share"], what, rows)
    clean = pl.DataFrame(
        [tests.alias("test"), texts.alias("text"), beside, *counts.values(), share]
    )
    both = counts["clicks"] > counts["impressions"]
    problems += [
        f"{rows(row)}: {clean['clicks'][row]} clicks of {clean['impressions'][row]} impressions"
        for row in both.fill_null(value=False).arg_true().to_list()
    ]
    known = clean.with_row_index("row").drop_nulls(["test", "text"])
    problems += [
        f"{rows(row)}: the same text as {rows(first)} in test {test}; add up their counts"
        for test, first, row in known.with_columns(
            first=pl.col("row").min().over("test", "text", "shown_with")
        )
        .filter(pl.col("row") > pl.col("first"))
        .select("test", "first", "row")
        .iter_rows()
    ]
    problems += [
        f"{rows(row)}: test {test} has this arm only; there is nothing to compare it with"
        for test, row in known.filter(pl.len().over("test") == 1).select("test", "row").iter_rows()
    ]
    if problems:
        raise InputError(f"{name} has {len(problems)} problem(s) as a table of tests.", problems)
    return CopyTests(clean)


def one_line(texts: pl.Series) -> pl.Series:
    """Texts with single blanks between words."""
    return texts.str.replace_all(r"\s+", " ").str.strip_chars()


def _counts(column: pl.Series, rows: RowNames) -> tuple[pl.Series, list[str]]:
    numbers = column.cast(pl.Float64, strict=False)
    bad = numbers.is_null() | ~numbers.is_finite() | (numbers < 0) | (numbers != numbers.floor())
    # Beyond this a float skips whole numbers.
    bad |= numbers > 2**53
    what = f"{column.name} is '{{value}}', not a whole number from 0"
    problems = found(bad.fill_null(value=True), column, what, rows)
    return numbers.set(bad.fill_null(value=True), None).cast(pl.Int64), problems


def _numbers(table: pl.DataFrame, columns: list[str]) -> np.ndarray:
    seen: dict[tuple[object, ...], int] = {}
    keys = table.select(columns).rows()
    return np.array([seen.setdefault(key, len(seen)) for key in keys], np.int64)


def _part(test: str) -> str:
    hundredth = int(hashlib.sha256(test.encode()).hexdigest()[:8], 16) % 100
    return next(name for name, span in PARTS.items() if hundredth in span)


def _families(table: pl.DataFrame) -> pl.Series:
    """A number for each arm; tests that share a text, directly or through others, share it."""
    root: dict[str, str] = {}

    def find(test: str) -> str:
        while root.setdefault(test, test) != test:
            root[test] = test = root[root[test]]
        return test

    first: dict[str, str] = {}
    for test, text in table.select("test", "text").iter_rows():
        root[find(test)] = find(first.setdefault(text, test))
    numbers: dict[str, int] = {}
    return pl.Series(
        "family", [numbers.setdefault(find(test), len(numbers)) for test in table["test"].to_list()]
    )
