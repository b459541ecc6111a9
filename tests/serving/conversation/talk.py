"""A conversation in the corner shop that remembers what was said."""

from __future__ import annotations

from genrec.serving.conversation import (
    Cards,
    ChatEvent,
    ChatState,
    Done,
    Message,
    Token,
)
from genrec.serving.conversation.conversation import Conversation
from tests.serving.conversation.shop import corner_shop

SHOP = corner_shop()


CHAT = Conversation(SHOP)


class Talk:
    """A conversation that remembers the events of its last turn."""

    def __init__(self, user: str = "u1", chat: Conversation = CHAT) -> None:
        self.state, self.chat = ChatState(user=user), chat
        self.events: list[ChatEvent] = []

    def say(self, text: str) -> Talk:
        return self.send(Message(text))

    def do(self, action: str, item: str) -> Talk:
        return self.send(Message(action=action, item=item))

    def send(self, message: Message) -> Talk:
        self.events = list(self.chat.turn(self.state, message))
        done = self.events[-1]
        assert isinstance(done, Done) and done.state is not None
        self.state = done.state
        return self

    def one(self, kind: type) -> ChatEvent | None:
        return next((event for event in self.events if isinstance(event, kind)), None)

    @property
    def cards(self) -> list[str]:
        return [
            card.item for event in self.events if isinstance(event, Cards) for card in event.cards
        ]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Token))

    def each(self, name: str) -> set:
        items = [SHOP.item(one) for one in self.cards]
        return {item.price if name == "price" else item.attributes[name] for item in items}
