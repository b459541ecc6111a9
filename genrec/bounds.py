"""Bounds of numbers that a caller may choose: what lies outside is told in words, all at once."""

from __future__ import annotations

import re
from math import inf

_INTERVAL = re.compile(r"([\[(])(\S+), (\S+)([\])])")
# What seeds of NumPy, PyTorch and Polars have in common.
MAX_SEED = 2**63 - 1
SEED = f"[0, {MAX_SEED}]"


def outside(options: object, prefix: str = "", /, **bounds: str) -> list[str]:
    """What lies outside of its bounds, a problem for each such option, in the order of the bounds.

    Args:
        options: an object with an attribute for each of the bounds; ``None`` is no problem.
        prefix: stands before each name, such as ``fit.``.
        bounds: of each option, an interval as in mathematics: ``[0, 1)`` is from 0 to below 1, and
            ``(0, inf)`` above 0 and finite. NaN is outside of all.
    """
    problems = []
    for name, written in bounds.items():
        found = _INTERVAL.fullmatch(written)
        assert found is not None, f"{name}: '{written}' is no interval"
        opens, low, high, closes = found.groups()
        value = getattr(options, name)
        if value is None:
            continue
        above = value >= _number(low) if opens == "[" else value > _number(low)
        below = value <= _number(high) if closes == "]" else value < _number(high)
        if not (above and below):
            words = _in_words(opens, low, high, closes)
            if words.startswith("must") and (value != value or value == inf):
                words += " and finite"
            problems.append(f"{prefix}{name} is {value}; it {words}")
    return problems


def _number(text: str) -> float:
    # Whole numbers stay whole: the greatest seeds are no floats.
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _in_words(opens: str, low: str, high: str, closes: str) -> str:
    if _number(high) == inf:
        return f"must be at least {low}" if opens == "[" else f"must be above {low}"
    if opens == "(":
        between = f"lies between {low} and {high}"
        return between if closes == ")" else f"lies above {low} and is at most {high}"
    return f"lies from {low} to {high}" if closes == "]" else f"lies from {low} to below {high}"
