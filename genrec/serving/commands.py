"""What is typed instead of pressed: words, or commands such as ``/why 2`` about a card."""

from __future__ import annotations

from collections.abc import Sequence

from genrec.errors import InputError
from genrec.serving.conversation.message import Message

# What is done to a card, by command.
ON_CARDS = {
    "/why": "why",
    "/more": "more_like",
    "/less": "less_like",
    "/hide": "hide",
    "/ad": "make_ad",
    "/buy": "buy",
}
CHANGES = {"/undo": "undo", "/restart": "restart"}
HELP = """Say what you look for, or do something with a card by its number:
  /why 2     why it is shown          /more 2   more like it
  /less 2    less like it             /hide 2   never again
  /ad 2      an ad for it, for you    /buy 2    take it
  /undo      take the last change back       /restart   begin a new search"""


def read_line(line: str, cards: Sequence[str]) -> Message:
    """The message that a line means.

    Args:
        cards: ids of the items that are shown, so that 2 means the second.

    Raises:
        InputError: there is no such command or no such card.
    """
    word, _, rest = line.strip().partition(" ")
    if word in CHANGES:
        return Message(action=CHANGES[word])
    if word not in ON_CARDS:
        if word.startswith("/"):
            raise InputError(f"There is no command {word}. {HELP}")
        return Message(line)
    number = rest.strip()
    if not (number.isascii() and number.isdecimal() and 1 <= int(number) <= len(cards)):
        there = f"a number from 1 to {len(cards)}" if cards else "a card; nothing is shown yet"
        raise InputError(f"Say {word} and {there}.")
    return Message(action=ON_CARDS[word], item=cards[int(number) - 1])
