"""The two stores of sessions: one set of statements, for SQLite and for PostgreSQL.

The only thing the two differ in is how a transaction is done, and what is done when it fails.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from genrec.errors import ConfigError, StorageError
from genrec.serving.conversation.sessions import (
    LIFETIME,
    Session,
    Sessions,
    StaleSession,
    Turn,
    UnknownSession,
)
from genrec.serving.conversation.state import ChatState
from genrec.serving.postgres import PostgresConnection
from genrec.workspace import storage_errors

Result = TypeVar("Result")
# Does one statement, with ``?`` for its values, and gives the rows and how many it changed.
Execute = Callable[[str, Sequence[Any]], tuple[list[Any], int]]

# Put into statements below; whatever comes from outside is bound, never written into one.
_SESSION = "id, owner, user_id, version, state, created, touched, expires"
# Any number of bytes that nobody guesses; the id is all that opens a session without an owner.
_ID_BYTES = 24


def open_sessions(url: str, *, lifetime: float = LIFETIME) -> Sessions:
    """A store by its URL: ``sqlite:///path/to/file`` or ``postgresql://user@host/database``.

    Args:
        lifetime: seconds that a session lives after its last turn.

    Raises:
        ConfigError: no store has such a URL.
        MissingExtra: PostgreSQL without psycopg.
        StorageError: it cannot be opened.
    """
    kind, found, place = url.partition("://")
    if found and kind == "sqlite" and place.strip("/"):
        return SqliteSessions(Path(place.removeprefix("/")), lifetime=lifetime)
    if found and kind in ("postgresql", "postgres"):
        return PostgresSessions(url, lifetime=lifetime)
    # A URL may hold a password, so only its beginning is repeated.
    begins = f"begins with '{kind}://'" if found else "is no URL"
    raise ConfigError(
        f"The store of sessions {begins}. What is known here: sqlite:///sessions.sqlite, "
        "sqlite:////an/absolute/path and postgresql://user@host/database."
    )


class SqlSessions(Sessions):
    """Sessions in a data base. Subclasses say how a transaction is done."""

    def __init__(self, *, lifetime: float) -> None:
        self.lifetime = lifetime
        self._lock = threading.Lock()

    @abstractmethod
    def _transaction(self, work: Callable[[Execute], Result]) -> Result:
        """All that the work does, or nothing, on the disk on return."""

    def create(self, *, user: str = "", owner: str = "") -> Session:
        now = time.time()
        session = Session(
            secrets.token_urlsafe(_ID_BYTES), owner, user, 0, ChatState(user=user), now, now,
            now + self.lifetime,
        )  # fmt: skip
        row = (session.id, owner, user, 0, session.state.to_json(), now, now, session.expires)
        marks = ", ".join("?" * len(row))
        statement = f"INSERT INTO chat_sessions ({_SESSION}) VALUES ({marks})"  # nosec B608
        self._transaction(lambda execute: execute(statement, row))
        return session

    def get(self, session: str, *, owner: str = "") -> Session:
        return self._transaction(lambda execute: self._found(execute, session, owner))

    def append(
        self,
        session: str,
        message: dict[str, Any],
        events: Sequence[dict[str, Any]],
        state: ChatState,
        *,
        version: int,
        owner: str = "",
    ) -> Session:
        name = str(message.get("id") or "")
        said = json.dumps(message)
        answered = json.dumps(list(events))

        def work(execute: Execute) -> Session:
            before = self._found(execute, session, owner, lock=True)
            if name:
                same = "SELECT 1 FROM chat_turns WHERE session = ? AND message_id = ?"
                if execute(same, (session, name))[0]:
                    return before
            if before.version != version:
                raise StaleSession(
                    "The conversation went on in another window. Reload it, and send this again.",
                    before.version,
                )
            now = time.time()
            after = Session(
                before.id, before.owner, before.user, version + 1, state, before.created, now,
                now + self.lifetime,
            )  # fmt: skip
            execute(
                "INSERT INTO chat_turns (session, version, message_id, message, events, time) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (session, after.version, name or None, said, answered, now),
            )
            execute(
                "UPDATE chat_sessions SET version = ?, state = ?, touched = ?, expires = ? "
                "WHERE id = ?",
                (after.version, state.to_json(), now, after.expires, session),
            )
            return after

        return self._transaction(work)

    def answered(self, session: str, message_id: str, *, owner: str = "") -> Turn | None:
        if not message_id:
            return None

        def work(execute: Execute) -> Turn | None:
            self._found(execute, session, owner)
            rows, _ = execute(
                "SELECT version, message, events, time FROM chat_turns "
                "WHERE session = ? AND message_id = ?",
                (session, message_id),
            )
            return _turn(rows[0]) if rows else None

        return self._transaction(work)

    def turns(self, session: str, *, owner: str = "") -> list[Turn]:
        def work(execute: Execute) -> list[Turn]:
            self._found(execute, session, owner)
            rows, _ = execute(
                "SELECT version, message, events, time FROM chat_turns WHERE session = ? "
                "ORDER BY version",
                (session,),
            )
            return [_turn(row) for row in rows]

        return self._transaction(work)

    def of_user(self, user: str, *, owner: str = "") -> list[Session]:
        statement = (
            f"SELECT {_SESSION} FROM chat_sessions WHERE user_id = ? AND owner = ? "  # nosec B608
            "AND expires > ? ORDER BY touched DESC"
        )
        values = (user, owner, time.time())
        return self._transaction(
            lambda execute: [_session(row) for row in execute(statement, values)[0]]
        )

    def delete(self, session: str, *, owner: str = "") -> None:
        def work(execute: Execute) -> None:
            self._found(execute, session, owner, lock=True)
            _remove(execute, [session])

        self._transaction(work)

    def forget(self, user: str) -> int:
        return self._removed("SELECT id FROM chat_sessions WHERE user_id = ?", (user,))

    def expire(self, now: float | None = None) -> int:
        moment = time.time() if now is None else now
        return self._removed("SELECT id FROM chat_sessions WHERE expires <= ?", (moment,))

    def check(self) -> None:
        self._transaction(lambda execute: execute("SELECT 1 FROM chat_sessions LIMIT 1", ()))

    def _removed(self, statement: str, values: Sequence[Any]) -> int:
        def work(execute: Execute) -> int:
            ids = [row[0] for row in execute(statement, values)[0]]
            _remove(execute, ids)
            return len(ids)

        return self._transaction(work)

    def _found(self, execute: Execute, session: str, owner: str, *, lock: bool = False) -> Session:
        # The owner is part of what is looked for: a stranger's id is as good as none.
        statement = f"SELECT {_SESSION} FROM chat_sessions WHERE id = ? AND owner = ?"  # nosec B608
        rows, _ = execute(statement + (self._for_update if lock else ""), (session, owner))
        if rows and _session(rows[0]).expires > time.time():
            return _session(rows[0])
        raise UnknownSession(
            "There is no such conversation: it has expired or was deleted. Start a new one."
        )

    _for_update = ""

    def _make(self, execute: Execute) -> None:
        execute(
            "CREATE TABLE IF NOT EXISTS chat_sessions (id TEXT PRIMARY KEY, owner TEXT NOT NULL, "
            "user_id TEXT NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL, "
            "created DOUBLE PRECISION NOT NULL, touched DOUBLE PRECISION NOT NULL, "
            "expires DOUBLE PRECISION NOT NULL)",
            (),
        )
        execute(
            "CREATE TABLE IF NOT EXISTS chat_turns (session TEXT NOT NULL, "
            "version INTEGER NOT NULL, message_id TEXT, message TEXT NOT NULL, "
            "events TEXT NOT NULL, time DOUBLE PRECISION NOT NULL, "
            "PRIMARY KEY (session, version), UNIQUE (session, message_id))",
            (),
        )
        execute(
            "CREATE INDEX IF NOT EXISTS chat_sessions_of_user ON chat_sessions (user_id, owner)", ()
        )
        execute("CREATE INDEX IF NOT EXISTS chat_sessions_ending ON chat_sessions (expires)", ())


class SqliteSessions(SqlSessions):
    """Sessions in one file, each commit on the disk before it is acknowledged.

    Args:
        path: made if it is not there.
    """

    def __init__(self, path: Path, *, lifetime: float = LIFETIME) -> None:
        super().__init__(lifetime=lifetime)
        self.path = path
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._connection = self._guarded(self._open)
        self._transaction(self._make)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=10, check_same_thread=False, isolation_level=None
        )
        connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode the default does not wait for the disk at each commit.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _transaction(self, work: Callable[[Execute], Result]) -> Result:
        def execute(statement: str, values: Sequence[Any]) -> tuple[list[Any], int]:
            cursor = self._connection.execute(statement, tuple(values))
            return cursor.fetchall(), cursor.rowcount

        def done() -> Result:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(execute)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            return result

        with self._lock:
            return self._guarded(done)

    def close(self) -> None:
        with self._lock:
            self._guarded(lambda: self._connection.close())

    def _guarded(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except sqlite3.Error as error:
            raise StorageError(
                f"The conversations in {self.path} cannot be used: {error}. "
                "Check the disk, or name another file."
            ) from error


class PostgresSessions(SqlSessions):
    """Sessions in a PostgreSQL database; a lost connection is made again at the next call.

    Args:
        url: as of libpq, such as ``postgresql://user@host/database``.
    """

    _for_update = " FOR UPDATE"

    def __init__(self, url: str, *, lifetime: float = LIFETIME) -> None:
        super().__init__(lifetime=lifetime)
        # A turn names the version that it goes on from, so none is kept twice.
        self._server = PostgresConnection(
            url,
            holds="conversations",
            advice="Check that the server runs and may be written to.",
        )

        def make(execute: Execute) -> None:
            # Two servers that start together would otherwise both make the tables.
            execute("SELECT pg_advisory_xact_lock(717274)", ())
            self._make(execute)

        self._transaction(make)

    def _transaction(self, work: Callable[[Execute], Result]) -> Result:
        def whole(connection: Any) -> Result:
            def execute(statement: str, values: Sequence[Any]) -> tuple[list[Any], int]:
                cursor = connection.execute(statement.replace("?", "%s"), tuple(values))
                return cursor.fetchall() if cursor.description else [], cursor.rowcount

            with connection.transaction():
                return work(execute)

        return self._server.run(whole)

    def close(self) -> None:
        self._server.close()


def _remove(execute: Execute, ids: Sequence[str]) -> None:
    for one in ids:
        execute("DELETE FROM chat_turns WHERE session = ?", (one,))
        execute("DELETE FROM chat_sessions WHERE id = ?", (one,))


def _session(row: Sequence[Any]) -> Session:
    return Session(row[0], row[1], row[2], row[3], ChatState.from_json(row[4]), *row[5:])


def _turn(row: Sequence[Any]) -> Turn:
    return Turn(row[0], json.loads(row[1]), tuple(json.loads(row[2])), row[3])
