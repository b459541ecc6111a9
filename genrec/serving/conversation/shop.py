"""What a conversation sells from: catalogue, recommender, finder, profiles, copywriter.

Each behind a small method, so that the conversation names none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genrec.data.catalog import Catalog, Item
from genrec.data.dataset import Dataset
from genrec.data.sequences import History
from genrec.recommenders.base import Recommender

if TYPE_CHECKING:
    from genrec.creatives.copy import Copy
    from genrec.encoders.finder import Finder
    from genrec.llm.text import TextModel
    from genrec.profiles.profile import UserProfile


@dataclass(frozen=True, eq=False)
class Shop:
    """A shop behind the counter.

    Args:
        recommender: ranks the catalogue for a history.
        dataset: who chose what.
        finder: items by words and pictures, by vectors; words alone are looked up without.
        text_model: understands free words; the rules do without.
        currency: of prices, as an ISO code.
        stock: name of the attribute that says whether an item is in stock, where there is one.
    """

    recommender: Recommender
    dataset: Dataset
    finder: Finder | None = None
    text_model: TextModel | None = None
    currency: str = "USD"
    stock: str = "in_stock"

    @property
    def catalog(self) -> Catalog:
        """All items."""
        return self.recommender.catalog

    def item(self, item: str) -> Item:
        """An item by its id.

        Raises:
            InputError: there is none.
        """
        return self.catalog[item]

    def history(self, user: str) -> History:
        """What a user chose so far; empty for somebody unknown."""
        raise NotImplementedError

    def profile(self, user: str) -> UserProfile | None:
        """What the user's history says of them; ``None`` for somebody unknown."""
        raise NotImplementedError

    def allowed(self, where: dict[str, object], rejected: tuple[str, ...]) -> np.ndarray:
        """Items in stock that satisfy the constraints and were not rejected, bool, (items,)."""
        raise NotImplementedError

    def ad(self, item: str, user: str, *, channel: str = "push", seed: int = 0) -> Copy:
        """An ad for an item, written for the user, passed by the guard."""
        raise NotImplementedError
