"""What items are, as profiles read them: values by attribute, brands, kinds and prices.

Sensitive items and values are out before anything is counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.errors import ConfigError, nearest
from genrec.profiles.options import ProfileConfig
from genrec.profiles.sensitive import SensitiveRules

BRANDS = ("brand", "manufacturer", "maker", "vendor", "publisher", "author", "artist")
KINDS = ("category", "main_category", "type", "genre", "genres", "department", "subject")
ITEM = "item"
LONGEST = 80
"""Letters of a value or title that a trait repeats."""

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def plain(text: str) -> str:
    """One short line without control characters or marks that turn the reading direction."""
    line = " ".join(_UNSEEN.sub(" ", text[: 20 * LONGEST]).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1].rstrip()}…"


@dataclass(frozen=True)
class Attribute:
    """The values of one attribute.

    Attributes:
        values: as they are printed.
        offsets: item ``i`` has the codes ``codes[offsets[i]:offsets[i + 1]]``.
    """

    name: str
    values: list[str]
    offsets: np.ndarray
    codes: np.ndarray

    def of(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of ``items`` and their codes; a row for each value that an item has."""
        if self._at_most_one:
            codes = self.single[items]
            rows = np.flatnonzero(codes >= 0)
            return rows, codes[rows]
        lengths = (self.offsets[1:] - self.offsets[:-1])[items]
        rows = np.repeat(np.arange(len(items)), lengths)
        first = np.cumsum(lengths) - lengths
        return rows, self.codes[np.arange(len(rows)) - first[rows] + self.offsets[items][rows]]

    @cached_property
    def _at_most_one(self) -> bool:
        return bool((np.diff(self.offsets) <= 1).all())

    @cached_property
    def single(self) -> np.ndarray:
        """The first code of each item, -1 where it has none, shape (items,)."""
        has = self.offsets[1:] > self.offsets[:-1]
        code = np.full(len(has), -1, np.int64)
        code[has] = self.codes[self.offsets[:-1][has]]
        return code


@dataclass(frozen=True)
class Goods:
    """The catalogue as profiles see it.

    Attributes:
        usable: whether an item may make a trait, shape (items,).
        left_out: items of each sensitive topic.
        likes: attributes whose values can be liked, coarse ones first.
        brand: what one can be loyal to, if anything.
        within: the kind in which brands and prices are compared, if any.
        prices: NaN where unknown, shape (items,).
    """

    catalog: Catalog
    rules: str
    usable: np.ndarray
    left_out: dict[str, int]
    likes: list[Attribute]
    brand: Attribute | None
    within: Attribute | None
    prices: np.ndarray

    @staticmethod
    def of(catalog: Catalog, config: ProfileConfig) -> Goods:
        """The goods of a catalogue.

        Raises:
            ConfigError: an attribute that is named does not exist or is closed by the rules.
        """
        rules = SensitiveRules.load(config.rules)
        topics = rules.topics_of(catalog)
        usable = np.ones(len(catalog), bool)
        for found in topics.values():
            usable &= ~found
        open_names = rules.attributes_of(catalog)
        for name in (*config.attributes, config.brand, config.within):
            if name and name not in open_names:
                raise ConfigError(
                    f"No trait can be made of the attribute '{name}'; {nearest(name, open_names)}"
                )
        read = [_attribute(catalog, name, usable, rules) for name in open_names]
        attributes = {one.name: one for one in read if one is not None}
        liked = list(config.attributes) or [
            name for name, one in attributes.items() if _readable(one, int(usable.sum()))
        ]
        price = catalog.table["price"] if "price" in catalog.table.columns else None
        prices = np.full(len(catalog), np.nan) if price is None else price.cast(pl.Float64)
        brands = [name for name in BRANDS if name in attributes]
        brand = config.brand or max(brands, key=lambda n: len(attributes[n].values), default="")
        if brand in attributes:
            for other in (name for name in brands if name != brand):
                attributes[brand] = _explained(attributes[brand], attributes[other])
        within = config.within or next((name for name in KINDS if name in attributes), "")
        return Goods(
            catalog,
            rules.version,
            usable,
            {name: int(found.sum()) for name, found in topics.items()},
            sorted(
                (attributes[name] for name in liked if name in attributes),
                key=lambda one: len(one.values),
            ),
            attributes.get(brand),
            attributes.get(within),
            np.array(prices, dtype=float),
        )

    @cached_property
    def titles(self) -> Attribute:
        """Titles as values: the same article of two makers is one thing to come for."""
        titles = self.catalog.table["title"]
        table = pl.DataFrame({"title": titles}).with_columns(
            code=pl.col("title").rank("dense").cast(pl.Int64) - 1
        )
        values = titles.unique().sort().to_list()
        count = len(titles)
        return Attribute(ITEM, values, np.arange(count + 1), table["code"].to_numpy())


def _explained(brand: Attribute, other: Attribute) -> Attribute:
    """Brands that are mere numbers, with what another attribute says of nearly all their items."""
    has = (brand.single >= 0) & (other.single >= 0)
    keys = brand.single[has] * len(other.values) + other.single[has]
    pairs, count = np.unique(keys, return_counts=True)
    code, total = pairs // len(other.values), np.bincount(brand.single[has])
    says = {
        int(code[row]): other.values[pairs[row] % len(other.values)]
        for row in np.flatnonzero(count >= 0.95 * total[code])
    }
    return Attribute(
        brand.name,
        [
            f"{value} ({says[number]})"
            if number in says and not re.search(r"[^\W\d]", value)
            else value
            for number, value in enumerate(brand.values)
        ],
        brand.offsets,
        brand.codes,
    )


def _attribute(
    catalog: Catalog, name: str, usable: np.ndarray, rules: SensitiveRules
) -> Attribute | None:
    column = catalog.table[name]
    if column.dtype == pl.Boolean:
        column = column.replace_strict({True: "yes"}, default=None, return_dtype=pl.String)
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype not in (pl.String, pl.List(pl.String)):
        return None
    table = pl.DataFrame({"item": np.arange(len(catalog)), "value": column})
    if column.dtype == pl.List(pl.String):
        table = table.explode("value")
    table = table.filter(
        pl.Series(usable)[table["item"].to_numpy()] & pl.col("value").is_not_null()
    )
    distinct = table["value"].unique().sort()
    shown = [plain(value) for value in distinct]
    kept = np.array([bool(value) for value in shown], bool) & ~rules.unsayable(distinct)
    names = sorted({value for value, keep in zip(shown, kept, strict=True) if keep})
    if not names:
        return None
    number = {value: code for code, value in enumerate(names)}
    codes = pl.DataFrame(
        {
            "value": distinct,
            "code": [number[v] if keep else None for v, keep in zip(shown, kept, strict=True)],
        },
        schema={"value": pl.String, "code": pl.Int64},
    )
    table = table.join(codes.drop_nulls(), on="value").select("item", "code").unique()
    table = table.sort("item", "code")
    counts = np.bincount(table["item"].to_numpy(), minlength=len(catalog))
    return Attribute(
        name, names, np.concatenate([[0], np.cumsum(counts)]), table["code"].to_numpy()
    )


def _readable(attribute: Attribute, items: int) -> bool:
    """Whether its values are words that items share: no sizes, numbers, links or descriptions."""
    values = attribute.values
    if len(values) < 2 or len(values) > max(20, items / 2):
        return False
    words = sum(bool(re.match(r"[^\W\d]", value)) and "://" not in value for value in values)
    return words > len(values) / 2
