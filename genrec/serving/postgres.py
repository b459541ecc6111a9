"""One connection to PostgreSQL for a store: made again when it is lost, one user at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from genrec.errors import MissingExtra, StorageError

Result = TypeVar("Result")


class PostgresConnection:
    """A connection on which work is done that may be repeated.

    Args:
        url: as of libpq, such as ``postgresql://user@host/database``.
        holds: what is kept there, for messages, such as ``events``.
        advice: what to do when it cannot be used.

    Raises:
        MissingExtra: psycopg is not installed.
    """

    def __init__(self, url: str, *, holds: str, advice: str) -> None:
        try:
            import psycopg
        except ModuleNotFoundError as error:
            raise MissingExtra("psycopg", "postgres", f"Keeping {holds} in PostgreSQL") from error
        self._psycopg, self._url = psycopg, url
        self._holds, self._advice = holds, advice
        self._lock = threading.Lock()
        self._connection: Any = None

    def run(self, work: Callable[[Any], Result]) -> Result:
        """Does the work; again where the connection had been lost or two writers collided.

        Args:
            work: gets the connection; doing it twice changes no more than doing it once.

        Raises:
            StorageError: the server cannot be reached, or refuses.
        """
        errors = self._psycopg.errors
        with self._lock:
            for attempts_left in (2, 1, 0):
                had = self._connection is not None
                try:
                    return work(self._connected())
                except self._psycopg.Error as error:
                    lost = had and self._connection.closed
                    collided = isinstance(
                        error, errors.DeadlockDetected | errors.SerializationFailure
                    )
                    if attempts_left and (lost or collided):
                        continue
                    reason = (str(error).splitlines() or [type(error).__name__])[0]
                    raise StorageError(
                        f"The {self._holds} in PostgreSQL cannot be used: {reason}. {self._advice}"
                    ) from error
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Ends the connection, if there is one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _connected(self) -> Any:
        if self._connection is None or self._connection.closed:
            self._connection = self._psycopg.connect(
                self._url, autocommit=True, connect_timeout=10, application_name="genrec"
            )
            self._connection.execute("SET synchronous_commit = on")
        return self._connection
