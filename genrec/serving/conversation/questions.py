"""Whether a question would narrow the wish, and which one: by what its answer is expected to tell.

The gain of a question is the entropy of its answers over the candidates, in bits, times the share
of candidates that have an answer. It is asked only if that pays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genrec.data.filter_columns import ListColumn, NumberColumn, ValueColumn
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.state import ChatState

# Fewer bits are not worth a shopper's answer.
LEAST_BITS = 0.8
# Options of one question; the values beyond them count as one answer.
OPTIONS = 5
# A question about something that most of the candidates say nothing of is none.
LEAST_KNOWN = 0.5
# Of the gain in bits: people have a price in mind, and know the kind that they look for.
_EASE = {"price": 1.0, "kind": 1.3, "other": 1.0}
_WORDS = {
    "price": "What would you like to spend?",
    "colour": "Any colour in mind?",
    "color": "Any color in mind?",
    "size": "Which size do you need?",
    "brand": "Do you have a brand in mind?",
    "material": "Which material would you like?",
}


@dataclass(frozen=True)
class Asking:
    """A question with its answers.

    Attributes:
        bits: what the answer is expected to tell.
        wheres: for each option, the constraint that it stands for.
    """

    attribute: str
    text: str
    options: tuple[str, ...]
    wheres: tuple[dict[str, Any], ...]
    bits: float


def best_question(shop: Shop, state: ChatState, pool: np.ndarray, *, shown: int) -> Asking | None:
    """The question that tells most of the candidates apart; ``None`` if none pays.

    Args:
        pool: candidates, positions.
        shown: cards that are shown at a time; among so few there is nothing to ask.
    """
    if len(pool) <= 3 * shown:
        return None
    found = [
        one
        for one in _questions(shop, pool)
        if one.attribute not in state.asked
        and one.attribute not in state.where
        and one.bits >= LEAST_BITS
    ]
    return max(found, key=lambda one: one.bits, default=None)


def _questions(shop: Shop, pool: np.ndarray) -> Iterator[Asking]:
    vocabulary = shop.vocabulary
    for name, column in vocabulary.attributes.items():
        if isinstance(column, ValueColumn):
            kind = "kind" if vocabulary.is_kind(name) else "other"
            asking = _of_values(name, column.numbers[pool], column.texts)
        elif isinstance(column, ListColumn):
            kind = "other"
            asking = _of_values(name, _first_values(column, pool), column.texts)
        elif isinstance(column, NumberColumn) and column.is_bool:
            kind, asking = "other", _of_bool(name, column.values[pool])
        else:
            continue
        if asking is not None:
            yield _eased(asking, kind)
    asking = _of_prices(shop.prices[pool], shop)
    if asking is not None:
        yield _eased(asking, "price")


def _eased(asking: Asking, kind: str) -> Asking:
    return Asking(
        asking.attribute, asking.text, asking.options, asking.wheres, asking.bits * _EASE[kind]
    )


def _of_values(name: str, numbers: np.ndarray, texts: Sequence[str]) -> Asking | None:
    known = numbers[numbers >= 0]
    if len(known) < LEAST_KNOWN * len(numbers):
        return None
    values, counts = np.unique(known, return_counts=True)
    order = np.lexsort((values, -counts))[:OPTIONS]
    options = tuple(texts[int(values[one])] for one in order)
    if len(options) < 2 or any(not any(c.isalpha() for c in one) for one in options):
        return None
    # An answer beyond the options has to be typed, so it tells nothing here.
    shares = counts[order] / len(numbers)
    covered = float(shares.sum())
    bits = _entropy(shares / covered) * covered
    text = _WORDS.get(name.lower(), f"Which {name.replace('_', ' ')} would you like?")
    return Asking(name, text, options, tuple({name: one} for one in options), bits)


def _of_bool(name: str, values: np.ndarray) -> Asking | None:
    known = values[~np.isnan(values)]
    if len(known) < LEAST_KNOWN * len(values):
        return None
    share = float((known == 1).mean())
    label = name.replace("_", " ")
    text = f"Should it be {label}?"
    wheres: tuple[dict[str, Any], ...] = ({name: True}, {name: False})
    bits = _entropy(np.array([share, 1 - share]))
    return Asking(name, text, (f"Yes, {label}", f"Not {label}"), wheres, bits)


def _of_prices(values: np.ndarray, shop: Shop) -> Asking | None:
    known = values[~np.isnan(values)]
    if len(known) < LEAST_KNOWN * len(values):
        return None
    low, high = (_round(float(one)) for one in np.quantile(known, (1 / 3, 2 / 3)))
    # Prices that lie close together are not worth a question.
    if low >= high or high < 1.5 * low:
        return None
    parts = np.array([(known <= low).mean(), 0.0, (known > high).mean()])
    parts[1] = 1 - parts.sum()

    def money(amount: float) -> str:
        return shop.price_text(amount).removesuffix(".00")

    options = (f"Up to {money(low)}", f"{money(low)} to {money(high)}", f"Over {money(high)}")
    wheres = (
        {"price": {"max": low}},
        {"price": {"min": low, "max": high}},
        {"price": {"above": high}},
    )
    return Asking("price", _WORDS["price"], options, wheres, _entropy(parts))


def _round(price: float) -> float:
    """A price as people name it: 2, 5, 20, 150."""
    if price < 1:
        return round(price, 1)
    step = 10 ** (len(str(int(price))) - 1) / (2 if price < 10 else 1)
    step = max(step / 2, 0.5) if price >= 10 else step
    return round(round(price / step) * step, 2)


def _first_values(column: ListColumn, pool: np.ndarray) -> np.ndarray:
    starts, ends = column.ends[pool], column.ends[pool + 1]
    numbers = np.full(len(pool), -1, np.int64)
    some = ends > starts
    numbers[some] = column.value_numbers[starts[some]]
    return numbers


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())
