"""Items by their words: an inverted index over titles, attributes and descriptions.

It also knows which words the shop uses, how often, and which of them name kinds of product.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.filter_columns import columns_of
from genrec.serving.conversation.spelling import Speller, plain, stem, stems_of

# How much a word counts where it stands: the title names the thing.
IN_TITLE, IN_ATTRIBUTES, IN_TEXT = 1.0, 0.6, 0.3
# A word that ends the title of so many items names a kind of product.
KIND_ITEMS = 2
# The last word of a wish is its thing unless another names more than so many times as many things.
HEAD = 8
_LONGEST_TEXT = 2_000
# Numbers and codes find nothing that a shopper would ask for.
_WORDS = r"\p{L}[\p{L}\p{N}]+"


@dataclass(frozen=True)
class Hits:
    """Items that have words of a wish.

    Attributes:
        items: positions, best first, shape (found,), int64.
        scores: shape (found,), float32, descending.
        missing: words that no item has, as they were said.
        share: weight of the wish's words that the best items have, 0 to 1.
    """

    items: np.ndarray
    scores: np.ndarray
    missing: tuple[str, ...] = ()
    share: float = 0.0


class WordIndex:
    """Postings as flat arrays: word ``w`` stands in ``items[starts[w]:starts[w + 1]]``."""

    def __init__(self, catalog: Catalog) -> None:
        self.count = len(catalog)
        rows = [_words(catalog.table["title"], IN_TITLE)]
        for name in columns_of(catalog):
            series = catalog.table[name]
            if name in ("title", "price"):
                continue
            if series.dtype == pl.List(pl.String):
                series = series.list.join(" ")
            if series.dtype == pl.String:
                weight = IN_TEXT if name == "text" else IN_ATTRIBUTES
                rows.append(_words(series, weight))
        table = pl.concat(rows)
        unique = table["word"].unique(maintain_order=True)
        stems = pl.DataFrame({"word": unique, "stem": [stem(plain(one)) for one in unique]})
        table = (
            table.join(stems, on="word")
            .group_by("stem", "item")
            .agg(pl.col("weight").max())
            .sort("stem", "item")
        )
        names, counts = np.unique(table["stem"].to_numpy(), return_counts=True)
        self.words = {str(word): number for number, word in enumerate(names)}
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.items = table["item"].to_numpy().astype(np.int32)
        self.weights = table["weight"].to_numpy().astype(np.float32)
        self.rarity = np.log1p(self.count / np.maximum(counts, 1)).astype(np.float32)
        lengths = np.bincount(self.items, minlength=self.count)
        # Of two items with the same words asked for, the one that says less else.
        self.brevity = (1 / (8 + lengths)).astype(np.float32)
        # How many names each word ends: what ends many names says what a thing is.
        self.named = _named(catalog.table["title"])
        self.kinds = frozenset(self.named)
        self._catalog = catalog

    def commonest_kinds(self, most: int) -> list[str]:
        """Words that name a kind of product, the commonest first."""
        known = [word for word in self.kinds if word in self.words]
        return sorted(known, key=lambda one: (-self.named[one], one))[:most]

    def thing(self, words: Sequence[str]) -> str:
        """Which of some words says what the thing is, the others how it is; empty if none does."""
        named = [(self.named.get(stem(plain(one)), 0), one) for one in words]
        most = max((count for count, _ in named), default=0)
        # Red wine is wine, green tea is tea: the last word is the thing, if it names things at all.
        things = [one for count, one in named if most and count * HEAD >= most]
        return things[-1] if things else ""

    def having(self, words: Sequence[str]) -> int:
        """How many items have all of the words."""
        numbers = [self.words.get(stem(plain(word)), -1) for word in words]
        if not numbers or min(numbers) < 0:
            return 0
        lists = [self.items[self.starts[one] : self.starts[one + 1]] for one in numbers]
        lists.sort(key=len)
        found = lists[0]
        for other in lists[1:]:
            found = found[np.isin(found, other, assume_unique=True)]
        return len(found)

    def saying(self, words: Sequence[str]) -> np.ndarray:
        """Positions of the items that have any of the words, shape (items,), int64."""
        found = [self.words[one] for word in words if (one := stem(plain(word))) in self.words]
        lists = [self.items[self.starts[one] : self.starts[one + 1]] for one in found]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *lists]))

    @cached_property
    def speller(self) -> Speller:
        """Corrects to the shop's words."""
        counts = np.diff(self.starts)
        return Speller((word, int(counts[number])) for word, number in self.words.items())

    def search(self, words: Sequence[str], n: int, *, allowed: np.ndarray | None = None) -> Hits:
        """The n items with the most of the words, weighted by how rare each is.

        Args:
            allowed: bool over all items, shape (items,).
        """
        asked: dict[str, str] = {}
        for word in words:
            asked.setdefault(stem(plain(word)), word)
        known = [self.words[one] for one in asked if one in self.words]
        missing = tuple(word for one, word in asked.items() if one not in self.words)
        empty = Hits(np.zeros(0, np.int64), np.zeros(0, np.float32), missing)
        if not known:
            return empty
        scores, covered = self._scored(known)
        # Only the postings are looked at, never the whole catalogue.
        rarest = sorted(known, key=lambda one: self.starts[one + 1] - self.starts[one])
        found = (
            np.unique(
                np.concatenate(
                    [self.items[self.starts[one] : self.starts[one + 1]] for one in rarest]
                )
            )
            if len(rarest) > 1
            else self.items[self.starts[rarest[0]] : self.starts[rarest[0] + 1]]
        )
        if allowed is not None:
            found = found[allowed[found]]
        if not len(found):
            return empty
        whole = float(self.rarity[known].sum()) + len(missing) * float(np.log1p(self.count))
        best = float(covered[found].max())
        found = found[covered[found] >= best * 0.999]
        own = scores[found] + self.brevity[found]
        if len(found) > n:
            kept = np.argpartition(-own, n - 1)[:n]
            found, own = found[kept], own[kept]
        order = np.lexsort((found, -own))
        return Hits(found[order].astype(np.int64), own[order], missing, best / whole)

    def scored(self, words: Sequence[str], n: int) -> np.ndarray:
        """The n items that have most of the words, as any search box would order them."""
        return self._all_hits([stem(plain(word)) for word in words], n, None).items

    def like(self, item: int, n: int, *, allowed: np.ndarray | None = None) -> Hits:
        """The n items that share the most of an item's own words."""
        return self._all_hits(self.words_of(item), n, allowed)

    def words_of(self, item: int) -> tuple[str, ...]:
        """The words of an item's title and attributes."""
        one = self._catalog[item]
        said = [one.title]
        for value in one.attributes.values():
            if isinstance(value, str):
                said.append(value)
            elif isinstance(value, list | tuple):
                said += [str(part) for part in value]
        return tuple(dict.fromkeys(word for part in said for word in stems_of(part)))

    def _all_hits(self, words: Iterable[str], n: int, allowed: np.ndarray | None) -> Hits:
        known = [self.words[word] for word in words if word in self.words]
        if not known:
            return Hits(np.zeros(0, np.int64), np.zeros(0, np.float32))
        scores, _ = self._scored(known)
        if allowed is not None:
            scores[~allowed] = 0
        n = min(n, len(scores))
        kept = np.argpartition(-scores, n - 1)[:n]
        kept = kept[scores[kept] > 0]
        order = np.lexsort((kept, -scores[kept]))
        return Hits(kept[order].astype(np.int64), scores[kept][order])

    def _scored(self, known: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        scores, covered = np.zeros(self.count, np.float32), np.zeros(self.count, np.float32)
        for one in known:
            rows = slice(self.starts[one], self.starts[one + 1])
            items = self.items[rows]
            scores[items] += self.weights[rows] * self.rarity[one]
            covered[items] += self.rarity[one]
        return scores, covered


def _words(series: pl.Series, weight: float) -> pl.DataFrame:
    frame = pl.DataFrame({"said": series.str.head(_LONGEST_TEXT).str.to_lowercase()})
    return (
        frame.with_row_index("item")
        .with_columns(pl.col("said").str.extract_all(_WORDS).alias("word"))
        .drop("said")
        .explode("word", empty_as_null=True)
        .drop_nulls()
        .with_columns(pl.lit(weight, pl.Float32).alias("weight"))
    )


def _named(titles: pl.Series) -> dict[str, int]:
    """Stems of words that end the name of several items: the name stops at a comma or a dash."""
    frame = pl.DataFrame({"title": titles.str.to_lowercase()})
    named = frame.select(
        pl.col("title").str.extract(r"^([^,:;(/|]+?)(?:\s+[-–—].*|[,:;(/|].*)?$").alias("name")
    ).select(pl.col("name").str.extract(r"(\p{L}{3,})\s*$").alias("last"))
    counted = named.drop_nulls().group_by("last").len().filter(pl.col("len") >= KIND_ITEMS)
    found: dict[str, int] = {}
    for word, count in counted.iter_rows():
        one = stem(plain(word))
        found[one] = found.get(one, 0) + count
    return found
