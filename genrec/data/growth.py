"""New events, and the items that come with them, appended to a data set that is in use.

Items and users keep their numbers: new ones follow behind. A file is judged whole, and every kind
of problem is told with how often it occurs and what can be done about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from genrec.data.assemble import assemble, in_order
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.growth_files import Choices, new_events, new_items
from genrec.data.rows import as_ids, as_times
from genrec.data.sources.files import TableFile
from genrec.errors import ConfigError, InputError

SHOWN = 5

T = TypeVar("T")


@dataclass(frozen=True)
class Growth:
    """A data set before and after new events.

    Attributes:
        before: as it was.
        after: with the new events; the items and users of ``before`` have the same numbers.
        fresh: which events of ``after`` are new, bool, shape (events,).
        notes: what was left out or passed over, for people.
    """

    before: Dataset
    after: Dataset
    fresh: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def new_items(self) -> Catalog:
        """The items that were not there before."""
        return self.after.catalog.take(np.arange(len(self.before.catalog), len(self.after.catalog)))

    def before_on(self, catalog: Catalog) -> Dataset:
        """The events before, over a larger catalogue."""
        return replace(self.before, catalog=catalog)

    @property
    def new_users(self) -> int:
        return len(self.after.users) - len(self.before.users)

    @property
    def fresh_counts(self) -> np.ndarray:
        """New events of each user, shape (users,), int64."""
        owners = self.after.events["user"].to_numpy()[self.fresh]
        counts: np.ndarray = np.bincount(owners, minlength=len(self.after.users))
        return counts


def grow(
    dataset: Dataset,
    events: Path,
    items: Path | None = None,
    choices: Choices | None = None,
    *,
    forgotten: Callable[[Iterable[object]], set[str]] = lambda _users: set(),
) -> Growth:
    """A data set with the events of a file, and the items of another, appended.

    Args:
        events: CSV, TSV, JSONL or Parquet with ``user_id``, ``item_id`` and what else the data
            set's events have (``time``, ``basket_id``).
        items: of new items, with ``item_id``, ``title`` and the catalogue's other columns. Items
            that the catalogue has already stay as they are.
        forgotten: of users, those whose events are left out.

    Raises:
        ConfigError: the data set has a published split, in which new events have no place.
        InputError: every problem of both files at once.
    """
    chosen = choices or Choices()
    if dataset.published or "part" in dataset.events.columns:
        raise ConfigError(
            f"{dataset.name} has a published split, in which new events have no part. Make a run "
            "of all its events with another split first."
        )
    problems: list[str] = []
    notes: list[str] = []
    new = None
    if items is not None:
        new = _tried(lambda: new_items(dataset.catalog, items, chosen, notes), problems)
    file = _tried(lambda: new_events(dataset, events, chosen, notes), problems)
    if file is None:
        raise _refused(events, items, problems)
    catalog = dataset.catalog if new is None else joined(dataset.catalog, new)
    file = _without_forgotten(file, forgotten, notes)
    file, catalog = _sifted(dataset, catalog, file, chosen, problems, notes)
    if not file.table.height:
        raise _refused(events, items, problems)
    later = _tried(
        lambda: assemble(
            catalog,
            file.table,
            name=dataset.name,
            unknown="drop",
            time_unit=chosen.time_unit,
            time_format=chosen.time_format,
            rows=file.rows,
        ),
        problems,
    )
    if problems or later is None:
        raise _refused(events, items, problems)
    return _appended(dataset, later, notes)


def joined(catalog: Catalog, new: Catalog) -> Catalog:
    """A catalogue with further items behind its own."""
    return Catalog(pl.concat([catalog.table, new.table]), media=catalog.media)


def _tried(read: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return read()
    except InputError as error:
        problems += error.problems or str(error).splitlines()
        return None


def _refused(events: Path, items: Path | None, problems: list[str]) -> InputError:
    files = f"{events.name}" if items is None else f"{events.name} and {items.name}"
    return InputError(
        f"{files} cannot be added to the run: {len(problems)} problem(s). Nothing was changed.",
        problems,
    )


def _without_forgotten(
    file: TableFile, forgotten: Callable[[Iterable[object]], set[str]], notes: list[str]
) -> TableFile:
    users, _ = as_ids(file.table["user_id"])
    gone = users.is_in(list(forgotten(users.drop_nulls().unique()))).fill_null(value=False)
    if not gone.any():
        return file
    notes.append(f"{int(gone.sum()):,} events of users who asked to be forgotten are left out")
    return TableFile(file.table.filter(~gone), file.rows.of((~gone).arg_true()))


def _sifted(
    dataset: Dataset,
    catalog: Catalog,
    file: TableFile,
    choices: Choices,
    problems: list[str],
    notes: list[str],
) -> tuple[TableFile, Catalog]:
    """The events that are to be added, and the catalogue that they need."""
    table = file.table
    users, _ = as_ids(table["user_id"])
    ids, _ = as_ids(table["item_id"])
    keep = pl.Series([True] * table.height)
    if "time" in table.columns:
        times, _ = as_times(
            table["time"], file.rows, unit=choices.time_unit, pattern=choices.time_format
        )
        known = _known(dataset, users, ids, times)
        if known.any():
            notes.append(f"{int(known.sum()):,} events are in the run already and are passed over")
        keep &= ~known
        keep &= ~_late(dataset, times, keep, file, choices, problems, notes)
    strange = keep & ids.is_not_null() & ~ids.is_in(catalog.ids)
    if strange.any():
        names = ids.filter(strange).unique(maintain_order=True)
        listed = ", ".join(f"'{name}'" for name in names.head(SHOWN))
        listed += ", …" if len(names) > SHOWN else ""
        what = f"{int(strange.sum()):,} events are of {len(names):,} items that the catalogue lacks"
        if choices.unknown != "add":
            keep &= ~strange
        if choices.unknown == "error":
            problems.append(
                f"{what} ({listed}). Describe the items in a file (--items), leave the events out "
                "(--unknown drop), or take the items by their ids alone (--unknown add)"
            )
        elif choices.unknown == "drop":
            notes.append(f"{what} ({listed}): left out")
        else:
            bare = pl.DataFrame({"item_id": names, "title": names})
            rest = [
                pl.Series(name, [None] * len(names), dtype=kind)
                for name, kind in catalog.table.schema.items()
                if name not in bare.columns
            ]
            bare = bare.with_columns(rest).select(catalog.table.columns)
            catalog = joined(catalog, Catalog(bare, media=catalog.media))
            notes.append(f"{what} ({listed}): added by their ids alone")
    if not keep.any() and not problems:
        passed = "; ".join(notes) or "the run has them all already"
        problems.append(f"no event is left to add: {passed}")
    return TableFile(table.filter(keep), file.rows.of(keep.arg_true())), catalog


def _known(dataset: Dataset, users: pl.Series, ids: pl.Series, times: pl.Series) -> pl.Series:
    """Which rows are events that the data set has: same user, item and time."""
    names = pl.Series([str(user) for user in dataset.users], dtype=pl.String)
    there = dataset.events.select(
        names.gather(dataset.events["user"]).alias("user"),
        dataset.catalog.table["item_id"].gather(dataset.events["item"]).alias("item"),
        "time",
    ).unique()
    given = pl.DataFrame({"user": users, "item": ids, "time": times})
    marked = given.join(
        there.with_columns(known_=pl.lit(value=True)),
        on=["user", "item", "time"],
        how="left",
        maintain_order="left",
    )
    return marked["known_"].fill_null(value=False)


def _late(
    dataset: Dataset,
    times: pl.Series,
    keep: pl.Series,
    file: TableFile,
    choices: Choices,
    problems: list[str],
    notes: list[str],
) -> pl.Series:
    """Which events are to be left out because they come before the last known one."""
    nothing = pl.Series([False] * len(times))
    if not len(dataset):
        return nothing
    last = int(dataset.events["time"].to_numpy().max())
    late = keep & (times < last).fill_null(value=False)
    if not late.any():
        return nothing
    first = file.rows(int(late.arg_true()[0]))
    moment = datetime.fromtimestamp(last, tz=UTC)
    what = (
        f"{int(late.sum()):,} events are from before the last known event "
        f"({moment:%Y-%m-%d %H:%M:%S} UTC), the first in {first}"
    )
    if choices.late == "error":
        problems.append(
            f"{what}. Keep them in their place in time (--late keep), or leave them out "
            "(--late drop)"
        )
        return nothing
    notes.append(f"{what}: {'kept' if choices.late == 'keep' else 'left out'}")
    return late if choices.late == "drop" else nothing


def _appended(dataset: Dataset, later: Dataset, notes: list[str]) -> Growth:
    """Both data sets as one; items are numbered alike already."""
    numbers = {str(user): row for row, user in enumerate(dataset.users)}
    added = [str(user) for user in later.users if str(user) not in numbers]
    numbers |= {user: len(dataset.users) + place for place, user in enumerate(added)}
    mapped = np.array([numbers[str(user)] for user in later.users], np.uint32)
    new = later.events.with_columns(pl.Series("user", mapped[later.events["user"].to_numpy()]))
    if "basket" in dataset.events.columns:
        opened = np.zeros(len(numbers), np.uint32)
        old = dataset.events
        np.maximum.at(opened, old["user"].to_numpy(), old["basket"].to_numpy() + 1)
        behind = new["basket"].to_numpy() + opened[new["user"].to_numpy()]
        new = new.with_columns(pl.Series("basket", behind.astype(np.uint32)))
    columns = dataset.events.columns
    if "kind" in columns and "kind" not in new.columns:
        new = new.with_columns(kind=pl.lit(None, pl.String))
    events = in_order(
        pl.concat(
            [
                dataset.events.with_columns(fresh_=pl.lit(value=False)),
                new.select(columns).with_columns(fresh_=pl.lit(value=True)),
            ]
        )
    )
    after = replace(
        dataset,
        catalog=later.catalog,
        users=np.array([*map(str, dataset.users), *added], dtype=object),
        events=events.drop("fresh_"),
    )
    return Growth(dataset, after, events["fresh_"].to_numpy(), tuple(notes))
