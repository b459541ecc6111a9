"""Which of the shown items a turn speaks of: by number, by pointing, or by what it is like."""

from __future__ import annotations

from dataclasses import replace

from genrec.serving.conversation.reading import Reading
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.spelling import stem, stems_of
from genrec.serving.conversation.state import ChatState


def meant(shop: Shop, state: ChatState, reading: Reading) -> str:
    """Id of the item that is spoken of among those shown last; empty when none can be told."""
    cards = [one for one in state.cards if shop.has(one)]
    if not cards:
        return ""
    if reading.ordinal:
        place = reading.ordinal - 1 if reading.ordinal > 0 else len(state.cards) - 1
        if not 0 <= place < len(state.cards):
            return ""
        one = state.cards[place]
        return one if shop.has(one) else ""
    if reading.relative == "cheapest":
        priced = [one for one in cards if shop.item(one).price is not None]
        return min(priced, key=lambda one: shop.item(one).price or 0.0) if priced else ""
    if reading.pointed and reading.pointed != "it":
        return named(shop, cards, reading.pointed.split())
    if state.focus in cards:
        return state.focus
    if reading.intent == "buy" and len(cards) > 1:
        # Of several the first may be explained on a guess, but not bought.
        return ""
    return cards[0] if len(cards) == 1 or reading.pointed == "it" else ""


def together(shop: Shop, state: ChatState, reading: Reading, item: str) -> list[str]:
    """The item that is spoken of and those that are named in one breath with it, each once."""
    one = replace(reading, beside=())
    others = [meant(shop, state, replace(one, ordinal=place)) for place in reading.beside]
    return list(dict.fromkeys(other for other in (item, *others) if other))


def named(shop: Shop, cards: list[str], words: list[str]) -> str:
    """The card that has all of these words, of several the first; empty if none has."""
    for one in cards:
        item = shop.item(one)
        own = set(stems_of(item.title))
        for value in item.attributes.values():
            own |= set(stems_of(str(value)))
        if all(stem(word) in own for word in words):
            return one
    return ""
