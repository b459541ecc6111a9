"""A catalogue's attributes as arrays that filters compare at once: numbers, values, lists."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from genrec.data.catalog import MEDIA_COLUMNS, Catalog

HIDDEN = ("item_id", *MEDIA_COLUMNS)


def columns_of(catalog: Catalog) -> list[str]:
    """Names that a filter may use: attributes, and price, title and text where there are any."""
    return [name for name in catalog.table.columns if name not in HIDDEN]


def read_column(series: pl.Series) -> Column:
    """The column in the form that its type allows."""
    dtype = series.dtype
    if dtype == pl.Boolean or dtype.is_numeric():
        return NumberColumn(series)
    if dtype.is_temporal() and not isinstance(dtype, pl.Duration | pl.Time):
        return MomentColumn(series)
    if isinstance(dtype, pl.List | pl.Array):
        return ListColumn(series)
    return ValueColumn(series)


class Column(ABC):
    """One attribute of every item.

    Attributes:
        kind: what it holds, in words.
        known: where there is a value, bool, shape (items,).
    """

    kind: str
    known: np.ndarray

    @property
    def texts(self) -> Sequence[str]:
        """Its values, where they are words."""
        return ()

    @property
    def is_indexed(self) -> bool:
        """Whether one value each is compared at once, without an index to be made first."""
        return True

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Whether a value is of this column's kind."""

    @abstractmethod
    def has(self, value: Any) -> bool:
        """Whether some item has the value."""

    @abstractmethod
    def among(self, values: Sequence[Any]) -> np.ndarray:
        """Where the value is one of these, bool, shape (items,)."""

    def contains(self, part: str) -> np.ndarray | None:  # noqa: ARG002
        """Where the text has these letters in it, in any case; ``None`` if it holds no text."""
        return None

    def bounded(self, word: str, bound: Any) -> np.ndarray:  # noqa: ARG002
        """Where the value is at least, at most, above or below a bound.

        Args:
            word: min, max, above or below.

        Raises:
            ValueError: the column or the bound has no order.
        """
        raise ValueError(f"it holds {self.kind}, which have no order")

    def groups(self) -> np.ndarray | None:
        """A number for each distinct value, -1 if unknown; ``None`` if an item may have several."""
        return None


class NumberColumn(Column):
    """Numbers, or yes and no."""

    def __init__(self, series: pl.Series) -> None:
        self.is_bool = series.dtype == pl.Boolean
        self.kind = "yes or no (true, false)" if self.is_bool else "numbers"
        self.values = series.cast(pl.Float64).to_numpy(writable=True)
        self.known = ~np.isnan(self.values)

    def accepts(self, value: Any) -> bool:
        if self.is_bool:
            return isinstance(value, bool)
        return not isinstance(value, bool) and isinstance(value, int | float) and _fits(value)

    def has(self, value: Any) -> bool:
        return bool((self.values == value).any())

    def among(self, values: Sequence[Any]) -> np.ndarray:
        if len(values) == 1:
            return self.values == values[0]
        return np.isin(self.values, np.asarray(values, np.float64))

    def bounded(self, word: str, bound: Any) -> np.ndarray:
        if self.is_bool:
            return super().bounded(word, bound)
        return _compare(self.values, word, self._number(bound))

    def _number(self, bound: Any) -> float:
        if isinstance(bound, bool | str) or not _fits(bound):
            raise ValueError(f"{bound!r} is not a number")
        return float(bound)

    def groups(self) -> np.ndarray:
        found, numbers = np.unique(self.values, return_inverse=True)
        del found
        return np.where(self.known, numbers, -1).astype(np.int32)


class MomentColumn(NumberColumn):
    """Dates and times, as seconds since 1970; bounds are ISO 8601."""

    def __init__(self, series: pl.Series) -> None:
        super().__init__(series.cast(pl.Datetime("us")).dt.epoch("us") / 1e6)
        self.kind = "dates"

    def accepts(self, value: Any) -> bool:
        try:
            self._number(value)
        except ValueError:
            return False
        return True

    def has(self, value: Any) -> bool:
        return super().has(self._number(value))

    def among(self, values: Sequence[Any]) -> np.ndarray:
        return super().among([self._number(value) for value in values])

    def _number(self, bound: Any) -> float:
        try:
            moment = datetime.fromisoformat(bound)
        except (TypeError, ValueError):
            raise ValueError(
                f"{bound!r} is not an ISO date such as {date(2026, 1, 31).isoformat()}"
            ) from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class ValueColumn(Column):
    """One word or name each."""

    kind = "text"

    def __init__(self, series: pl.Series) -> None:
        found, self.numbers = _numbered(series)
        self.known = self.numbers >= 0
        self._found = found

    @property
    def texts(self) -> Sequence[str]:
        return self._texts

    @property
    def is_indexed(self) -> bool:
        return "_number_of" in vars(self)

    @cached_property
    def _texts(self) -> list[str]:
        return self._found.to_list()

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {text: number for number, text in enumerate(self.texts)}

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str)

    def has(self, value: Any) -> bool:
        return value in self._number_of

    def among(self, values: Sequence[Any]) -> np.ndarray:
        wanted = [self._number_of[value] for value in values if value in self._number_of]
        if len(wanted) == 1:
            return self.numbers == wanted[0]
        return self._table(wanted)[self.numbers]

    def contains(self, part: str) -> np.ndarray:
        lowered = self._found.str.to_lowercase()
        hits = lowered.str.contains(part.lower(), literal=True).to_numpy()
        return self._table(np.flatnonzero(hits))[self.numbers]

    def groups(self) -> np.ndarray:
        return self.numbers

    def _table(self, wanted: Sequence[int] | np.ndarray) -> np.ndarray:
        # The last cell answers for the unknown, whose number is -1.
        table = np.zeros(len(self._found) + 1, bool)
        table[wanted] = True
        return table


class ListColumn(Column):
    """Several words each; holds if one of them does."""

    kind = "lists of text"

    def __init__(self, series: pl.Series) -> None:
        lists = series.cast(pl.List(pl.String))
        lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
        self.ends = np.concatenate([[0], np.cumsum(lengths)])
        self.known = lengths > 0
        flat = lists.filter(pl.Series(self.known)).explode()
        self._values = ValueColumn(flat)

    @property
    def texts(self) -> Sequence[str]:
        return self._values.texts

    @property
    def is_indexed(self) -> bool:
        return False

    @property
    def value_numbers(self) -> np.ndarray:
        """Number of each value of each item, one item after the other; ``ends`` parts them."""
        return self._values.numbers

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str)

    def has(self, value: Any) -> bool:
        return self._values.has(value)

    def among(self, values: Sequence[Any]) -> np.ndarray:
        return self._any(self._values.among(values))

    def contains(self, part: str) -> np.ndarray:
        return self._any(self._values.contains(part))

    def _any(self, flat: np.ndarray) -> np.ndarray:
        before = np.concatenate([[0], np.cumsum(flat, dtype=np.int32)])
        return before[self.ends[1:]] > before[self.ends[:-1]]


def _fits(number: float) -> bool:
    """Whether a number is finite as a float; an integer may be too large for one."""
    try:
        return bool(np.isfinite(float(number)))
    except OverflowError:
        return False


def _numbered(series: pl.Series) -> tuple[pl.Series, np.ndarray]:
    """Distinct values, and the number of each row's value, -1 where there is none."""
    text = series.cast(pl.String)
    found = text.drop_nulls().unique(maintain_order=True)
    table = pl.DataFrame({"value": found, "number": np.arange(len(found), dtype=np.int32)})
    joined = pl.DataFrame({"value": text}).join(
        table, on="value", how="left", maintain_order="left"
    )
    return found, joined["number"].fill_null(-1).to_numpy()


def _compare(values: np.ndarray, word: str, bound: float) -> np.ndarray:
    # An unknown number is NaN, and every comparison with it is false.
    compare = {
        "min": np.greater_equal,
        "max": np.less_equal,
        "above": np.greater,
        "below": np.less,
    }[word]
    return compare(values, bound)
