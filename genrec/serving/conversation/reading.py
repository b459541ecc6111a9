"""What a turn means, typed: the one form that rules and language models both give.

Knows no catalogue: values are checked where a reading is applied to a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from genrec.errors import InputError, nearest

# Intents about one item that was shown.
ON_ITEM = ("more_like", "less_like", "hide", "tell", "why", "make_ad", "buy")
INTENTS = (
    "find",
    "more",
    "more_like",
    "less_like",
    "hide",
    "tell",
    "why",
    "make_ad",
    "buy",
    "undo",
    "restart",
    "any",
    "hello",
    "thanks",
    "help",
    "forget_me",
    "basket",
    "service",
    "unclear",
)
# Of the items that were shown last, or of prices in general.
RELATIVES = ("", "cheaper", "dearer", "cheapest", "low", "high")


@dataclass(frozen=True)
class Reading:
    """A turn in terms of the shop.

    Attributes:
        intent: one of ``INTENTS``.
        where: conditions that are to hold, attribute to an ``ItemFilter`` condition in JSON.
        without: values that must not be, by attribute.
        relax: attributes whose conditions no longer hold; ``*`` for all.
        wish: words to look for that are no condition.
        unwanted: words that are no condition, of things that are not to have them.
        kinds: of the wish, words that name a kind of product.
        ordinal: which of the shown items is meant, from 1; -1 the last, 0 none by number.
        beside: further ones that are named in one breath with it, likewise.
        pointed: words that say which shown item is meant, such as ``blue``; ``it`` for the one
            that was spoken of last.
        relative: one of ``RELATIVES``.
        alike: attributes that are to be as those of the item that is meant.
        unlike: attributes that are to be other than its.
        recipient: whom it is for; ``me`` for the shopper again, empty if not said.
        lacking: attributes that were named and that the catalogue lacks, such as ``brand``.
        corrected: words that were misspelt, and what they were taken for.
    """

    intent: str = "unclear"
    where: Mapping[str, Any] = field(default_factory=dict)
    without: Mapping[str, list[Any]] = field(default_factory=dict)
    relax: tuple[str, ...] = ()
    wish: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    ordinal: int = 0
    beside: tuple[int, ...] = ()
    pointed: str = ""
    relative: str = ""
    alike: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    recipient: str = ""
    lacking: tuple[str, ...] = ()
    corrected: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.intent not in INTENTS:
            raise InputError(f"No intent '{self.intent}'; {nearest(self.intent, INTENTS)}")
        if self.relative not in RELATIVES:
            raise InputError(f"No relative '{self.relative}'; {nearest(self.relative, RELATIVES)}")

    @property
    def points(self) -> bool:
        """Whether it speaks of an item that was shown."""
        return bool(self.ordinal or self.pointed)

    @property
    def changes(self) -> bool:
        """Whether it says anything about what is wanted."""
        return bool(
            self.where
            or self.without
            or self.relax
            or self.wish
            or self.unwanted
            or self.relative
            or self.alike
            or self.unlike
            or self.recipient
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, without what is empty."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value
        }
