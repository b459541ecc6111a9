"""Data sources by name. Each is a function that returns a ``Dataset``, in a module of its own.

A new source is one module and one line here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from genrec.data.dataset import Dataset
from genrec.errors import ConfigError, nearest
from genrec.registry import Entry, Registry
from genrec.strict_yaml import said_of

__all__ = ["SOURCES", "available_sources", "load_source"]

_HERE = "genrec.data.sources"

SOURCES = Registry(
    "data source",
    {
        "tables": Entry(f"{_HERE}.tables:load", about="your own CSV, TSV, JSONL or Parquet files"),
        "toy_shop": Entry(
            "genrec.data.toy_shop:load",
            extra="demo",
            about="a seeded shop with drawn pictures and shoppers of known tastes",
        ),
        "complete_journey": Entry(
            f"{_HERE}.complete_journey:load",
            extra="demo",
            about="a year of groceries: 2,469 households, baskets, prices, campaigns, coupons",
        ),
        "amazon2014": Entry(
            f"{_HERE}.amazon2014:load", about="Amazon 2014 5-core: domain=beauty, toys or another's"
        ),
        "minionerec": Entry(
            f"{_HERE}.minionerec:load",
            about="Amazon 2018 as MiniOneRec cut it: domain=industrial or office, published split",
        ),
        "amazon_reviews": Entry(
            f"{_HERE}.amazon_reviews:load",
            about="Amazon reviews of 2014, 2018 and 2023 as UCSD's files have them",
        ),
        "movielens": Entry(
            f"{_HERE}.movielens:load", about="MovieLens 100K to 32M, from GroupLens's files"
        ),
        "mind": Entry(f"{_HERE}.mind:load", about="MIND: news, clicks and impressions"),
        "microlens": Entry(
            f"{_HERE}.microlens:load", about="MicroLens: short films with covers and sounds"
        ),
        "lastfm": Entry(f"{_HERE}.lastfm:load", about="Last.fm: music; edition=1k, 360k or hetrec"),
        "hm": Entry(f"{_HERE}.hm:load", about="H&M: clothes with photos, days as baskets"),
        "yelp": Entry(f"{_HERE}.yelp:load", about="Yelp: places, reviews, some photos"),
        "steam": Entry(f"{_HERE}.steam:load", about="Steam: games and who reviewed them"),
        "fashion_photos": Entry(
            f"{_HERE}.photos:fashion",
            about="10,000 product photos with titles and attributes; no shoppers",
        ),
        "clothing_photos": Entry(
            f"{_HERE}.photos:clothing", about="3,781 clothing photos in ten classes; no shoppers"
        ),
        "online_retail": Entry(
            f"{_HERE}.online_retail:load", about="UCI Online Retail: baskets of a gift shop"
        ),
        "joined": Entry(
            f"{_HERE}.joined:load", about="several sources as one, with the column domain"
        ),
    },
)


def available_sources() -> dict[str, str]:
    """Every source's name with one line about it, sorted by name."""
    return {name: SOURCES.entry(name).about for name in SOURCES.names()}


def load_source(name: str, /, **options: object) -> Dataset:
    """The data set of a registered source.

    Raises:
        ConfigError: no such source, an option that it does not take or lacks, or a value of
            another kind than the option has.
        MissingExtra: the package that holds the data is not installed.
        InputError: its files are absent or cannot be used; every problem found.
    """
    load = SOURCES.load(name)
    parameters = inspect.signature(load).parameters
    strange = sorted(set(options) - set(parameters))
    if strange:
        hints = [f"'{option}' ({nearest(option, parameters)})" for option in strange]
        raise ConfigError(f"The data source '{name}' takes no option {', '.join(hints)}")
    lacking = [
        option
        for option, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty and option not in options
    ]
    if lacking:
        raise ConfigError(f"The data source '{name}' needs the option(s) {', '.join(lacking)}.")
    data: Dataset = load(**_of_their_kinds(name, load, options))
    return data


def _of_their_kinds(
    name: str, load: Callable[..., Any], options: Mapping[str, object]
) -> dict[str, Any]:
    """The options as the source declares them; YAML reads days and numbers where text is meant.

    An option that is null, as ``option=`` on the command line is, counts as left out.

    Raises:
        ConfigError: names every option whose value is of another kind.
    """
    kinds, parameters = get_type_hints(load), inspect.signature(load).parameters
    fitting, problems = {}, []
    for option, value in options.items():
        if value is None and parameters[option].default is not inspect.Parameter.empty:
            continue
        kind = TypeAdapter(kinds.get(option, Any))
        try:
            fitting[option] = kind.validate_python(value)
        except ValidationError as error:
            try:
                fitting[option] = kind.validate_python(_as_text(value))
            except ValidationError:
                said = dict.fromkeys(said_of(one) for one in error.errors())
                problems.append(f"{option}: {'; '.join(said)}")
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise ConfigError(f"The data source '{name}' cannot take these options:{lines}")
    return fitting


def _as_text(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if type(value) in (int, float) else value
