"""Feedback that is kept: SQLite by default, PostgreSQL by a URL. Knows ids, not catalogues.

An event that was acknowledged is on the disk. Posting it again changes nothing, so a client that
got no answer may always repeat.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from genrec.errors import ConfigError, InputError, StorageError
from genrec.serving.postgres import PostgresConnection
from genrec.workspace import storage_errors

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Event:
    """One user chose one item.

    Attributes:
        id: the client's own; equal ids are one event.
        kind: such as ``view`` or ``buy``.
        time: seconds since 1970; a store fills in its own clock where there is none.
    """

    id: str
    user: str
    item: str
    kind: str = "choose"
    time: int | None = None

    @property
    def row(self) -> tuple[str, str, str, str, int]:
        """What a store keeps."""
        now = int(time.time()) if self.time is None else self.time
        return self.id, self.user, self.item, self.kind, now


class EventStore(ABC):
    """Keeps events. Safe to share between threads."""

    @abstractmethod
    def append(self, events: Sequence[Event]) -> int:
        """Keeps events for good, all or none, and returns how many were new.

        Raises:
            InputError: an id is taken by another event; all such are listed.
            StorageError: they could not be written.
        """

    @abstractmethod
    def history(self, user: str) -> list[Event]:
        """A user's events by time; those of equal times in the order of arrival."""

    def short_history(self, user: str, most: int) -> list[Event] | None:  # noqa: ARG002
        """The same where it comes within a fraction of a millisecond, waiting for no other work.

        Returns:
            At most so many events, all of the user; ``None`` where there are more, or where the
            store would have to be waited for.
        """
        return None

    @abstractmethod
    def forget(self, user: str) -> int:
        """Removes a user's events for good, and returns how many there were."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def check(self) -> None:
        """Raises ``StorageError`` when the store cannot be reached."""

    @abstractmethod
    def close(self) -> None:
        """Ends all work with the store."""


def open_events(url: str) -> EventStore:
    """A store by its URL: ``sqlite:///path/to/file`` or ``postgresql://user@host/database``.

    Raises:
        ConfigError: no store has such a URL.
        MissingExtra: PostgreSQL without psycopg.
        StorageError: it cannot be opened.
    """
    kind, found, place = url.partition("://")
    if found and kind == "sqlite" and place.strip("/"):
        return SqliteEvents(Path(place.removeprefix("/")))
    if found and kind in ("postgresql", "postgres"):
        return PostgresEvents(url)
    # A URL may hold a password, so only its beginning is repeated.
    begins = f"begins with '{kind}://'" if found else "is no URL"
    raise ConfigError(
        f"The store of events {begins}. What is known here: sqlite:///events.sqlite, "
        "sqlite:////an/absolute/path and postgresql://user@host/database (--events)."
    )


def _unlike(
    kept: Iterable[Event],
    posted: Sequence[Event],
    what: str = "was posted before with another content",
) -> list[str]:
    by_id = {event.id: event for event in kept}
    return [
        f"event '{event.id}' {what}"
        for event in posted
        if event.id in by_id and not _same(by_id[event.id], event)
    ]


def _same(kept: Event, posted: Event) -> bool:
    # A repeated event that left the time to us must not differ by our clock.
    return kept == (replace(posted, time=kept.time) if posted.time is None else posted)


def _distinct(events: Sequence[Event]) -> list[Event]:
    """Each id once; the same id twice with unlike contents is an error."""
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.id, event)
    _refuse(_unlike(first.values(), events, "stands in this request twice, with unlike contents"))
    return list(first.values())


def _refuse(problems: list[str]) -> None:
    if problems:
        raise InputError(
            f"{len(problems)} event(s) have the id of another event; nothing was kept. "
            "Give each event an id of its own.",
            problems,
        )


# Put into statements below; whatever comes from outside is bound, never written into one.
_COLUMNS = "id, user_id, item_id, kind, time"


class SqliteEvents(EventStore):
    """Events in one file, each commit on the disk before it is acknowledged.

    Args:
        path: made if it is not there.
    """

    _OF_USER = f"SELECT {_COLUMNS} FROM events WHERE user_id = ? ORDER BY time, number"  # nosec B608

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock, self._reading = threading.Lock(), threading.Lock()
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = self._guarded(self._open)
        self._reader = self._guarded(self._open_reader)

    def _connected(self, timeout: float) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path, timeout=timeout, check_same_thread=False, isolation_level=None
        )

    def _open_reader(self) -> sqlite3.Connection | None:
        # Only a log that is written ahead lets another connection read beside a commit.
        if self._connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            return None
        reader = self._connected(timeout=0)
        reader.execute("SELECT 1 FROM events LIMIT 1")
        return reader

    def _open(self) -> sqlite3.Connection:
        connection = self._connected(timeout=10)
        connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode the default does not wait for the disk at each commit.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, "
            "id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL, item_id TEXT NOT NULL, "
            "time INTEGER NOT NULL, kind TEXT NOT NULL)"
        )
        connection.execute(
            "CREATE INDEX IF NOT EXISTS events_of_user ON events (user_id, time, number)"
        )
        return connection

    def append(self, events: Sequence[Event]) -> int:
        wanted = _distinct(events)

        def write() -> int:
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                kept = [
                    Event(*row)
                    for event in wanted
                    for row in connection.execute(
                        f"SELECT {_COLUMNS} FROM events WHERE id = ?",  # nosec B608
                        (event.id,),
                    )
                ]
                _refuse(_unlike(kept, wanted))
                old = {event.id for event in kept}
                rows = [event.row for event in wanted if event.id not in old]
                connection.executemany(
                    f"INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",  # nosec B608
                    rows,
                )
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return len(rows)

        return self._guarded(write)

    def history(self, user: str) -> list[Event]:
        return self._guarded(
            lambda: [Event(*row) for row in self._connection.execute(self._OF_USER, (user,))]
        )

    def short_history(self, user: str, most: int) -> list[Event] | None:
        if not self._reading.acquire(blocking=False):
            return None
        try:
            if self._reader is None:
                return None
            query = f"{self._OF_USER} LIMIT ?"
            found = [Event(*row) for row in self._reader.execute(query, (user, most + 1))]
        except sqlite3.Error:
            # `history` says what is wrong.
            return None
        finally:
            self._reading.release()
        return found if len(found) <= most else None

    def forget(self, user: str) -> int:
        query = "DELETE FROM events WHERE user_id = ?"
        return self._guarded(lambda: int(self._connection.execute(query, (user,)).rowcount))

    def __len__(self) -> int:
        count = "SELECT count(*) FROM events"
        return self._guarded(lambda: int(self._connection.execute(count).fetchone()[0]))

    def check(self) -> None:
        self._guarded(lambda: self._connection.execute("SELECT 1 FROM events LIMIT 1"))

    def close(self) -> None:
        with self._reading:
            reader, self._reader = self._reader, None
        if reader is not None:
            self._guarded(reader.close)
        self._guarded(lambda: self._connection.close())

    def _guarded(self, work: Callable[[], Result]) -> Result:
        with self._lock:
            try:
                return work()
            except sqlite3.Error as error:
                raise StorageError(
                    f"The events in {self.path} cannot be used: {error}. "
                    "Check the disk, or name another file with --events."
                ) from error


class PostgresEvents(EventStore):
    """Events in a PostgreSQL database; a lost connection is made again at the next call.

    Args:
        url: as of libpq, such as ``postgresql://user@host/database``.
    """

    def __init__(self, url: str) -> None:
        # Everything here may be repeated: ids make appending idempotent.
        self._server = PostgresConnection(
            url,
            holds="events",
            advice="Check that the server of --events runs and may be written to.",
        )
        self._server.run(self._make)

    def _make(self, connection: Any) -> None:
        with connection.transaction():
            # Two servers that start together would otherwise both make the table.
            connection.execute("SELECT pg_advisory_xact_lock(717273)")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS genrec_events (number BIGINT GENERATED ALWAYS AS "
                "IDENTITY PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL, "
                "item_id TEXT NOT NULL, time BIGINT NOT NULL, kind TEXT NOT NULL)"
            )
            connection.execute(
                "CREATE INDEX IF NOT EXISTS genrec_events_of_user "
                "ON genrec_events (user_id, time, number)"
            )

    def append(self, events: Sequence[Event]) -> int:
        wanted = _distinct(events)

        def write(connection: Any) -> int:
            with connection.transaction():
                added = 0
                for event in wanted:
                    added += connection.execute(
                        f"INSERT INTO genrec_events ({_COLUMNS}) "  # nosec B608
                        "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING",
                        event.row,
                    ).rowcount
                if added < len(wanted):
                    rows = connection.execute(
                        f"SELECT {_COLUMNS} FROM genrec_events WHERE id = ANY(%s)",  # nosec B608
                        ([event.id for event in wanted],),
                    )
                    _refuse(_unlike([Event(*row) for row in rows], wanted))
                return added

        return self._server.run(write)

    def history(self, user: str) -> list[Event]:
        query = (
            f"SELECT {_COLUMNS} FROM genrec_events "  # nosec B608
            "WHERE user_id = %s ORDER BY time, number"
        )
        return self._server.run(
            lambda connection: [Event(*row) for row in connection.execute(query, (user,))]
        )

    def forget(self, user: str) -> int:
        query = "DELETE FROM genrec_events WHERE user_id = %s"
        return self._server.run(lambda connection: int(connection.execute(query, (user,)).rowcount))

    def __len__(self) -> int:
        count = "SELECT count(*) FROM genrec_events"
        return self._server.run(lambda connection: int(connection.execute(count).fetchone()[0]))

    def check(self) -> None:
        self._server.run(lambda connection: connection.execute("SELECT 1"))

    def close(self) -> None:
        self._server.close()
