"""Your own files: of interactions, of items, of users, whichever you have."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import polars as pl

from genrec.data.assemble import INTERACTION_COLUMNS, assemble, items_only
from genrec.data.catalog import ITEM_COLUMNS, Catalog
from genrec.data.dataset import Dataset
from genrec.data.media import MediaFolder
from genrec.data.rows import as_ids, found
from genrec.data.sources.files import TableFile, read_table
from genrec.data.sources.item_files import photos_by_id
from genrec.data.sources.promotions import read_promotions
from genrec.errors import ConfigError, InputError, nearest

log = logging.getLogger(__name__)

T = TypeVar("T")

_TIME_LIKE = ("timestamp", "date", "datetime", "created_at", "event_time", "ts")


def load(
    interactions: str | Path | None = None,
    items: str | Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    item_columns: Mapping[str, str] | None = None,
    media: str | Path | None = None,
    users: str | Path | None = None,
    promotions: Mapping[str, str | Path] | None = None,
    name: str | None = None,
    unknown: str = "error",
    time_unit: str | None = None,
    time_format: str | None = None,
    format: str | None = None,  # noqa: A002 - the word that users know
    separator: str | None = None,
    encoding: str = "utf-8",
) -> Dataset:
    """A data set of CSV, TSV, JSONL or Parquet files.

    Args:
        interactions: a file with ``user_id``, ``item_id`` and, if known, ``time``, ``basket_id``,
            ``kind``, ``part``. Where it is left out, or holds a header alone, nobody has chosen an
            item yet: enough for what needs no events, such as pretraining on pictures.
        items: a file with ``item_id``, ``title`` and, if known, ``text``, ``image``, ``audio``,
            ``video``, ``price``; every further column is an attribute. Without it items are known
            by their ids alone.
        columns: what the files call these columns: ``{"user_id": "customer", "time": "ts"}``.
        item_columns: the same for the items file, where it differs; attributes may have another
            name too: ``{"colour": "baseColour"}``.
        media: the folder, or zip archive, that ``image``, ``audio`` and ``video`` are paths in.
            Where the items have none of these columns, a photo is called as its item is:
            ``<item_id>.jpg``, ``.jpeg``, ``.png`` or ``.webp``.
        users: a file with ``user_id`` and attributes of users, such as a segment: what
            ``prompt.group_by`` may name.
        promotions: files of ``campaigns`` (``user_id``, ``campaign_id``: who was sent which) and
            ``coupon_redemptions`` (the same of who redeemed, ``coupon_upc`` and
            ``redemption_date`` if known), and of ``coupons`` (``coupon_upc``, ``item_id``).
        name: under which figures are printed; by default the name of the interactions file, or of
            the items file where there is no other.
        unknown: events of items that the items file lacks: ``error`` or ``drop``.
        time_unit, time_format: as in ``assemble``; numbers are seconds unless you say otherwise.
        format: of all files, where their endings do not say it.
        separator: of CSV files that do not use commas.
        encoding: of text files that are not UTF-8.

    Raises:
        ConfigError: an option or a column name that does not exist, or neither interactions nor
            items.
        InputError: every problem of the files, with line or row numbers.
    """
    files = _Files(dict(columns or {}), dict(item_columns or {}), format, separator, encoding)
    if interactions is None and items is None:
        raise ConfigError(
            "The data source 'tables' needs the option(s) interactions, a file of events, or items "
            "alone for what needs no events, such as pretraining on pictures."
        )
    problems: list[InputError] = []
    extras = _tried(
        lambda: read_promotions(promotions, files.table) if promotions else {}, problems
    )
    people = None if users is None else _tried(lambda: files.users(Path(users)), problems)
    events = None
    if interactions is not None:
        alone = items is None
        events = _tried(lambda: files.events(Path(interactions), needed=alone), problems)
    catalog = None if items is None else _tried(lambda: files.items(Path(items), media), problems)
    data = None
    if events is not None:
        table, rows = events.table, events.rows
        # A broken items file is reported together with what is wrong in the events alone.
        known = _catalog_of(table["item_id"]) if catalog is None else catalog
        data = _tried(
            lambda: assemble(
                known,
                table,
                name=name or Path(interactions or "").stem,
                unknown=unknown,
                time_unit=time_unit,
                time_format=time_format,
                rows=rows,
                user_table=people,
                extras=extras,
            ),
            problems,
            f"The interactions in {interactions} cannot be used.",
        )
    elif catalog is not None:
        bare = items_only(name or Path(items or "").stem, catalog)
        data = replace(bare, user_table=people, extras=extras or {})
    if data is not None and people is not None:
        _tried(lambda: _check_known(data, people, Path(users or "")), problems)
    if problems:
        raise _joined(problems)
    assert data is not None
    return data


@dataclass(frozen=True)
class _Files:
    """How the files are read, and what they call our columns."""

    columns: Mapping[str, str]
    item_columns: Mapping[str, str]
    format: str | None
    separator: str | None
    encoding: str

    def __post_init__(self) -> None:
        valid = (*INTERACTION_COLUMNS, *ITEM_COLUMNS)
        for key in self.columns:
            if key not in valid:
                raise ConfigError(f"The column mapping has '{key}'; {nearest(key, valid)}")

    def table(self, path: Path, *, may_be_empty: bool = False) -> TableFile:
        return read_table(
            path,
            format=self.format,
            separator=self.separator,
            encoding=self.encoding,
            may_be_empty=may_be_empty,
        )

    def events(self, path: Path, *, needed: bool) -> TableFile | None:
        """The events under our names; ``None`` for a header alone where they are not needed."""
        wanted = {key: self.columns.get(key, key) for key in INTERACTION_COLUMNS}
        required = ["user_id", "item_id", *(key for key in wanted if key in self.columns)]
        file = self.table(path, may_be_empty=not needed)
        file = _renamed(path, file, wanted, required=required)
        if file.table.height or needed:
            return file
        log.warning("%s has a header and no rows: nobody has chosen an item yet", path)
        return None

    def items(self, path: Path, media: str | Path | None) -> Catalog:
        file = self.table(path)
        wanted = {key: self.columns.get(key, key) for key in ITEM_COLUMNS}
        if wanted["item_id"] not in file.table.columns:
            wanted["item_id"] = "item_id"
        wanted.update(self.item_columns)
        mapped = {*self.item_columns, *(set(self.columns) - set(INTERACTION_COLUMNS))}
        required = ["item_id", "title", *(key for key in wanted if key in mapped)]
        file = _renamed(path, file, wanted, required=required, others=True)
        try:
            folder = None if media is None else MediaFolder.at(media)
            table = file.table if folder is None else _with_photos(file.table, folder)
            return Catalog(_attributes_typed(table), media=folder, rows=file.rows)
        except InputError as error:
            if not error.problems:
                raise
            raise InputError(f"The items in {path} cannot be used.", error.problems) from None

    def users(self, path: Path) -> pl.DataFrame:
        """``user_id``, once each, and what else the file says of them."""
        file = self.table(path)
        if not file.table.height:
            raise InputError(f"{path} has no rows. At least one user is needed.")
        own = self.columns.get("user_id", "user_id")
        own = own if own in file.table.columns else "user_id"
        if own not in file.table.columns:
            raise InputError(
                f"{path} has no column '{own}'; {nearest(own, file.table.columns)} Name it: "
                f"{_mapping('user_id', '…')}."
            )
        ids, problem = as_ids(file.table[own].alias("user_id"))
        problems = (
            [problem] if problem else found(ids.is_null(), None, "user_id is empty", file.rows)
        )
        repeated = ids.is_not_null() & ~ids.is_first_distinct()
        problems += found(
            repeated, ids, "user_id '{value}' stands in an earlier row too", file.rows
        )
        told = [column for column in file.table if column.name not in (own, "user_id")]
        problems += [
            f"column '{column.name}' holds {column.dtype}, not text or numbers"
            for column in told
            if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object)
        ]
        if problems:
            raise InputError(f"The users in {path} cannot be used.", problems)
        return _attributes_typed(pl.DataFrame([ids, *told]))


def _with_photos(items: pl.DataFrame, media: MediaFolder) -> pl.DataFrame:
    """The items and their files: those they name, or the photos that are called as they are."""
    table = photos_by_id(items, media)
    if table is not items and table["image"].null_count() == len(table):
        raise InputError(
            f"The items name no files: they have no column 'image', and {media.root} has no photo "
            f"that is called as an item is, such as '{items['item_id'][0]}.jpg'. Add the column, "
            "name another in item_columns, or leave media out."
        )
    return table


def _check_known(data: Dataset, people: pl.DataFrame, path: Path) -> None:
    """Says of how many users with events the file says nothing; refuses one that knows nobody."""
    known = set(people["user_id"])
    strange = [str(user) for user in data.users if user not in known]
    if strange and len(strange) == len(data.users):
        raise InputError(
            f"{path} has none of the {len(data.users):,} users of the events. Theirs are called "
            f"'{strange[0]}', those of the file '{people['user_id'][0]}'. Make the ids the same."
        )
    if strange:
        log.warning(
            "%s: %d of %d users are not in %s and have no attributes, such as '%s'",
            data.name,
            len(strange),
            len(data.users),
            path,
            strange[0],
        )


def _tried(make: Callable[[], T], problems: list[InputError], what: str = "") -> T | None:
    try:
        return make()
    except InputError as error:
        problems.append(InputError(what, error.problems) if what and error.problems else error)
        return None


def _joined(errors: list[InputError]) -> InputError:
    if len(errors) == 1:
        return errors[0]
    lines = []
    for error in errors:
        what = str(error).splitlines()[0]
        lines += [f"{what} {problem}" for problem in error.problems] or [what]
    return InputError(f"{len(errors)} files cannot be used.", lines)


def _renamed(
    path: Path,
    file: TableFile,
    names: Mapping[str, str],
    *,
    required: list[str],
    others: bool = False,
) -> TableFile:
    """The file's columns under our names; ``others`` keeps the rest as they are."""
    table = file.table
    missing = [key for key in dict.fromkeys(required) if names[key] not in table.columns]
    problems = [
        f"no column '{names[key]}' for {key}; {nearest(names[key], table.columns)}"
        for key in missing
    ]
    if problems:
        raise InputError(
            f"{path} lacks {len(problems)} column(s). Name the file's own columns: "
            f"{_mapping(missing[0], '…', items=others)}.",
            problems,
        )
    present = {key: name for key, name in names.items() if name in table.columns}
    picked = [table[name].alias(key) for key, name in present.items()]
    if others:
        used = {*present.values(), *present}
        picked += [column for column in table if column.name not in used]
    elif "time" not in present:
        like = [column for column in table.columns if column.lower() in _TIME_LIKE]
        if like:
            raise InputError(
                f"{path} has no column 'time' but '{like[0]}'. "
                f"Say {_mapping('time', like[0])}, "
                "or rename it if the order of the file is the order of events."
            )
        unused = [column for column in table.columns if column not in present.values()]
        log.warning(
            "%s has no column 'time': the order of its rows is taken as the order of events. %s",
            path,
            f"Columns not used: {', '.join(unused)}." if unused else "",
        )
    return TableFile(pl.DataFrame(picked), file.rows)


def _mapping(key: str, name: str, *, items: bool = False) -> str:
    """The option that maps a column, as recipes and as Python write it."""
    option = "item_columns" if items else "columns"
    return (
        f"{option}: {{{key}: {name}}} under data.options of a recipe, "
        f"{option}={{'{key}': '{name}'}} in Python"
    )


def _catalog_of(column: pl.Series) -> Catalog:
    ids, _ = as_ids(column.unique(maintain_order=True))
    return Catalog.of_ids(ids.drop_nulls())


def _attributes_typed(table: pl.DataFrame) -> pl.DataFrame:
    """Text attributes that are numbers, or true and false, throughout; ``007`` stays text."""
    numbers = []
    for column in table:
        if (
            column.dtype != pl.String
            or column.name in ITEM_COLUMNS
            or column.null_count() == len(column)
        ):
            continue
        if column.str.contains(r"^-?(0|[1-9]\d{0,17})$").all():
            numbers.append(column.cast(pl.Int64))
        elif column.str.contains(r"^-?(0|[1-9]\d{0,14})(\.\d{1,15})?$").all():
            numbers.append(column.cast(pl.Float64))
        elif column.str.contains("(?i)^(true|false)$").all():
            numbers.append(column.str.to_lowercase() == "true")
    return table.with_columns(numbers)
