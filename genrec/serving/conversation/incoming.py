"""A message as it may be read: text, of a bearable length, without what cannot be seen."""

from __future__ import annotations

import unicodedata

from genrec.serving.conversation import replies
from genrec.serving.conversation.events import Error
from genrec.serving.conversation.message import ACTIONS, ON_CARDS, Message
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.state import ChatState

# Nobody asks a shop assistant in more letters; the rest is a mistake or a flood.
LONGEST = 2_000
# Of all letters, so many may be unreadable before the whole is taken for a file.
MOST_UNREADABLE = 0.1
_BLANKS = "\n\r\t\v\f\u2028\u2029\x85"


def problem_of(shop: Shop, state: ChatState, message: Message) -> Error | None:
    """What is wrong with a message; ``None`` when it can be answered."""
    if message.action not in ACTIONS:
        return Error("unknown_action", f"I cannot do “{message.action[:40]}”. {replies.HELP}")
    if message.action in ON_CARDS:
        if not message.item or not state.knows(message.item):
            return Error("stale_card", replies.STALE)
        if not shop.has(message.item):
            return Error("stale_card", replies.GONE)
        return None
    if message.action != "say":
        return None
    if len(message.text) > LONGEST:
        return Error("too_long", replies.TOO_LONG)
    if is_binary(message.text):
        return Error("unreadable", replies.UNREADABLE)
    if not readable(message.text) and not message.picture:
        return Error("empty", replies.EMPTY)
    return None


def readable(text: str) -> str:
    """The text on one line, without marks of direction and whatever else cannot be seen."""
    kept = []
    for letter in text:
        if letter in _BLANKS:
            kept.append(" ")
        elif unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn"):
            kept.append(letter)
    return " ".join("".join(kept).split())


def is_binary(text: str) -> bool:
    """Whether it is a file rather than a text."""
    bad = sum(
        letter == "\ufffd"
        or (unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") and letter not in _BLANKS)
        for letter in text
    )
    return bad > MOST_UNREADABLE * len(text) or "\x00" in text
