"""What a conversation sells from: catalogue, recommender, finder, profiles, copywriter.

Each behind a small method, so that the conversation names none of them. Safe to share between
threads once it is open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from genrec.creatives.copy import Copy, CopyRequest
from genrec.creatives.copywriter import Copywriter
from genrec.creatives.facts import ItemFacts, value_text
from genrec.creatives.guard import Guard, Policy
from genrec.data.allowed import AllowedItems
from genrec.data.catalog import Catalog, Item
from genrec.data.dataset import Dataset
from genrec.data.filter_columns import NumberColumn
from genrec.data.filters import CompiledFilter
from genrec.data.sequences import History, Sequences
from genrec.recommenders.base import Recommender
from genrec.serving.conversation.likeness import Likeness
from genrec.serving.conversation.vocabulary import Vocabulary
from genrec.serving.conversation.word_index import WordIndex

if TYPE_CHECKING:
    from genrec.encoders.finder import Finder
    from genrec.llm.text import TextModel
    from genrec.profiles.build import Profiles
    from genrec.profiles.profile import UserProfile

# So many of the latest choices are looked at; a recommender reads no more either.
LATEST = 200
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
# Facts that a card has no room to repeat.
_NOT_ON_CARDS = ("title", "text", "price")


@dataclass(frozen=True, eq=False)
class Shop:
    """A shop behind the counter.

    Args:
        recommender: ranks the catalogue for a history.
        dataset: who chose what.
        finder: items by words and pictures, by vectors; without, words alone are looked up.
        text_model: understands free words; rules do without.
        histories: a user's choices, where more is known than the data set; ``None`` for nobody.
        known: profiles that are built already; else they are built when one is first asked for.
        policy: what copy and explanations may not say.
        currency: of prices, as an ISO code.
        stock: name of the attribute that says whether an item is in stock, where there is one.
    """

    recommender: Recommender
    dataset: Dataset
    finder: Finder | None = None
    text_model: TextModel | None = None
    histories: Callable[[str], History | None] | None = None
    known: Profiles | None = None
    policy: str = "general"
    currency: str = "USD"
    stock: str = "in_stock"
    _making: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def catalog(self) -> Catalog:
        """All items."""
        return self.recommender.catalog

    def open(self) -> Shop:
        """Reads the catalogue's words now rather than in the first turn; gives itself back."""
        with self._making:
            _ = self.index, self.vocabulary.speller, self._sensitive, self._guard
        return self

    @cached_property
    def index(self) -> WordIndex:
        """Items by their words."""
        return WordIndex(self.catalog)

    @cached_property
    def likeness(self) -> Likeness:
        """Items by vectors."""
        return Likeness(self.finder, self.index)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The catalogue's words for what a shopper may ask."""
        hidden = [self.stock] if self.stock in self.recommender.filters.names else []
        return Vocabulary(self.catalog, self.recommender.filters, self.index, hidden=hidden)

    @cached_property
    def in_stock(self) -> Mapping[str, Any]:
        """The condition of being in stock, as a filter; empty where the catalogue says nothing."""
        column = self.recommender.filters.column(self.stock)
        if not isinstance(column, NumberColumn):
            return {}
        return {self.stock: True} if column.is_bool else {self.stock: {"above": 0}}

    @cached_property
    def prices(self) -> np.ndarray:
        """The price of each item, NaN where it is unknown, shape (items,), float64."""
        column = self.recommender.filters.column("price")
        unknown = np.full(len(self.catalog), np.nan)
        return column.values if isinstance(column, NumberColumn) else unknown

    def item(self, item: str) -> Item:
        """An item by its id.

        Raises:
            InputError: there is none.
        """
        return self.catalog[item]

    def has(self, item: str) -> bool:
        """Whether there is such an item."""
        return self.catalog.has(item)

    def price_text(self, price: float | None) -> str:
        """A price as it is read; empty when unknown."""
        if price is None:
            return ""
        return f"{_SYMBOLS.get(self.currency, self.currency + ' ')}{price:,.2f}"

    def picture_of(self, item: Item) -> str:
        """Path of an item's picture in the media folder; empty where either is missing."""
        return (self.catalog.media is not None and item.image) or ""

    def short_facts(self, item: Item, most: int = 3) -> tuple[str, ...]:
        """A few facts of an item for its card."""
        found = []
        for name, value in item.attributes.items():
            said = value_text(value)
            if name in (self.stock, *_NOT_ON_CARDS) or isinstance(value, bool) or not said:
                continue
            # A number without a name says nothing, and what the title says is said.
            if said.replace(".", "").isdigit() or said.lower() in item.title.lower():
                continue
            found.append(said)
        return tuple(found[:most])

    def allowed(self, where: Mapping[str, Any]) -> CompiledFilter:
        """Items in stock that satisfy the constraints.

        Raises:
            InputError: lists every condition that this catalogue cannot check.
        """
        stocked = {"all": [dict(where), dict(self.in_stock)]} if self.in_stock else dict(where)
        return self.recommender.filters.compile(stocked)

    def history(self, user: str) -> History:
        """A user's latest choices; empty for somebody unknown."""
        found = None
        if user and self.histories is not None:
            found = self.histories(user)
        elif user in self._rows:
            found = self.dataset.sequences[self._rows[user]]
        return History(np.zeros(0, np.int32)) if found is None else _latest(found)

    def ranked(
        self, history: History, allowed: np.ndarray, off: np.ndarray, n: int, *, key: str = ""
    ) -> np.ndarray:
        """Positions that the recommender puts first, best first, shape (≤ n,), int64.

        Args:
            allowed: bool, shape (items,).
            off: positions that may not come beside.
            key: of the bitmap, where it is kept.
        """
        rules = AllowedItems(len(self.catalog), [allowed], [key or None], np.zeros(1, int), [off])
        found = self.recommender.rank(Sequences.of([history]), n, allowed=rules).items[0]
        return found[found >= 0].astype(np.int64)

    def profile(self, user: str) -> UserProfile | None:
        """What the user's history says of them; ``None`` for somebody unknown."""
        if not user or user not in self._rows:
            return None
        with self._making:
            profiles = self._profiles
        # A user may have a history and no profile: those who asked to be forgotten.
        return profiles[user] if profiles.__contains__(user) else None

    def ad(self, item: str, user: str, *, channel: str = "push", seed: int = 0) -> Copy:
        """An ad for an item, written for the user, passed by the guard.

        Raises:
            InputError: there is no such item.
            ConfigError: there is no such channel.
        """
        request = CopyRequest(self.item(item), self.profile(user), channel, seed=seed)
        return self._copywriter.write([request])[0]

    def facts(self, item: Item) -> ItemFacts:
        """What an item says of itself."""
        return ItemFacts.of(item, currency=self.currency)

    def may_say(self, text: str, item: Item) -> bool:
        """Whether the guard lets a text about an item pass."""
        return self._guard.check(text, self.facts(item)).ok

    def may_cite(self, items: np.ndarray) -> np.ndarray:
        """Which of a shopper's choices may be named to them, bool; not what is sensitive."""
        return ~self._sensitive[items]

    @cached_property
    def _sensitive(self) -> np.ndarray:
        from genrec.profiles.sensitive import SensitiveRules

        topics = SensitiveRules.load("sensitive").topics_of(self.catalog).values()
        return np.logical_or.reduce([np.zeros(len(self.catalog), bool), *topics])

    def counts(self, items: Sequence[int] | np.ndarray) -> np.ndarray:
        """How often each of these items was chosen, by anybody, int64."""
        return self._counts[np.asarray(items, np.int64)]

    @cached_property
    def _counts(self) -> np.ndarray:
        positions = self.dataset.events["item"].to_numpy().astype(np.int64)
        return np.bincount(positions, minlength=len(self.catalog))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {str(user): row for row, user in enumerate(self.dataset.users)}

    @cached_property
    def _profiles(self) -> Profiles:
        if self.known is not None:
            return self.known
        from genrec.profiles.build import build_profiles

        return build_profiles(self.dataset)

    @cached_property
    def _guard(self) -> Guard:
        return Guard(Policy.load(self.policy))

    @cached_property
    def _copywriter(self) -> Copywriter:
        return Copywriter(guard=self._guard)


def _latest(history: History) -> History:
    if len(history) <= LATEST:
        return history
    baskets = None if history.baskets is None else history.baskets[-LATEST:]
    times = None if history.times is None else history.times[-LATEST:]
    kinds = None if history.kinds is None else history.kinds[-LATEST:]
    return History(history.items[-LATEST:], times, baskets, history.user, kinds)
