"""One turn: a state and a message to events and a new state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from genrec.serving.conversation.events import ChatEvent
from genrec.serving.conversation.message import Message
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.state import ChatState


@dataclass(frozen=True, eq=False)
class Conversation:
    """A shop assistant. Keeps nothing between turns, so one serves all sessions at once.

    Args:
        cards: items shown at a time.
        questions: most questions of one session.
    """

    shop: Shop
    cards: int = 4
    questions: int = 3

    def turn(self, state: ChatState, message: Message) -> Iterator[ChatEvent]:
        """The answer to a message, as it is made; the last event is ``Done`` with the new state.

        Never raises for what a shopper sends: that is an ``Error`` event, and the state is as
        before.
        """
        raise NotImplementedError
