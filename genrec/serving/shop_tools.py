"""What other programs may ask of a shop: recommend, find, explain, make an ad.

One description of each tool for all protocols. Every answer is plain JSON values, and comes by the
same way as a chat's, so that the same rules hold. Keeps nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from genrec.errors import InputError
from genrec.serving.conversation.candidates import Asked, find
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.events import (
    AdMade,
    Card,
    Cards,
    ChatEvent,
    Done,
    Error,
    Explanation,
    FilterSet,
)
from genrec.serving.conversation.evidence import Reasons
from genrec.serving.conversation.message import Message
from genrec.serving.conversation.state import ChatState

# Items that one answer may hold.
MOST = 50

_N = {"type": "integer", "minimum": 1, "maximum": MOST, "description": "How many items."}
_WHERE = {
    "type": "object",
    "description": 'Conditions that every item satisfies, such as {"price": {"max": 10}}.',
}
_USER = {"type": "string", "description": "Whose history counts; nobody's when left out."}
_ITEM = {"type": "string", "description": "The item's id."}
_WORDS = {"type": "string", "description": "What is looked for, in words."}


@dataclass(frozen=True)
class Tool:
    """One thing that may be asked.

    Attributes:
        about: what it does, for whoever decides to call it.
        arguments: JSON schema of each argument.
        needed: arguments that may not be left out.
    """

    about: str
    arguments: Mapping[str, Mapping[str, Any]]
    needed: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """Of all arguments together."""
        return {
            "type": "object",
            "properties": {name: dict(one) for name, one in self.arguments.items()},
            "required": list(self.needed),
            "additionalProperties": False,
        }


TOOLS: Mapping[str, Tool] = {
    "recommend": Tool(
        "Items of this shop that suit a user, best first.",
        {"user": _USER, "n": _N, "where": _WHERE},
    ),
    "find": Tool(
        "Items of this shop that answer a wish in words, best first.",
        {"text": _WORDS, "n": _N, "where": _WHERE, "user": _USER},
        ("text",),
    ),
    "explain": Tool(
        "Why an item suits a user: from its facts and the user's own choices.",
        {"item": _ITEM, "user": _USER},
        ("item",),
    ),
    "make_ad": Tool(
        "A short ad for an item, from verified facts, written for a user.",
        {"item": _ITEM, "user": _USER},
        ("item",),
    ),
}


def tool_specs() -> list[dict[str, Any]]:
    """The tools as a client of OpenAI's protocol passes them."""
    return [
        {
            "type": "function",
            "function": {"name": name, "description": tool.about, "parameters": tool.schema},
        }
        for name, tool in TOOLS.items()
    ]


class ShopTools:
    """The tools of one shop."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation, self.shop = conversation, conversation.shop

    def recommend(
        self, user: str = "", n: int = 10, where: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Items that suit a user, and how many the conditions allow.

        Raises:
            InputError: the conditions are not of this catalogue, or ``n`` is out of range.
        """
        state = ChatState(user=user, where=dict(where or {}))
        history = self.shop.history(user)
        asked = Asked(state, history, np.zeros(0, np.int64))
        found = find(self.shop, asked, _within(n))
        reasons = Reasons(self.shop, state, history)
        cards = [self._card(int(one), reasons) for one in found.items]
        return {"items": [shown_card(card) for card in cards], "matching": found.matching}

    def find(
        self, text: str, n: int = 10, where: Mapping[str, Any] | None = None, user: str = ""
    ) -> dict[str, Any]:
        """Items that answer words, the conditions that were understood, and what to say of them.

        Raises:
            InputError: as of ``recommend``, or the words cannot be read.
        """
        conditions = dict(where or {})
        self.shop.allowed(conditions)
        asked = replace(self.conversation, cards=_within(n), questions=0)
        events = _heard(asked, ChatState(user=user, where=conditions), Message(text))
        items = [card for event in events if isinstance(event, Cards) for card in event.cards]
        held = [event for event in events if isinstance(event, FilterSet)]
        return {
            "items": [shown_card(card) for card in items],
            "where": held[-1].where if held else conditions,
            "matching": held[-1].matching if held else 0,
            "text": next((event.text for event in events if isinstance(event, Done)), ""),
        }

    def explain(self, item: str, user: str = "") -> dict[str, Any]:
        """Why an item suits a user.

        Raises:
            InputError: there is no such item.
        """
        for event in self._about(item, user, "why"):
            if isinstance(event, Explanation):
                return {
                    "item": item,
                    "text": event.text,
                    "facts": list(event.facts),
                    "evidence": list(event.evidence),
                }
        raise InputError(f"There is nothing to say of the item '{item}'.")

    def make_ad(self, item: str, user: str = "") -> dict[str, Any]:
        """An ad for an item, written for a user.

        Raises:
            InputError: there is no such item, or nothing may be said of it.
        """
        for event in self._about(item, user, "make_ad"):
            if isinstance(event, AdMade):
                values = event.to_dict()
                return {name: value for name, value in values.items() if name != "kind"}
        raise InputError(f"No ad can be made for the item '{item}'.")

    def _about(self, item: str, user: str, action: str) -> list[ChatEvent]:
        self.shop.item(item)
        state = ChatState(user=user, shown=((item,),), focus=item)
        return _heard(self.conversation, state, Message(action=action, item=item))

    def _card(self, position: int, reasons: Reasons) -> Card:
        item = self.shop.catalog[position]
        return Card(
            item.id,
            item.title,
            item.price,
            self.shop.price_text(item.price),
            why=reasons.short(position).text,
            facts=self.shop.short_facts(item),
        )


def shown_card(card: Card) -> dict[str, Any]:
    """A card for a program."""
    return {
        "item": card.item,
        "title": card.title,
        "price": card.price,
        "price_text": card.price_text,
        "why": card.why,
        "facts": list(card.facts),
    }


def _within(n: int) -> int:
    if not 1 <= n <= MOST:
        raise InputError(f"n is {n}; ask for 1 to {MOST} items.")
    return n


def _heard(conversation: Conversation, state: ChatState, message: Message) -> list[ChatEvent]:
    events = list(conversation.turn(state, message))
    wrong = [event for event in events if isinstance(event, Error)]
    if wrong:
        raise InputError(wrong[0].text)
    return events
