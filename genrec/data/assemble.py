"""One table of interactions and a catalogue, checked and sorted into a ``Dataset``."""

from __future__ import annotations

import logging

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.rows import TABLE_ROWS, TIME_UNITS, RowNames, as_ids, as_times, found
from genrec.data.sequences import EVENT_KINDS, kind_number
from genrec.errors import ConfigError, InputError, nearest

__all__ = ["INTERACTION_COLUMNS", "PARTS", "assemble", "in_order", "items_only"]

log = logging.getLogger(__name__)

INTERACTION_COLUMNS = ("user_id", "item_id", "time", "basket_id", "kind", "part")
PARTS = ("train", "validation", "test")
UNKNOWN = ("error", "drop")


def assemble(
    catalog: Catalog,
    interactions: pl.DataFrame,
    *,
    name: str = "own",
    unknown: str = "error",
    time_unit: str | None = None,
    time_format: str | None = None,
    rows: RowNames = TABLE_ROWS,
    user_table: pl.DataFrame | None = None,
    extras: dict[str, pl.DataFrame] | None = None,
) -> Dataset:
    """A data set of these interactions; users are numbered as they first appear.

    Args:
        interactions: columns ``user_id``, ``item_id`` and, where known, ``time``, ``basket_id``
            ``kind`` (of ``EVENT_KINDS``) and ``part`` (of a published split); further columns are
            left out. Without ``time`` the order of the rows is the order of events.
        unknown: what to do with events whose item the catalogue lacks: ``error``, or ``drop``
            them and log how many.
        time_unit: of numeric times: ``s``, ``ms``, ``us``, ``ns``. Numbers are never guessed at:
            left out, they are seconds, and values that as seconds lie outside 1900 to 2200, or
            that look like ``20240531``, are problems.
        time_format: of times in text, as ``strptime`` takes it; left out, ISO 8601 or numbers.
            Times without a zone are UTC.
        rows: how messages name the rows; by default their 0-based number in the table.

    Raises:
        ConfigError: an option that does not exist.
        InputError: every problem found, with row numbers.
    """
    _check_options(unknown, time_unit)
    missing = [column for column in ("user_id", "item_id") if column not in interactions.columns]
    if missing:
        raise InputError(
            f"The interactions of {name} lack the column(s) {', '.join(missing)}; there are "
            f"{', '.join(interactions.columns) or 'none'}. Name them in the column mapping."
        )
    if not interactions.height:
        raise InputError(f"The interactions of {name} are empty. At least one event is needed.")

    users, user, problems = _numbered(interactions["user_id"], rows)
    item, more = _positions(interactions["item_id"], catalog, unknown, rows)
    problems += more
    columns = {"user": user, "item": item}
    if "time" in interactions.columns:
        columns["time"], more = as_times(
            interactions["time"], rows, unit=time_unit, pattern=time_format
        )
        problems += more
    else:
        others = [column for column in interactions.columns if column not in INTERACTION_COLUMNS]
        log.info(
            "%s has no time column: the order of its rows is the order of events%s",
            name,
            f" (columns left out: {', '.join(others)})" if others else "",
        )
    if "basket_id" in interactions.columns:
        _, columns["basket"], more = _numbered(interactions["basket_id"], rows)
        problems += more
    if "kind" in interactions.columns:
        columns["kind"] = _kinds(interactions["kind"], name)
    if "part" in interactions.columns:
        columns["part"], more = _parts(interactions["part"], rows)
        problems += more
    if problems:
        raise InputError(f"The interactions of {name} have {len(problems)} problem(s).", problems)

    events = pl.DataFrame([column.alias(label) for label, column in columns.items()])
    known = events["item"].is_not_null()
    if not known.all():
        log.warning("%s: %d events with unknown items dropped", name, int((~known).sum()))
        events = events.filter(known)
        if not events.height:
            raise InputError(f"No event of {name} has an item that is in the catalogue.")
        users, events = _renumbered(users, events)
    return Dataset(
        name=name,
        catalog=catalog,
        users=users,
        events=in_order(events),
        user_table=user_table,
        extras=extras or {},
    )


def items_only(name: str, catalog: Catalog) -> Dataset:
    """A data set of items that nobody has chosen yet."""
    nobody: np.ndarray = np.array([], dtype=object)
    events = pl.DataFrame(schema={"user": pl.UInt32, "item": pl.UInt32})
    return Dataset(name, catalog, nobody, events)


def _check_options(unknown: str, time_unit: str | None) -> None:
    if unknown not in UNKNOWN:
        raise ConfigError(f"unknown is '{unknown}'; {nearest(unknown, UNKNOWN)}")
    if time_unit is not None and time_unit not in TIME_UNITS:
        raise ConfigError(f"time_unit is '{time_unit}'; {nearest(time_unit, TIME_UNITS)}")


def _numbered(column: pl.Series, rows: RowNames) -> tuple[np.ndarray, pl.Series, list[str]]:
    """Distinct ids as they first appear, each row's number among them, and the problems."""
    distinct = column.unique(maintain_order=True)
    ids, problem = as_ids(distinct)
    keys = pl.DataFrame({"key": distinct, "id": ids})
    if problem:
        return np.zeros(0, object), pl.Series([0] * len(column), dtype=pl.UInt32), [problem]
    named = keys.filter(pl.col("id").is_not_null())
    numbers = named.select("key", number=pl.int_range(pl.len(), dtype=pl.UInt32))
    number = _looked_up(column, numbers)
    problems = found(number.is_null(), None, f"{column.name} is empty", rows)
    return np.array(named["id"].to_list(), dtype=object), number, problems


def _positions(
    column: pl.Series, catalog: Catalog, unknown: str, rows: RowNames
) -> tuple[pl.Series, list[str]]:
    distinct = column.unique(maintain_order=True)
    ids, problem = as_ids(distinct)
    if problem:
        return pl.Series([0] * len(column), dtype=pl.UInt32), [problem]
    places = pl.DataFrame(
        {"id": catalog.table["item_id"], "number": pl.int_range(len(catalog), eager=True)}
    ).with_columns(pl.col("number").cast(pl.UInt32))
    keys = pl.DataFrame({"key": distinct, "id": ids})
    known = keys.join(places, on="id", how="inner").select("key", "number")
    position = _looked_up(column, known)
    blank = keys.filter(pl.col("id").is_null() & pl.col("key").is_not_null())["key"]
    empty = column.is_null()
    if len(blank):
        empty |= column.is_in(blank.implode()).fill_null(value=False)
    problems = found(empty, None, "item_id is empty", rows)
    if unknown == "error":
        strange = position.is_null() & ~empty
        what = "item '{value}' is not in the catalogue (add it, or pass unknown='drop')"
        problems += found(strange, column, what, rows)
    return position, problems


def _looked_up(column: pl.Series, numbers: pl.DataFrame) -> pl.Series:
    """Each row's number by its key, null where there is none."""
    frame = pl.DataFrame({"key": column})
    return frame.join(numbers, on="key", how="left", maintain_order="left")["number"]


def _kinds(column: pl.Series, name: str) -> pl.Series:
    """The kinds by their plain words, null where nobody said or in words that are not known."""
    words = column.cast(pl.String)
    words = words.set(words.str.strip_chars() == "", None)
    numbers = {word: kind_number(word) for word in words.drop_nulls().unique()}
    plain = {word: EVENT_KINDS[number - 1] for word, number in numbers.items() if number}
    kinds = words.replace_strict(plain, default=None, return_dtype=pl.String)
    strange = words.filter(words.is_not_null() & kinds.is_null())
    if len(strange):
        log.warning(
            "%s: %d events are of a kind such as '%s', which is not known; known are %s",
            name,
            len(strange),
            strange[0],
            ", ".join(EVENT_KINDS),
        )
    return kinds


def _parts(column: pl.Series, rows: RowNames) -> tuple[pl.Series, list[str]]:
    part = column.cast(pl.String)
    part = part.replace({"valid": "validation", "val": "validation", "dev": "validation"})
    wrong = ~part.is_in(list(PARTS)).fill_null(value=False)
    return part, found(wrong, column, f"part is '{{value}}', not one of {', '.join(PARTS)}", rows)


def _renumbered(users: np.ndarray, events: pl.DataFrame) -> tuple[np.ndarray, pl.DataFrame]:
    """Only users with events, in the same order."""
    user = events["user"].to_numpy()
    kept = np.bincount(user, minlength=len(users)) > 0
    numbers = np.cumsum(kept, dtype=np.uint32) - np.uint32(1)
    return users[kept], events.with_columns(pl.Series("user", numbers[user]))


def in_order(events: pl.DataFrame) -> pl.DataFrame:
    """Events by user, then time, stable; a basket's together, where the basket begins.

    Baskets are numbered anew within each user.
    """
    if "basket" not in events.columns:
        keys = [key for key in ("user", "time") if key in events.columns]
        return events.sort(keys, maintain_order=True)
    timed = "time" in events.columns
    owner = ["user", "basket"]
    events = events.with_row_index("row_").with_columns(
        (pl.col("time").min().over(owner) if timed else pl.lit(0)).alias("begin_"),
        pl.col("row_").min().over(owner).alias("first_"),
    )
    events = events.sort(["user", "begin_", "first_", *(["time"] if timed else []), "row_"])
    user, first = events["user"].to_numpy(), events["first_"].to_numpy()
    new_user = np.concatenate([[True], user[1:] != user[:-1]])
    new_basket = new_user | np.concatenate([[True], first[1:] != first[:-1]])
    number = np.cumsum(new_basket) - 1
    number -= number[new_user][np.cumsum(new_user) - 1]
    return events.drop("row_", "begin_", "first_").with_columns(
        pl.Series("basket", number.astype(np.uint32))
    )
