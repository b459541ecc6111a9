"""Requests of many clients, computed together by one thread. Knows recommenders, not HTTP.

A request joins the queue with the recommender that it shall be answered by, its history as
positions and its filter already compiled, so nothing in a batch can be wrong but the code itself.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import dataclass, field

from genrec.recommenders.base import Recommendation, Recommender, Request

log = logging.getLogger(__name__)

Answer = list[Recommendation]


class QueueFull(Exception):
    """More requests wait than may."""

    def __init__(self, waiting: int, seconds: float) -> None:
        super().__init__(f"{waiting} requests wait")
        self.waiting, self.seconds = waiting, seconds


class Closed(Exception):
    """The service is stopping and takes no more requests."""


@dataclass(eq=False)
class Job:
    """One request in the queue.

    Attributes:
        answer: is set by the worker; a job that is cancelled before is never computed.
        deadline: seconds of the monotonic clock after which nobody waits for the answer.
    """

    recommender: Recommender
    request: Request
    deadline: float
    queued: float = field(default_factory=time.monotonic)
    answer: Future[Answer] = field(default_factory=Future)


class Batcher:
    """One worker thread and its bounded queue.

    Args:
        max_batch: requests in one batch at most.
        max_wait_ms: a batch waits for as many as were in the service when the last one ended,
            since clients ask again, until none has come for so long. Nothing waits for company
            that nothing foretells.
        queue: requests that may wait; those under way do not count.
        watch: is told the size of each batch and the seconds that it took.
    """

    def __init__(
        self,
        *,
        max_batch: int = 32,
        max_wait_ms: float = 25.0,
        queue: int = 256,
        watch: Callable[[int, float], None] | None = None,
    ) -> None:
        self.max_batch, self.max_wait, self.queue = max_batch, max_wait_ms / 1000, queue
        self.watch = watch or (lambda _size, _seconds: None)
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._seconds = 0.1
        # When the last batch ended, and how many requests were in the service then.
        self._ended, self._busy = -math.inf, 0
        # So many requests wake the worker.
        self._enough = 1
        self._worker = threading.Thread(target=self._work, name="genrec-batches", daemon=True)
        self._worker.start()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether the worker runs."""
        return self._worker.is_alive()

    def check_room(self) -> None:
        """Says early that a request would be turned away.

        Raises:
            QueueFull: it would.
        """
        if len(self._waiting) >= self.queue:
            raise QueueFull(len(self._waiting), self._seconds * self.queue / self.max_batch)

    def submit(self, recommender: Recommender, request: Request, *, timeout: float) -> Job:
        """Puts a request into the queue.

        Raises:
            QueueFull: as many wait as may.
            Closed: the service is stopping.
        """
        job = Job(recommender, request, time.monotonic() + timeout)
        with self._changed:
            if self._closing:
                raise Closed
            self.check_room()
            self._waiting.append(job)
            # A worker that waits for more is not woken for each: every turn costs the loop its own.
            if len(self._waiting) >= self._enough:
                self._changed.notify()
        return job

    def cancel(self, job: Job) -> None:
        """Takes a request out of the queue; nobody waits for it any more."""
        job.answer.cancel()
        with self._changed:
            try:
                self._waiting.remove(job)
            except ValueError:
                return

    def close(self, timeout: float) -> bool:
        """Finishes what waits and stops; whether all was done in time."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._worker.join(timeout)
        with self._changed:
            late = list(self._waiting)
            self._waiting.clear()
        for job in late:
            _fail(job, Closed())
        return not late and not self._worker.is_alive()

    def _work(self) -> None:
        while (jobs := self._next()) is not None:
            self._run(jobs)
            # While this waits for the next batch, the last one must not keep its model in memory.
            del jobs

    def _run(self, jobs: Sequence[Job]) -> None:
        started = time.monotonic()
        groups: dict[int, list[Job]] = {}
        for job in jobs:
            if started > job.deadline:
                job.answer.cancel()
            if job.answer.set_running_or_notify_cancel():
                groups.setdefault(id(job.recommender), []).append(job)
        found = [pair for group in groups.values() for pair in _computed(group)]
        if groups:
            self._ended = time.monotonic()
            size, seconds = sum(map(len, groups.values())), self._ended - started
            self._seconds = 0.8 * self._seconds + 0.2 * seconds
            # Before anybody is answered, so that none who asks again is counted twice.
            self._busy = size + len(self._waiting)
            self.watch(size, seconds)
        for job, answer in found:
            try:
                job.answer.set_result(answer)
            except (InvalidStateError, CancelledError):
                continue

    def _next(self) -> list[Job] | None:
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return None
                self._changed.wait()
            if self._waiting[0].queued < self._ended + self.max_wait:
                self._enough = min(self.max_batch, self._busy)
                self._wait_for(self._enough)
                self._enough = 1
            size = min(self.max_batch, len(self._waiting))
            return [self._waiting.popleft() for _ in range(size)]

    def _wait_for(self, enough: int) -> None:
        """Waits until so many are there, as long as they keep coming."""
        while 0 < len(self._waiting) < enough and not self._closing:
            last = max(self._ended, self._waiting[-1].queued)
            left = last + self.max_wait - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)


def _computed(jobs: Sequence[Job]) -> list[tuple[Job, Answer]]:
    """Jobs of one recommender with their answers; those that failed are told so."""
    recommender = jobs[0].recommender
    try:
        answers = recommender.recommend_many([job.request for job in jobs])
    except Exception as error:
        if len(jobs) == 1:
            log.exception("A request could not be computed")
            _fail(jobs[0], error)
            return []
        # One of them may be at fault; its neighbours are not.
        return [pair for job in jobs for pair in _computed([job])]
    return list(zip(jobs, answers, strict=True))


def _fail(job: Job, error: BaseException) -> None:
    try:
        job.answer.set_exception(error)
    except (InvalidStateError, CancelledError):
        return
