"""Items and the catalogue that holds them. Knows nothing of users, files or models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import overload

import numpy as np
import polars as pl

from genrec.data.media import MediaFolder
from genrec.data.rows import TABLE_ROWS, RowNames, as_ids, found
from genrec.errors import ConfigError, InputError, nearest

# Columns that name a file of the item.
MEDIA_COLUMNS = ("image", "audio", "video")
ITEM_COLUMNS = ("item_id", "title", "text", *MEDIA_COLUMNS, "price")
# So many items are kept once made: those that are recommended come again and again.
MADE_ITEMS = 10_000


@dataclass(frozen=True, slots=True)
class Item:
    """One product: what a shopper can read, see and pay.

    Attributes:
        id: the shop's own id.
        title: short name, never empty.
        text: longer description, may be empty.
        image: path of a picture, relative to the catalogue's media folder.
        audio: of a sound, likewise.
        video: of a film, likewise.
        price: in the catalogue's currency; ``None`` when unknown.
        attributes: every further column, nulls left out (brand, category, colour, …).
    """

    id: str
    title: str
    text: str = ""
    image: str | None = None
    audio: str | None = None
    video: str | None = None
    price: float | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)

    def describe(self) -> str:
        """Title, attributes and text in one line, as encoders and prompts read it."""
        parts = [self.title, *(f"{name}: {value}" for name, value in self.attributes.items())]
        return ". ".join([*parts, self.text] if self.text else parts)


class Catalog(Sequence[Item]):
    """All items, in a fixed order; ``position`` is an item's row, 0-based.

    Args:
        table: columns ``item_id`` (string, unique), ``title`` and, optionally, ``text``,
            ``image``, ``audio``, ``video`` (paths in ``media``), ``price`` (float) and any
            attributes.
        media: where the items' files lie.
        rows: how messages name the rows; by default their 0-based number in the table.

    Raises:
        InputError: missing columns, duplicate or null ids, non-finite or negative prices,
            with row numbers.
    """

    def __init__(
        self,
        table: pl.DataFrame,
        *,
        media: MediaFolder | None = None,
        rows: RowNames = TABLE_ROWS,
    ) -> None:
        self.table = _checked(table, rows)
        self.media = media

    @staticmethod
    def of_ids(item_ids: Iterable[str]) -> Catalog:
        """A catalogue of bare ids, each its own title."""
        ids = pl.Series("item_id", item_ids, dtype=pl.String)
        return Catalog(pl.DataFrame({"item_id": ids, "title": ids}))

    @cached_property
    def ids(self) -> list[str]:
        """Item ids by position."""
        return self.table["item_id"].to_list()

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {item_id: position for position, item_id in enumerate(self.ids)}

    @property
    def attribute_names(self) -> list[str]:
        return [name for name in self.table.columns if name not in ITEM_COLUMNS]

    def position(self, item_id: str) -> int:
        """The row of an item.

        Raises:
            InputError: no item has that id.
        """
        try:
            return self._positions[item_id]
        except KeyError:
            hint = nearest(str(item_id), self.ids[:20000]) if len(self) < 20000 else ""
            raise InputError(f"The catalogue has no item '{item_id}'. {hint}".strip()) from None

    def positions(self, item_ids: Sequence[str]) -> np.ndarray:
        """Rows of several items, shape (items,), int32.

        Raises:
            InputError: lists every id that the catalogue lacks.
        """
        unknown = [item_id for item_id in item_ids if item_id not in self._positions]
        if unknown:
            raise InputError(
                f"{len(unknown)} of {len(item_ids)} items are not in the catalogue. "
                "Leave them out or add them to the catalogue.",
                [f"unknown item '{item_id}'" for item_id in unknown],
            )
        return np.fromiter((self._positions[i] for i in item_ids), np.int32, len(item_ids))

    def has(self, item_id: str) -> bool:
        """Whether an item has this id."""
        return item_id in self._positions

    def __contains__(self, item: object) -> bool:
        return (item.id if isinstance(item, Item) else item) in self._positions

    def __len__(self) -> int:
        return self.table.height

    @overload
    def __getitem__(self, key: int | str) -> Item: ...

    @overload
    def __getitem__(self, key: slice) -> list[Item]: ...

    def __getitem__(self, key: int | str | slice) -> Item | list[Item]:
        """The item at a position (int), with an id (str), or the items of a slice."""
        if isinstance(key, slice):
            return [self[i] for i in range(*key.indices(len(self)))]
        position = self.position(key) if isinstance(key, str) else int(key)
        if not -len(self) <= position < len(self):
            raise IndexError(f"position {position} of a catalogue of {len(self)} items")
        position %= len(self)
        if position in self._made:
            return self._made[position]
        row = self.table.row(position, named=True)
        attributes = {
            name: row[name] for name in self.attribute_names if row[name] not in (None, [], "")
        }
        item = Item(
            id=row["item_id"],
            title=row["title"],
            text=row.get("text") or "",
            **{name: row.get(name) or None for name in MEDIA_COLUMNS},
            price=row.get("price"),
            attributes=MappingProxyType(attributes),
        )
        if len(self._made) < MADE_ITEMS:
            self._made[position] = item
        return item

    @cached_property
    def _made(self) -> dict[int, Item]:
        return {}

    def __iter__(self) -> Iterator[Item]:
        return (self[position] for position in range(len(self)))

    def take(self, positions: Sequence[int] | np.ndarray) -> Catalog:
        """A catalogue of these rows, in this order."""
        return Catalog(self.table[np.asarray(positions, dtype=np.int64)], media=self.media)

    def files(self, column: str) -> list[str | None]:
        """Names of the items' files of one kind (``image``, ``audio``, ``video``), by position."""
        if column not in self.table.columns:
            return [None] * len(self)
        return [name or None for name in self.table[column]]

    def texts(self, fields: Sequence[str] | None = None) -> list[str]:
        """What each item says, by position; empty where it says nothing.

        Args:
            fields: ``title``, ``text``, ``price`` or names of attributes, in the order in which
                they are read; ``None`` reads ``Item.describe()``.

        Raises:
            ConfigError: the catalogue lacks a field.
        """
        if fields is None:
            return [item.describe().strip() for item in self]
        valid = ["title", "text", "price", *self.attribute_names]
        unknown = [name for name in fields if name not in valid]
        if unknown:
            raise ConfigError(
                f"The catalogue has no field '{unknown[0]}'; {nearest(unknown[0], valid)}"
            )
        return [_read_fields(item, fields) for item in self]

    def with_media(self, media: MediaFolder | None) -> Catalog:
        """The same items with their files elsewhere."""
        return Catalog(self.table, media=media)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the content, equal on every machine."""
        digest = hashlib.sha256("|".join(self.table.columns).encode())
        for column in self.table:
            digest.update(str(column.to_list()).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Catalog({len(self):,} items; {', '.join(self.table.columns)})"


def _read_fields(item: Item, fields: Sequence[str]) -> str:
    own = {"title": item.title, "text": item.text, "price": item.price}
    values = [own[name] if name in own else item.attributes.get(name) for name in fields]
    return ". ".join(str(value).strip() for value in values if value not in (None, "", []))


def _checked(table: pl.DataFrame, rows: RowNames) -> pl.DataFrame:
    missing = [name for name in ("item_id", "title") if name not in table.columns]
    if missing:
        raise InputError(
            f"The catalogue lacks the column(s) {', '.join(missing)}; it has "
            f"{', '.join(table.columns) or 'none'}. Name them in the column mapping."
        )
    ids, problem = as_ids(table["item_id"])
    problems = [problem] if problem else found(ids.is_null(), None, "item_id is empty", rows)
    repeated = ids.is_not_null() & ~ids.is_first_distinct()
    problems += found(repeated, ids, "item_id '{value}' stands in an earlier row too", rows)
    columns = [ids]
    for name in ("title", "text", *MEDIA_COLUMNS):
        if name in table.columns:
            column = table[name]
            if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
                problems.append(f"column '{name}' holds {column.dtype}, not text")
            else:
                columns.append(column.cast(pl.String))
    if "price" in table.columns:
        price, more = _prices(table["price"], rows)
        problems += more
        columns.append(price)
    if problems:
        raise InputError(f"The catalogue has {len(problems)} problem(s).", problems)
    return table.with_columns(columns).with_columns(
        pl.when(pl.col("title").fill_null("").str.strip_chars() == "")
        .then(pl.col("item_id"))
        .otherwise(pl.col("title"))
        .alias("title")
    )


def _prices(column: pl.Series, rows: RowNames) -> tuple[pl.Series, list[str]]:
    if not (column.dtype.is_numeric() or column.dtype in (pl.String, pl.Null)):
        return column, [f"column 'price' holds {column.dtype}, not numbers"]
    price = column.cast(pl.Float64, strict=False)
    bad = column.is_not_null() & (price.is_null() | ~price.is_finite() | (price < 0)).fill_null(
        value=True
    )
    return price, found(bad, column, "price is {value}, not a finite number of at least 0", rows)
