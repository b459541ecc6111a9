"""From a message to what it means here: its reading, and the shown item that it speaks of."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from genrec.serving.conversation import phrases
from genrec.serving.conversation.incoming import readable
from genrec.serving.conversation.message import Message
from genrec.serving.conversation.reading import ON_ITEM, Reading
from genrec.serving.conversation.references import meant, named
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.state import ChatState, Pending

# The attribute of a question whether a constraint is to be dropped.
DROP = "*"


class Reader(Protocol):
    """Understands free words."""

    def read(self, text: str, *, pending: str = "") -> Reading:
        """What a turn means; ``pending`` is the attribute of an open question."""


def listen(shop: Shop, state: ChatState, message: Message, reader: Reader) -> tuple[Reading, str]:
    """What the message means, and the id of the item that it speaks of; empty for none."""
    if message.action != "say":
        return Reading(message.action, pointed="it"), message.item
    text = readable(message.text)
    if message.picture and not text:
        return Reading("find"), ""
    pending = state.pending
    if pending and (answer := _answer(pending, text)):
        return answer, ""
    reading = reader.read(text, pending=pending.attribute if pending else "")
    if message.picture and reading.intent == "unclear":
        reading = replace(reading, intent="find")
    if reading.intent == "any" and not pending:
        reading = replace(reading, intent="more")
    speaks = reading.points or reading.alike or reading.unlike
    item = meant(shop, state, reading) if speaks else ""
    cards = [one for one in state.cards if shop.has(one)]
    if reading.intent in ON_ITEM and reading.wish and not reading.ordinal:
        # "Tell me about the Alba mug": the words point, and look for nothing.
        said = named(shop, cards, list(reading.wish))
        if said:
            return replace(reading, wish=(), kinds=()), said
    if (reading.alike or reading.unlike) and not item and cards:
        item = cards[0]
    return reading, item


def _answer(pending: Pending, text: str) -> Reading | None:
    """The reading of one of the options, or of yes and no where that answers the question."""
    said = text.casefold().strip(" .!")
    options = [one.casefold() for one in pending.options]
    choice = options.index(said) if said in options else -1
    if choice < 0 and len(options) == 2 and options[0].startswith("yes"):
        indifferent = pending.attribute == DROP and phrases.is_any(text.lower())
        if phrases.is_yes(text.lower()) or indifferent:
            choice = 0
        elif phrases.is_no(text.lower()):
            choice = 1
    if choice < 0 and pending.attribute != DROP and phrases.is_no(text.lower()):
        # None of the options: it does not matter.
        return Reading("any")
    if choice < 0:
        return None
    if pending.attribute == DROP:
        gone = tuple(pending.wheres[choice])
        return Reading("find", relax=gone) if gone else Reading("thanks")
    return Reading("find", where=pending.wheres[choice])
