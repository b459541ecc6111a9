"""What simulated shoppers want: taken from what real ones, or those of the toy shop, did choose."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.filter_columns import NumberColumn, ValueColumn
from genrec.data.filters import FilterCompiler
from genrec.errors import InputError
from genrec.evaluation.shoppers import Want

# An attribute is an aspect of a want if it has so many values at most.
ASPECT_VALUES = 60
# A shopper minds so many aspects at most.
ASPECTS = 2
# Above what the chosen item costs, the most that the shopper would pay.
LEEWAY = 1.15
# Attributes that say what a thing is called, the most telling first.
_KINDS = ("type", "kind", "genre", "category")
# Of the items that have all that is wanted, those that are to the shopper's taste.
TASTE_SHARE = 0.2


def wants_of(
    dataset: Dataset,
    test: Holdout,
    count: int,
    *,
    taste: np.ndarray | None = None,
    stock: str = "in_stock",
    seed: int = 0,
) -> list[Want]:
    """Wants of so many shoppers, each after an item that they chose in the test.

    Args:
        taste: how well each item suits each user of the data set, shape (users, items), where that
            is known; then only the best fifth of what fits is accepted.
        stock: attribute that says whether an item is in stock.

    Raises:
        InputError: no test case has an item that could be asked for.
    """
    rng = np.random.default_rng(seed)
    catalog, filters = dataset.catalog, FilterCompiler(dataset.catalog)
    prices = filters.column("price")
    here, kinds = _stocked(filters, stock), _Kinds(filters)
    rows = {str(user): row for row, user in enumerate(dataset.users)}
    found: list[Want] = []
    cases = rng.permutation(len(test))
    # With fewer cases than shoppers, another of a case's choices is wanted in the next round.
    for number in range(20 * count):
        if len(found) == count or not len(cases):
            break
        case = int(cases[number % len(cases)])
        targets = test.targets[case].items
        user = str(test.histories.users[case])
        position = int(rng.choice(targets))
        if not here[position]:
            continue
        name, kind, same = kinds.of(position)
        if not kind:
            continue
        suits = same & here
        values: dict[str, str] = {}
        for aspect in _aspects(filters, catalog, name, stock):
            column = filters.column(aspect)
            if not isinstance(column, ValueColumn) or column.numbers[position] < 0:
                continue
            if len(values) < ASPECTS:
                values[aspect] = column.texts[int(column.numbers[position])]
                suits &= column.numbers == column.numbers[position]
        most = None
        if isinstance(prices, NumberColumn) and prices.known[position]:
            most = _rounded_up(float(prices.values[position]) * LEEWAY)
            suits &= np.nan_to_num(prices.values, nan=np.inf) <= most
        if taste is not None and user in rows:
            own = taste[rows[user]]
            suits &= own >= np.quantile(own[suits], 1 - TASTE_SHARE)
        found.append(Want(user, kind, values, most, suits, catalog.ids[position]))
    if not found:
        raise InputError("No item of the test is in stock and has a kind that can be asked for.")
    return found


def _stocked(filters: FilterCompiler, stock: str) -> np.ndarray:
    column = filters.column(stock)
    if not isinstance(column, NumberColumn):
        return np.ones(len(filters.catalog), bool)
    return column.values > 0


class _Kinds:
    """What items are called: by the attribute that says so, else by the last word of the title."""

    def __init__(self, filters: FilterCompiler) -> None:
        self.column = filters.column(_KINDS[0])
        titles = filters.catalog.table["title"]
        self.words = np.array([_last_word(title) for title in titles])

    def of(self, position: int) -> tuple[str, str, np.ndarray]:
        """The attribute (empty for the title), the value, and where items have the same."""
        if isinstance(self.column, ValueColumn):
            number = int(self.column.numbers[position])
            text = self.column.texts[number] if number >= 0 else ""
            return _KINDS[0], text, self.column.numbers == number
        word = str(self.words[position])
        return "", word, self.words == word


def _last_word(title: str) -> str:
    return (title.split(",")[0].split() or [""])[-1].lower()


def _aspects(filters: FilterCompiler, catalog: Catalog, kind: str, stock: str) -> Sequence[str]:
    names = []
    for name in catalog.attribute_names:
        column = filters.column(name)
        if name in (kind, stock, *_KINDS) or not isinstance(column, ValueColumn):
            continue
        words = [text for text in column.texts if any(letter.isalpha() for letter in text)]
        if 2 <= len(words) <= ASPECT_VALUES and len(words) == len(column.texts):
            names.append(name)
    return names


def _rounded_up(price: float) -> float:
    """A price as people name it, not below the given one."""
    step = 0.5 if price < 10 else 1.0 if price < 50 else 5.0
    return math.ceil(price / step) * step
