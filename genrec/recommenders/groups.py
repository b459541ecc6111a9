"""Which group a history belongs to: a segment of users, a user, or a domain of items.

Knows tables, not how segments are found.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.reading import reading
from genrec.data.sequences import History
from genrec.errors import ArtefactError, ConfigError, nearest

FILE = "groups.json"
NO_GROUP = -1
# What recipes call the segments of users' profiles; the stages put them into a column of this name.
PROFILE_SEGMENTS = "profile_segments"
MOST = 100_000
"""Groups at most: each has rows or an adapter of its own."""


@dataclass(frozen=True)
class HistoryGroups:
    """Groups by number, and what tells a history's.

    Attributes:
        names: of the groups, plain enough for tokens and folders, in the order of their values.
        by_user: group of each user that has one, by user id.
        by_item: group of each item, shape (items,), ``NO_GROUP`` for none; empty when users decide.
    """

    names: tuple[str, ...] = ()
    by_user: Mapping[str, int] = field(default_factory=dict)
    by_item: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))

    @staticmethod
    def of(dataset: Dataset, column: str) -> HistoryGroups:
        """The groups that a column names; none if it is empty.

        Raises:
            ConfigError: there is no such column, or it has too many values.
        """
        if not column:
            return HistoryGroups()
        users, items = dataset.user_table, dataset.catalog.table
        if column == "user_id":
            ids = [str(user) for user in dataset.users]
            values, numbers = _numbered(pl.Series(ids), column)
            return HistoryGroups(plain_names(values), dict(zip(ids, numbers, strict=True)))
        if users is not None and column in users.columns:
            values, numbers = _numbered(users[column], column)
            known = zip(users["user_id"].cast(pl.String).to_list(), numbers, strict=True)
            return HistoryGroups(
                plain_names(values), {user: n for user, n in known if n != NO_GROUP}
            )
        if column in items.columns:
            values, numbers = _numbered(items[column], column)
            return HistoryGroups(plain_names(values), {}, np.array(numbers, np.int32))
        if column == PROFILE_SEGMENTS:
            raise ConfigError(
                f"prompt.group_by is '{column}', which recipes alone find. Put a column of "
                "segments into the table of users and name that."
            )
        told = [] if users is None else users.columns
        known_columns = [*told, *items.columns, PROFILE_SEGMENTS]
        raise ConfigError(
            f"prompt.group_by is '{column}', which is no column of users or items; "
            f"{nearest(column, known_columns)}"
        )

    def number(self, history: History, start: int = 0) -> int:
        """The group of a history, or ``NO_GROUP``.

        Args:
            start: the first event that is written out. It decides, since it is never what is
                guessed: the latest would give away in training what comes next.
        """
        if len(self.by_item):
            return int(self.by_item[history.items[start]]) if start < len(history) else NO_GROUP
        return self.by_user.get(history.user, NO_GROUP)

    @property
    def fingerprint(self) -> str:
        """A hash of the content; empty without groups."""
        if not self.names:
            return ""
        digest = hashlib.sha256(json.dumps([self.names, dict(self.by_user)]).encode())
        digest.update(self.by_item.tobytes())
        return digest.hexdigest()[:16]

    def write(self, folder: Path) -> None:
        """Writes users and names; items are told by their catalogue."""
        about = {
            "names": self.names,
            "by_user": self.by_user,
            "by_item": self.by_item.tolist(),
        }
        (folder / FILE).write_text(json.dumps(about))

    @staticmethod
    def read(folder: Path, catalog: Catalog) -> HistoryGroups:
        """Reads what ``write`` wrote.

        Raises:
            ArtefactError: the file is damaged or of another catalogue.
        """
        with reading(folder / FILE, "groups"):
            about = json.loads((folder / FILE).read_text())
            by_item = np.array(about["by_item"], np.int32)
            groups = HistoryGroups(tuple(about["names"]), about["by_user"], by_item)
        if len(by_item) not in (0, len(catalog)):
            raise ArtefactError(
                f"{folder} has the groups of {len(by_item):,} items, the catalogue {len(catalog):,}"
            )
        return groups


def _numbered(column: pl.Series, name: str) -> tuple[list[str], list[int]]:
    """The distinct values in order, and the number of each row's value."""
    texts = column.cast(pl.String)
    values = sorted(texts.drop_nulls().unique().to_list())
    if len(values) > MOST:
        raise ConfigError(
            f"prompt.group_by is '{name}', which has {len(values):,} values; {MOST:,} is the most."
        )
    numbers = {value: number for number, value in enumerate(values)}
    return values, [NO_GROUP if text is None else numbers[text] for text in texts.to_list()]


def plain_names(values: Sequence[str]) -> tuple[str, ...]:
    """Distinct names of letters, digits and dashes, one for each value."""
    names: list[str] = []
    taken = {"", "default"}
    for value in values:
        plain = stem = re.sub(r"\W+", "-", value.casefold()).strip("-") or "group"
        number = 2
        while plain in taken:
            plain, number = f"{stem}-{number}", number + 1
        taken.add(plain)
        names.append(plain)
    return tuple(names)
