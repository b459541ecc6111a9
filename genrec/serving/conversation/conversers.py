"""Assistants as simulated shoppers meet them: the conversation, and two controls without one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from genrec.evaluation.shoppers import Said
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.events import Cards, ChatEvent, Done, Question
from genrec.serving.conversation.message import Message
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.spelling import stems_of
from genrec.serving.conversation.state import ChatState


@dataclass(frozen=True, eq=False)
class Assistant:
    """The conversation itself."""

    conversation: Conversation
    name: str = "chat"

    def begin(self, user: str) -> ChatState:
        return ChatState(user=user)

    def say(self, state: ChatState, text: str) -> Said:
        return self._turn(state, Message(text))

    def hide(self, state: ChatState, item: str) -> Said:
        return self._turn(state, Message(action="hide", item=item))

    def _turn(self, state: ChatState, message: Message) -> Said:
        return said(list(self.conversation.turn(state, message)))


def said(events: list[ChatEvent]) -> Said:
    """What a turn's events come to."""
    done = events[-1]
    if not isinstance(done, Done):
        raise TypeError(f"A turn ended with {type(done).__name__}, not with Done.")
    cards = [card.item for one in events if isinstance(one, Cards) for card in one.cards]
    question = next((one for one in events if isinstance(one, Question)), Question())
    return Said(done.state, tuple(cards), question.attribute, question.options, done.text)


@dataclass(frozen=True)
class Heard:
    """All that a control knows of a conversation: the words so far, and what it has shown."""

    words: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class RetrievalOnly:
    """Looks up all words said so far, newest items first where they tie; understands nothing."""

    shop: Shop
    cards: int = 4
    name: str = "retrieval only"

    def begin(self, user: str) -> Heard:  # noqa: ARG002
        return Heard()

    def say(self, state: Heard, text: str) -> Said:
        return self._shown(Heard((*state.words, *stems_of(text)), state.seen))

    def hide(self, state: Heard, item: str) -> Said:  # noqa: ARG002
        return self._shown(state)

    def _shown(self, heard: Heard) -> Said:
        items = self.shop.index.scored(heard.words, 200)
        ids = (self.shop.catalog.ids[int(one)] for one in items)
        fresh = [one for one in ids if one not in heard.seen][: self.cards]
        return Said(Heard(heard.words, (*heard.seen, *fresh)), tuple(fresh))


@dataclass(frozen=True, eq=False)
class PopularOnly:
    """The most chosen items, then the next ones; hears nothing."""

    shop: Shop
    cards: int = 4
    name: str = "popular only"

    def begin(self, user: str) -> Heard:  # noqa: ARG002
        return Heard()

    def say(self, state: Heard, text: str) -> Said:  # noqa: ARG002
        items = self._order[len(state.seen) : len(state.seen) + self.cards]
        ids = tuple(self.shop.catalog.ids[int(one)] for one in items)
        return Said(Heard((), (*state.seen, *ids)), ids)

    def hide(self, state: Heard, item: str) -> Said:  # noqa: ARG002
        return self.say(state, "")

    @cached_property
    def _order(self) -> np.ndarray:
        counts = self.shop.counts(np.arange(len(self.shop.catalog)))
        return np.argsort(-counts, kind="stable")
