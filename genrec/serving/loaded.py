"""A model in service, with the data that it serves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.filters import Where
from genrec.data.sequences import History, kind_number
from genrec.errors import ConfigError, InputError
from genrec.llm.text import TextModel
from genrec.recommenders.base import Recommender, Request
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.events import Event
from genrec.serving.problems import RequestProblem
from genrec.serving.schemas import ItemAnswer


@dataclass(frozen=True)
class Loaded:
    """One model with the data that it serves.

    Attributes:
        version: names the model in each answer; equal for equal content.
        text_model: answers chats; ``None`` if there is none.
        conversation: the shop assistant that sells by this model; ``None`` if there is none.
    """

    recommender: Recommender
    dataset: Dataset
    version: str
    text_model: TextModel | None = None
    conversation: Conversation | None = None
    loaded: int = field(default_factory=lambda: int(time.time()))

    @property
    def catalog(self) -> Catalog:
        """The items that are served."""
        return self.recommender.catalog

    @cached_property
    def shown(self) -> dict[str, ItemAnswer]:
        """The first items that were answered, as they were answered, by id."""
        return {}

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {str(user): row for row, user in enumerate(self.dataset.users)}

    def past_length(self, user: str) -> int:
        """How many events the data set holds of a user."""
        row = self._rows.get(user)
        return 0 if row is None else len(self.dataset.sequences[row])

    def history(self, user: str, later: Sequence[Event], *, past: bool = True) -> History | None:
        """A user's events in the data set and after; ``None`` if nothing is known of the user.

        Args:
            later: by time; items that this catalogue lacks are passed over.
            past: whether what the data set holds counts.
        """
        row = self._rows.get(user) if past else None
        if row is None and not later:
            return None
        known = [event for event in later if self.catalog.has(event.item)]
        items = self.catalog.positions([event.item for event in known])
        times = np.array([event.row[-1] for event in known], np.int64)
        kinds = np.array([kind_number(event.kind) for event in known], np.uint8)
        if row is None:
            return History(items, times, user=user, kinds=kinds)
        before = self.dataset.sequences[row]
        if not known:
            return before
        if before.times is not None:
            # A data set that was made after they were posted holds them already.
            there = set(zip(before.items.tolist(), before.times.tolist(), strict=True))
            new = [pair not in there for pair in zip(items.tolist(), times.tolist(), strict=True)]
            items, times, kinds = items[new], times[new], kinds[new]
        return _merged(before, items, times, kinds)

    def problems_with(
        self, items: Sequence[str] | None, where: Where = None, refused: InputError | None = None
    ) -> list[RequestProblem]:
        """All that is wrong with items and a filter over this catalogue.

        Args:
            refused: what the filter's form was refused for, if it was.
        """
        found = []
        try:
            self.catalog.positions(list(items or ()))
        except InputError as error:
            found.append(RequestProblem.of_input(error, "unknown_items"))
        filters = self.recommender.filters
        try:
            if refused is not None:
                raise filters.refusal(where, refused)
            filters.compile(where)
        except InputError as error:
            found.append(RequestProblem.of_input(error, "bad_filter"))
        return found

    def verify(self) -> None:
        """Computes one list.

        Raises:
            ConfigError: the catalogue of the recommender is not that of the data, or the list is
                empty.
        """
        if self.recommender.catalog.ids != self.dataset.catalog.ids:
            raise ConfigError(
                f"The recommender knows {len(self.catalog):,} items and the data set "
                f"{len(self.dataset.catalog):,}, or their order differs. Take both from one run."
            )
        # Users and items are numbered now, not by the first request.
        self.history("", [])
        self.catalog.has("")
        empty = History(np.zeros(0, np.int32))
        if not self.recommender.recommend_many([Request(empty, 1)])[0]:
            raise ConfigError("The recommender gives no item for an empty history. Train again.")
        _ = self._rows


def verified(loaded: Loaded) -> Loaded:
    """The same, after it has computed a list; see ``Loaded.verify``."""
    loaded.verify()
    return loaded


def _merged(past: History, items: np.ndarray, times: np.ndarray, kinds: np.ndarray) -> History:
    """One history, by time where there are times; each later event is a basket of its own."""
    joined = np.append(past.items, items).astype(np.int32)
    order, all_times = np.arange(len(joined)), None
    if past.times is not None:
        all_times = np.append(past.times, times)
        order = np.argsort(all_times, kind="stable")
        all_times = all_times[order]
    baskets = None
    if past.baskets is not None:
        first = int(past.baskets.max()) + 1 if len(past) else 0
        numbers = np.append(past.baskets, first + np.arange(len(items)))[order]
        opens = np.append(True, numbers[1:] != numbers[:-1])
        baskets = (np.cumsum(opens) - 1).astype(np.int32)
    before = np.zeros(len(past), np.uint8) if past.kinds is None else past.kinds
    return History(joined[order], all_times, baskets, past.user, np.append(before, kinds)[order])
