"""A run's folder as a shop that one can talk to: in the terminal, on the page and for programs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from genrec.data.sequences import History
from genrec.errors import GenrecError
from genrec.llm.text import TextModel, open_text_model
from genrec.profiles.build import Profiles
from genrec.profiles.profile import UserProfile
from genrec.profiles.storage import Tombstones
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.session_stores import open_sessions
from genrec.serving.conversation.shop import Shop
from genrec.serving.events import EventStore
from genrec.serving.loaded import Loaded
from genrec.serving.shopfront import Shopfront
from genrec.stages.loaded import open_run
from genrec.stages.profile import forget_user, profiles_of
from genrec.stages.shop import finder_or_none, stored_run
from genrec.workspace import Workspace

log = logging.getLogger(__name__)

SESSIONS = "chats.sqlite"


@dataclass(frozen=True, eq=False)
class RunShop(Shop):
    """A run's shop: whoever was forgotten has no profile here, and no past.

    Args:
        forgotten: says who asked to be.
        made: the run's profiles once they are there; ``None`` has them built from the data.
    """

    forgotten: Callable[[str], bool] = field(default=lambda _user: False)
    made: Future[Profiles] | None = field(default=None, repr=False)

    def history(self, user: str) -> History:
        if self.histories is None and self.forgotten(user):
            return History(np.zeros(0, np.int32))
        return super().history(user)

    def profile(self, user: str) -> UserProfile | None:
        if not user or self.forgotten(user):
            return None
        if self.made is not None:
            try:
                profiles = self.made.result()
            except GenrecError as error:
                # Another process writes the folder, or nobody may; the data are there all the same.
                log.warning("The run's profiles cannot be kept, so they are built: %s", error)
            else:
                if user in profiles:
                    return profiles[user]
                return None
        return super().profile(user)


class Counter:
    """Opens the conversation of a run, and forgets whoever asks for it.

    Args:
        events: what users chose after the data set was made.
        kinds: of events that count as choices; empty: all.
    """

    def __init__(
        self, folder: Path, events: EventStore | None = None, *, kinds: Sequence[str] = ()
    ) -> None:
        self.folder, self.events, self.kinds = folder, events, frozenset(kinds)
        self._lock = threading.Lock()
        self._tombstones = Tombstones.read(Workspace(folder))

    def forgotten(self, user: str) -> bool:
        """Whether a user asked to be forgotten."""
        return user in self._tombstones

    def conversation(self, loaded: Loaded, folder: Path | None = None) -> Conversation:
        """The shop assistant of a loaded model.

        Args:
            folder: that the model lies in; that of the run if left out.
        """
        # A model of another folder brings vectors and profiles of its own.
        place = folder or self.folder
        shop = RunShop(
            loaded.recommender,
            loaded.dataset,
            finder=finder_or_none(stored_run(place)),
            text_model=loaded.text_model,
            histories=lambda user: self._history(loaded, user),
            forgotten=self.forgotten,
            made=self._profiles(place),
        )
        shop.open()
        return Conversation(shop)

    def forget(self, user: str) -> None:
        """Removes profile, evidence, segment and summaries of a user for good.

        Raises:
            StorageError: something could not be deleted; the user is hidden all the same.
        """
        with self._lock:
            try:
                forget_user(stored_run(self.folder), user)
            finally:
                self._tombstones = Tombstones.read(Workspace(self.folder))

    def _history(self, loaded: Loaded, user: str) -> History | None:
        later = self.events.history(user) if self.events is not None else []
        if self.kinds:
            later = [event for event in later if event.kind in self.kinds]
        return loaded.history(user, later, past=not self.forgotten(user))

    def _profiles(self, folder: Path) -> Future[Profiles]:
        """Made beside everything else: a large run's take a while when they are first asked for."""
        found: Future[Profiles] = Future()

        def make() -> None:
            try:
                found.set_result(profiles_of(stored_run(folder)))
            except (GenrecError, OSError, ValueError) as error:
                found.set_exception(error)

        threading.Thread(target=make, name="genrec-profiles", daemon=True).start()
        return found


def open_counter(
    folder: Path, *, text: str = "", events: EventStore | None = None
) -> tuple[Counter, Conversation]:
    """A run's counter and its conversation.

    Args:
        text: understands free words: a model's name, or ``openai:NAME``; rules do without.

    Raises:
        ArtefactError: the run is not whole.
        ConfigError: what lies there does not belong together.
    """
    model: TextModel | None = open_text_model(text) if text else None
    counter = Counter(folder, events)
    return counter, counter.conversation(replace(open_run(folder), text_model=model))


def open_shopfront(folder: Path, *, chats: str = "", text: str = "") -> Shopfront:
    """A run's chat with its sessions, without a server around it.

    Args:
        chats: URL of the store of sessions; a file in the run's folder when empty.
        text: as of ``open_counter``.

    Raises:
        StorageError: a store cannot be opened.
        ArtefactError: the run is not whole.
    """
    sessions = open_sessions(chats or f"sqlite:///{folder / SESSIONS}")
    counter, conversation = open_counter(folder, text=text)
    return Shopfront(lambda: conversation, sessions, forget=counter.forget)
