"""The model in service behind one reference, and what a request needs before it is computed.

A request keeps the model that it began with to its end, so a swap never mixes two. Knows no HTTP
framework and no run folder: whoever opens one hands a ``load`` function in.
"""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genrec.data.filter_language import ItemFilter
from genrec.data.filters import CompiledFilter
from genrec.data.sequences import History
from genrec.errors import ConfigError, GenrecError, InputError
from genrec.recommenders.base import Recommendation, Request
from genrec.recommenders.reasons import with_reasons
from genrec.serving.apart import apart
from genrec.serving.batching import Batcher, Closed, Job
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.events import Event, EventStore
from genrec.serving.loaded import Loaded, verified
from genrec.serving.problems import RequestProblem

log = logging.getLogger(__name__)
# So many items are made a history within a fraction of a millisecond, and so many events, each of
# which is a turn for other threads, are read.
SHORT_HISTORY, FEW_EVENTS = 256, 32


@dataclass(frozen=True)
class Asked:
    """A request that can be computed.

    Attributes:
        available: items that its rules allow.
    """

    loaded: Loaded
    request: Request
    available: int


class Service:
    """Answers requests by the model in service, and swaps it.

    Args:
        loaded: the first model.
        load: makes another one; its argument is a run's folder, ``None`` for that in service.
        events: where feedback is kept.
        kinds: of events that count as choices; empty: all.

    Attributes:
        draining: whether the service is stopping.
        watch_reload: is told ``swapped`` or ``failed``.
        forgotten: says whose past in the data set does not count any more.
    """

    def __init__(
        self,
        loaded: Loaded,
        events: EventStore,
        batcher: Batcher,
        *,
        load: Callable[[str | None], Loaded] | None = None,
        kinds: Sequence[str] = (),
    ) -> None:
        self.events, self.batcher, self.kinds = events, batcher, frozenset(kinds)
        self.draining = False
        self.watch_reload: Callable[[str], None] = lambda _outcome: None
        self.forgotten: Callable[[str], bool] = lambda _user: False
        self.swapped: Callable[[weakref.ref[Any]], object] = lambda _old: None
        self._current, self._load = loaded, load
        self._reloading = threading.Lock()

    @property
    def current(self) -> Loaded:
        """The model in service now; take it once per request."""
        return self._current

    @property
    def conversation(self) -> Conversation:
        """The shop assistant in service.

        Raises:
            ConfigError: this model has none.
        """
        if (found := self._current.conversation) is None:
            raise ConfigError("This service was started without a shop assistant.")
        return found

    def read_at_once(
        self, history: Sequence[str] | None, user: str | None, where: ItemFilter | None
    ) -> list[Event] | None:
        """The user's events, if ``prepare`` with them is sooner done than handed to a thread.

        Returns:
            No event where no user is named; ``None`` if it may take longer.
        """
        loaded = self.current
        if not loaded.recommender.filters.at_once(where):
            return None
        if user is None:
            return [] if len(history or ()) <= SHORT_HISTORY else None
        if loaded.past_length(user) > SHORT_HISTORY:
            return None
        return self.events.short_history(user, FEW_EVENTS)

    def prepare(
        self,
        *,
        history: Sequence[str] | None,
        user: str | None,
        n: int,
        where: ItemFilter | None,
        exclude_seen: bool,
        events: list[Event] | None = None,
    ) -> Asked:
        """Checks everything that can be wrong with a request.

        Args:
            events: of the user, where they have been read.

        Raises:
            RequestProblem: an unknown user or item, a wrong filter, or nothing is allowed.
            StorageError: the events cannot be read.
        """
        loaded = self.current
        if user is not None:
            events = self.events.history(user) if events is None else events
            past = self._history_of_user(loaded, user, events)
        try:
            if user is None:
                past = History(loaded.catalog.positions(list(history or ())))
            compiled = loaded.recommender.filters.compile(where)
        except InputError as error:
            # It is the first; there may be more.
            raise RequestProblem.together(loaded.problems_with(history, where)) from error
        hide = exclude_seen or not compiled.seen
        available = _available(compiled, past, len(loaded.catalog), hide_seen=hide)
        if not available:
            what = "The filter allows no item"
            if hide and _available(compiled, past, len(loaded.catalog), hide_seen=False):
                what = "The filter allows only items of the history, and those are left out"
            raise RequestProblem(
                422, "nothing_allowed", f"{what}. Loosen it.", list(compiled.doubts)
            )
        return Asked(loaded, Request(past, n, compiled, exclude_seen), available)

    def _history_of_user(self, loaded: Loaded, user: str, later: list[Event]) -> History:
        if self.kinds:
            later = [event for event in later if event.kind in self.kinds]
        past = loaded.history(user, later, past=not self.forgotten(user))
        if past is None:
            raise RequestProblem(
                404,
                "unknown_user",
                f"Nothing is known of the user '{user}'. Send a history, or post events first.",
            )
        return past

    def submit(self, asked: Asked, *, timeout: float) -> Job:
        """Puts a prepared request into the queue of the batches."""
        return self.batcher.submit(asked.loaded.recommender, asked.request, timeout=timeout)

    def explained(self, asked: Asked, found: Sequence[Recommendation]) -> list[Recommendation]:
        """The same items with a reason each; recommenders without semantic IDs give none."""
        index: Any = getattr(asked.loaded.recommender, "index", None)
        return with_reasons(found, asked.request.history, asked.loaded.catalog, index)

    def post(self, events: Sequence[Event]) -> int:
        """Keeps events and returns how many were new.

        Raises:
            RequestProblem: unknown items, or ids that are taken.
            StorageError: they could not be kept.
        """
        if unknown := self.current.problems_with([event.item for event in events]):
            raise unknown[0]
        try:
            return self.events.append(events)
        except InputError as error:
            raise RequestProblem(
                409, "event_conflict", str(error).partition("\n")[0], error.problems
            ) from error

    def reload(self, folder: str | None = None, *, wait: bool = False) -> tuple[str, str]:
        """Loads a model, verifies it and puts it into service.

        Args:
            wait: for the end of another reload, rather than being refused.

        Returns:
            The version before and the one now.

        Raises:
            RequestProblem: another reload is under way, or the model cannot be used; the one in
                service stays.
        """
        if self._load is None:
            raise RequestProblem(501, "no_reload", "This service was started without a run folder.")
        load = self._load
        if not self._reloading.acquire(blocking=wait):
            raise RequestProblem(
                409, "reload_under_way", "Another reload is under way. Wait for its end."
            )
        try:
            before = self.current.version
            old = weakref.ref(self.current.recommender)
            try:
                loaded = apart(lambda: verified(load(folder)))
            except Exception as error:
                self.watch_reload("failed")
                log.warning("The model %s stays in service: %s", before, error)
                if not isinstance(error, GenrecError):
                    log.exception("The new model could not be loaded")
                raise RequestProblem(
                    422,
                    "bad_run",
                    f"The model {before} stays in service. The new one cannot be used: {error}",
                ) from error
            self._current = loaded
            self.watch_reload("swapped")
            log.info(
                "The model %s is in service with %s items, before it %s",
                loaded.version,
                f"{len(loaded.catalog):,}",
                before,
            )
            self.swapped(old)
            # A model may stand in a cycle of references; its memory is needed now.
            gc.collect()
            return before, loaded.version
        finally:
            self._reloading.release()

    def refuse_when_draining(self) -> None:
        """Takes nothing new at the end.

        Raises:
            Closed: the service is stopping.
        """
        if self.draining:
            raise Closed

    def problems(self) -> list[str]:
        """Why the service is not ready; empty when it is."""
        found = []
        if self.draining:
            found.append("the service is stopping")
        if not self.batcher.alive:
            found.append("the worker of the batches has ended")
        try:
            self.events.check()
        except GenrecError:
            found.append("the store of events cannot be reached")
        return found

    def close(self, timeout: float) -> None:
        """Finishes what waits, then closes the store."""
        self.draining = True
        if not self.batcher.close(timeout):
            log.warning("Some requests were not finished within %.0f s", timeout)
        self.events.close()


def _available(compiled: CompiledFilter, history: History, items: int, *, hide_seen: bool) -> int:
    allowed = compiled.allowed
    count = items if allowed is None else int(np.count_nonzero(allowed))
    if hide_seen and len(history):
        seen = np.unique(history.items)
        count -= len(seen) if allowed is None else int(np.count_nonzero(allowed[seen]))
    return count
