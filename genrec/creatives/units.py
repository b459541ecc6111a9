"""Units, currencies and number words by spelling, from ``words/units.yaml``. Factors are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import MappingProxyType

import yaml

_FILE = Path(__file__).with_name("words") / "units.yaml"


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: what it measures and how many of that dimension's base it is."""

    name: str
    dimension: str
    factor: Fraction


@dataclass(frozen=True, slots=True)
class UnitTable:
    """The whole file.

    Attributes:
        units: by spelling.
        measures: words such as ``wide`` -> what they measure (``width``).
        packs: words before a number that make it a count.
        no_nouns: words that are not what a number before them counts.
        no_leads: words before a number that do not say what it is the number of.
        numbers: number words.
        currencies: signs and words -> ISO code, or ``cents``.
    """

    units: Mapping[str, Unit]
    measures: Mapping[str, str]
    packs: frozenset[str]
    no_nouns: frozenset[str]
    no_leads: frozenset[str]
    numbers: Mapping[str, Fraction]
    currencies: Mapping[str, str]


@cache
def unit_table() -> UnitTable:
    """The shipped table."""
    raw = yaml.safe_load(_FILE.read_text("utf-8"))
    return UnitTable(
        units=MappingProxyType(
            {
                str(spelling): Unit(name, dimension, Fraction(factor))
                for dimension, units in raw["dimensions"].items()
                for name, (factor, *spellings) in units.items()
                for spelling in spellings
            }
        ),
        measures={word: name for name, words in raw["measures"].items() for word in words},
        packs=frozenset(raw["packs"]),
        no_nouns=frozenset(raw["no_nouns"]),
        no_leads=frozenset(raw["no_leads"]),
        numbers={word: Fraction(number) for word, number in raw["numbers"].items()},
        currencies={sign: code for code, signs in raw["currencies"].items() for sign in signs},
    )
