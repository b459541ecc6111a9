"""Chat sessions in service: turns in order, each kept before it is acknowledged.

What a surface needs and no more: open a session, say something, listen to the answer, come back
later. Knows conversations and their store; no HTTP, no terminal.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from genrec.errors import InputError, StorageError
from genrec.serving.batching import Closed, QueueFull
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.events import Done, Error
from genrec.serving.conversation.message import Message
from genrec.serving.conversation.sessions import Session, Sessions, StaleSession, UnknownSession
from genrec.serving.conversation.shop import Shop
from genrec.serving.feed import Feed

log = logging.getLogger(__name__)

# A session's turns that may wait for the one under way, as those of further tabs do.
WAITING = 8
# How often a turn is computed anew because another server went on with its session.
TRIES = 4


@dataclass(frozen=True)
class ShopfrontOptions:
    """Limits of the chats.

    Attributes:
        workers: turns that are computed at once.
        queue: turns that may wait; more are refused.
        turns_a_minute: of one session.
        sessions_a_minute: that one caller may open.
    """

    workers: int = 2
    queue: int = 256
    turns_a_minute: float = 60
    sessions_a_minute: float = 600


@dataclass(eq=False)
class _Job:
    session: str
    owner: str
    message: Message
    feed: Feed


class Shopfront:
    """Sessions and the conversation that answers them.

    Args:
        conversation: the one in service; taken anew for each turn, so that a swap of models shows.
        forget: removes what else is kept of a user, such as their profile.
    """

    def __init__(
        self,
        conversation: Callable[[], Conversation],
        sessions: Sessions,
        options: ShopfrontOptions | None = None,
        *,
        forget: Callable[[str], None] | None = None,
    ) -> None:
        self.sessions, self.options = sessions, options or ShopfrontOptions()
        self._conversation, self._forget = conversation, forget
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._jobs: dict[str, deque[_Job]] = {}
        self._loose: set[Feed] = set()
        self._pool = ThreadPoolExecutor(self.options.workers, thread_name_prefix="genrec-chat")
        self._closed = False
        self._expired = 0.0

    @property
    def conversation(self) -> Conversation:
        """The conversation in service now."""
        return self._conversation()

    @property
    def shop(self) -> Shop:
        """What is sold."""
        return self.conversation.shop

    def open(self, *, user: str = "", owner: str = "") -> Session:
        """A new session.

        Raises:
            StorageError: it could not be kept.
        """
        self._expire_now_and_then()
        return self.sessions.create(user=user, owner=owner)

    def say(self, session: str, message: Message, *, owner: str = "") -> Feed:
        """Begins the answer to a message; said again under the same id, it is the same answer.

        Raises:
            UnknownSession: there is none for this owner.
            QueueFull: too many turns wait.
            Closed: the service is stopping.
            StorageError: the store cannot be reached.
        """
        version = self.sessions.get(session, owner=owner).version
        if message.id and (kept := self.sessions.answered(session, message.id, owner=owner)):
            return Feed(kept.version, kept.events, ended=True)
        with self._lock:
            waiting = self._jobs.get(session, deque())
            for job in waiting:
                if message.id and job.message.id == message.id:
                    return job.feed
            self._check_room(len(waiting))
            job = _Job(session, owner, message, Feed(version + 1 + len(waiting)))
            self._jobs.setdefault(session, waiting).append(job)
            if len(waiting) == 1:
                self._pool.submit(self._work, session)
        return job.feed

    def compute(self, work: Callable[[Feed], None]) -> Feed:
        """Has something said that no session keeps, by the same threads and within their limits.

        Raises:
            QueueFull: too many turns wait.
            Closed: the service is stopping.
        """
        feed = Feed(0)
        with self._lock:
            self._check_room(0)
            self._loose.add(feed)
            self._pool.submit(self._said, feed, work)
        return feed

    def _check_room(self, of_session: int) -> None:
        if self._closed:
            raise Closed
        in_all = len(self._loose) + sum(map(len, self._jobs.values()))
        if of_session > WAITING or in_all >= self.options.queue + self.options.workers:
            raise QueueFull(in_all, 2)

    def under_way(self, session: str, *, owner: str = "") -> list[Feed]:
        """The answers of a session that are being written, the first to end first."""
        with self._lock:
            return [job.feed for job in self._jobs.get(session, ()) if job.owner == owner]

    def forget(self, user: str) -> int:
        """Removes all that is kept of a user, and returns how many sessions went with it.

        Raises:
            StorageError: something could not be removed.
        """
        if not user:
            raise InputError("This session has no user; delete the session instead.")
        gone = self.sessions.forget(user)
        if self._forget is not None:
            self._forget(user)
        return gone

    def close(self, timeout: float) -> None:
        """Finishes the turns under way, then closes the store."""
        with self._lock:
            self._closed = True
            finished = self._idle.wait_for(lambda: not self._jobs and not self._loose, timeout)
        if not finished:
            log.warning("Some turns were not finished within %.0f s", timeout)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.sessions.close()

    def _work(self, session: str) -> None:
        with self._lock:
            job = self._jobs[session][0]
        try:
            self._guarded(job.feed, lambda _: self._answer(job))
        finally:
            with self._lock:
                waiting = self._jobs[session]
                waiting.popleft()
                more = bool(waiting)
                if more:
                    with suppress(RuntimeError):
                        # A pool that was shut down takes no more; nobody listens then either.
                        self._pool.submit(self._work, session)
                else:
                    del self._jobs[session]
                    self._idle.notify_all()
            job.feed.end()

    def _said(self, feed: Feed, work: Callable[[Feed], None]) -> None:
        self._guarded(feed, work)
        with self._lock:
            self._loose.discard(feed)
            self._idle.notify_all()
        feed.end()

    def _guarded(self, feed: Feed, work: Callable[[Feed], None]) -> None:
        """Whatever fails is told in the feed, in plain words; the log has the rest."""
        try:
            work(feed)
        except UnknownSession:
            feed.say(Error("unknown_session", "This chat was deleted.").to_dict())
        except StorageError as error:
            log.error("A turn could not be kept: %s", error)
            feed.say(_unkept().to_dict())
        except Exception as error:
            log.error("A turn failed: %s", type(error).__name__, exc_info=error)
            feed.say(_unavailable().to_dict())

    def _answer(self, job: _Job) -> None:
        for attempt in range(1, TRIES + 1):
            session = self.sessions.get(job.session, owner=job.owner)
            if attempt == 1:
                job.feed.version = session.version + 1
            else:
                job.feed.begin_again(session.version + 1, {"kind": "again"})
            said, done = [], None
            for event in self.conversation.turn(session.state, job.message):
                values = event.to_dict()
                said.append(values)
                if isinstance(event, Done):
                    done = event
                else:
                    job.feed.say(values)
            if done is None or done.state is None:
                raise InputError("The conversation ended without an answer.")
            try:
                self.sessions.append(
                    job.session,
                    job.message.to_dict(),
                    said,
                    done.state,
                    version=session.version,
                    owner=job.owner,
                )
            except StaleSession:
                if attempt == TRIES:
                    raise
                continue
            job.feed.say(done.to_dict())
            return

    def _expire_now_and_then(self) -> None:
        now = time.monotonic()
        with self._lock:
            if self._expired and now - self._expired < 3600:
                return
            self._expired = now
        self.sessions.expire()


def _unavailable() -> Error:
    return Error(
        "unavailable", "Something behind the counter is down. Your chat is as it was; try again."
    )


def _unkept() -> Error:
    return Error(
        "unkept",
        "That could not be saved, so it does not count. Your chat is as it was; try again.",
    )
