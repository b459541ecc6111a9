"""What a shopper sends: words, a picture, or something done to a card; one form everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# What may be done; all but ``say`` and ``undo`` and ``restart`` are done to a card.
ACTIONS = ("say", "more_like", "less_like", "hide", "why", "make_ad", "buy", "undo", "restart")
ON_CARDS = ("more_like", "less_like", "hide", "why", "make_ad", "buy")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the shopper.

    Attributes:
        text: what they say; with ``say`` only.
        action: one of ``ACTIONS``.
        item: id of the card that it is done to.
        picture: bytes of a picture to look for the like of.
        id: the client's own; a message that is sent again under its id is answered once.
    """

    text: str = ""
    action: str = "say"
    item: str = ""
    picture: bytes = b""
    id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; of a picture its size alone."""
        values = {"text": self.text, "action": self.action, "item": self.item, "id": self.id}
        return {**values, "picture": len(self.picture)}
