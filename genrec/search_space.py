"""What a search may try: for each option of a recipe, the values or the range to draw from.

Knows nothing of recipes or of how values are chosen.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genrec.errors import ConfigError, nearest

__all__ = ["RANGE_KEYS", "Choice", "Interval", "Range", "SearchSpace"]

RANGE_KEYS = ("low", "high", "log", "step")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these values.

    Attributes:
        values: at least two different ones, of any kind that YAML knows.
    """

    values: tuple[Any, ...]

    def __contains__(self, value: object) -> bool:
        return any(value == one and isinstance(value, bool) == isinstance(one, bool)
                   for one in self.values)  # fmt: skip

    @property
    def samples(self) -> tuple[Any, ...]:
        """Values that show whether all of them fit: here each."""
        return self.values


@dataclass(frozen=True, slots=True)
class Interval:
    """A number from ``low`` to ``high``, both included.

    Attributes:
        whole: whether it is a whole number.
        log: drawn evenly on a logarithmic scale.
        step: distance between the values that are tried; ``None`` tries any.
    """

    low: float
    high: float
    whole: bool
    log: bool = False
    step: float | None = None

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high or (self.whole and value != int(value)):
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    @property
    def samples(self) -> tuple[Any, ...]:
        """Values that show whether all of them fit: here the ends."""
        return (self.low, self.high)


Range = Choice | Interval


@dataclass(frozen=True)
class SearchSpace:
    """The ranges by the path of their option, such as ``train.learning_rate``."""

    ranges: Mapping[str, Range]

    @staticmethod
    def parse(written: Mapping[str, Any]) -> SearchSpace:
        """The space that a recipe's section ``tune`` describes.

        Args:
            written: by path, a list of values, or ``{low, high}`` with ``log: true`` or ``step``.

        Raises:
            ConfigError: names every range that is none, one a line.
        """
        ranges: dict[str, Range] = {}
        problems: list[str] = [] if written else ["there are no ranges; name at least one option"]
        for path, given in written.items():
            try:
                ranges[str(path)] = _range(given)
            except ConfigError as error:
                problems.append(f"{path}: {error}")
        if problems:
            raise ConfigError("\n".join(problems))
        return SearchSpace(ranges)


def _range(given: Any) -> Range:
    if isinstance(given, list):
        shown = [json.dumps(value, sort_keys=True, default=str) for value in given]
        if len(set(shown)) < 2 or len(set(shown)) < len(shown):
            raise ConfigError(f"{given} has to be two or more different values")
        return Choice(tuple(given))
    if not isinstance(given, dict):
        raise ConfigError(
            f"{given!r} is no range; write a list of values, or {{low: …, high: …, log: true}}"
        )
    if strange := [str(key) for key in given if key not in RANGE_KEYS]:
        raise ConfigError(
            f"there is no '{strange[0]}' in a range; {nearest(strange[0], RANGE_KEYS)}"
        )
    if missing := [key for key in ("low", "high") if key not in given]:
        raise ConfigError(f"{' and '.join(missing)} missing")
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError(f"log is {log!r}; write true or false")
    low, high = (_number(name, given[name]) for name in ("low", "high"))
    step = None if given.get("step") is None else _number("step", given["step"])
    if not low < high:
        raise ConfigError(f"low is {low} and high {high}; low must be the smaller one")
    if log and low <= 0:
        raise ConfigError(f"low is {low}; a logarithmic range starts above 0")
    if log and step is not None:
        raise ConfigError("step does not go with log; leave one of them out")
    if step is not None and not 0 < step <= high - low:
        raise ConfigError(f"step is {step}; it lies above 0 and is at most {high - low}")
    whole = all(isinstance(one, int) for one in (low, high) if one is not None)
    if whole and step is not None and not isinstance(step, int):
        whole = False
    return Interval(low, high, whole, log, step)


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, str):
        # YAML reads 1e-4 as text, since it has no dot.
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{name} is no finite number")
    return value
