"""Sessions that are kept: SQLite by default, PostgreSQL by a URL.

A turn that was acknowledged is on the disk, with the state that it left and the events that were
sent. A session is read under its id and its owner's name together, so an id alone opens nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from genrec.errors import InputError
from genrec.serving.conversation.state import ChatState

# Seconds that a session lives after its last turn.
LIFETIME = 30 * 86_400


class UnknownSession(InputError):
    """There is no such session for this owner: it never was, has expired, or was deleted."""


class StaleSession(InputError):
    """Another tab has gone on with the session; read it again.

    Attributes:
        version: the session's present one.
    """

    def __init__(self, message: str, version: int) -> None:
        super().__init__(message)
        self.version = version


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation.

    Attributes:
        id: secret; cannot be guessed.
        owner: who may read it, such as the name of an API key; empty for anybody with the id.
        user: whose history counts.
        version: number of turns that are kept; what a next turn must name.
        created: seconds since 1970, as ``touched`` (last turn) and ``expires``.
    """

    id: str
    owner: str
    user: str
    version: int
    state: ChatState
    created: float
    touched: float
    expires: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn as it is kept.

    Attributes:
        version: of the session after it, from 1.
        message: what the shopper sent, as ``Message.to_dict``.
        events: what was answered, as ``ChatEvent.to_dict``.
        time: seconds since 1970.
    """

    version: int
    message: dict[str, Any]
    events: tuple[dict[str, Any], ...]
    time: float


class Sessions(ABC):
    """Keeps sessions. Safe to share between threads. Made by ``open_sessions(url)``."""

    @abstractmethod
    def create(self, *, user: str = "", owner: str = "") -> Session:
        """A new session.

        Raises:
            StorageError: it could not be written; so for all methods.
        """

    @abstractmethod
    def get(self, session: str, *, owner: str = "") -> Session:
        """The session as of its last turn.

        Raises:
            UnknownSession: there is none for this owner.
        """

    @abstractmethod
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
        """Keeps a turn for good, and the state that it left; it is on the disk on return.

        A message that was kept before under the same id (``message["id"]``, where not empty)
        changes nothing: the session comes back as it is.

        Args:
            version: of the session that the turn was computed from.

        Raises:
            UnknownSession: there is none for this owner.
            StaleSession: the session has another version now.
        """

    @abstractmethod
    def answered(self, session: str, message_id: str, *, owner: str = "") -> Turn | None:
        """The turn that was kept for a message of the client; ``None`` if there is none."""

    @abstractmethod
    def turns(self, session: str, *, owner: str = "") -> list[Turn]:
        """All turns, oldest first.

        Raises:
            UnknownSession: there is none for this owner.
        """

    @abstractmethod
    def of_user(self, user: str, *, owner: str = "") -> list[Session]:
        """A user's sessions, latest first."""

    @abstractmethod
    def delete(self, session: str, *, owner: str = "") -> None:
        """Removes a session with all its turns.

        Raises:
            UnknownSession: there is none for this owner.
        """

    @abstractmethod
    def forget(self, user: str) -> int:
        """Removes all sessions of a user, whoever owns them, and returns how many there were."""

    @abstractmethod
    def expire(self, now: float | None = None) -> int:
        """Removes sessions whose time is over, and returns how many there were."""

    @abstractmethod
    def check(self) -> None:
        """Raises ``StorageError`` when the store cannot be reached."""

    @abstractmethod
    def close(self) -> None:
        """Ends all work with the store."""

    def export(self, session: str, *, owner: str = "") -> dict[str, Any]:
        """Everything that is kept of a session, as JSON values.

        Raises:
            UnknownSession: there is none for this owner.
        """
        found = self.get(session, owner=owner)
        return {
            "session": found.id,
            "user": found.user,
            "created": found.created,
            "touched": found.touched,
            "expires": found.expires,
            "version": found.version,
            "state": found.state.to_dict(),
            "turns": [
                {
                    "version": one.version,
                    "time": one.time,
                    "message": one.message,
                    "events": list(one.events),
                }
                for one in self.turns(session, owner=owner)
            ],
        }
