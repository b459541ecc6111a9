"""A state and the reading of a turn to the next state: what is wanted from now on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from genrec.serving.conversation.constraints import with_price, with_reading
from genrec.serving.conversation.reading import Reading
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.spelling import stem, stems_of
from genrec.serving.conversation.state import KEPT, ChatState

# Words of a wish that are kept: nobody means more.
WISH_WORDS = 12


def after(
    shop: Shop, state: ChatState, reading: Reading, item: str = "", *, fresh: bool = False
) -> ChatState:
    """The state that a turn asks for; what it shows is not in it yet.

    Args:
        item: id of the shown item that is spoken of; empty for none.
        fresh: whether what was wanted before is over in any case.
    """
    fresh = fresh or _is_fresh(shop, state, reading)
    where: dict[str, Any] = {} if fresh else dict(state.where)
    where = with_reading(where, reading)
    if item:
        where = _as_item(shop, where, reading, item)
    where = _relative(shop, state, where, reading, item)
    likes, dislikes = state.likes, state.dislikes
    wish = "" if fresh else state.wish
    unwanted = () if fresh or "*" in reading.relax else state.unwanted
    again = set(map(stem, reading.wish))
    unwanted = tuple(
        dict.fromkeys(one for one in (*unwanted, *reading.unwanted) if stem(one) not in again)
    )[-WISH_WORDS:]
    if fresh:
        likes = ()
    if reading.intent == "more_like" and item:
        likes = _added(likes, item)
        # What is like an item is looked for by the item, not by the words that led to it.
        wish = ""
    if reading.intent == "less_like" and item:
        dislikes = _added(dislikes, item)
    recipient = state.recipient
    if reading.recipient:
        recipient = "" if reading.recipient == "me" else reading.recipient
    return replace(
        state,
        where=where,
        wish=_unsaid(_wish(wish, reading), where),
        unwanted=unwanted,
        likes=likes,
        dislikes=dislikes,
        recipient=recipient,
        focus=item or state.focus,
    )


def names_a_kind(shop: Shop, reading: Reading) -> bool:
    """Whether a turn asks for a kind of product."""
    kinds = reading.kinds or _kinds_of(shop, dict(reading.where))
    return reading.intent == "find" and bool(kinds)


def kinds_named(shop: Shop, reading: Reading) -> int:
    """How many kinds of product a turn asks for."""
    found = _kinds_of(shop, dict(reading.where)).values()
    return len(reading.kinds) + sum(map(len, found))


def rejecting(state: ChatState, items: Sequence[str]) -> ChatState:
    """The state after these items were refused: they never come again."""
    rejected = state.rejected
    for one in items:
        rejected = _added(rejected, one)
    likes = tuple(one for one in state.likes if one not in items)
    return replace(state, rejected=rejected, likes=likes)


def _is_fresh(shop: Shop, state: ChatState, reading: Reading) -> bool:
    """Whether another kind of product is asked for, so that the old wish is over.

    Two values of one attribute exclude each other. A value of another attribute narrows: a
    department after a type, say; and so does a further word, where some item has both.
    """
    if reading.intent not in ("find", "hello"):
        return False
    if reading.points or reading.alike or reading.unlike:
        return False
    before = _kinds_of(shop, dict(state.where))
    for name, values in _kinds_of(shop, dict(reading.where)).items():
        if name in before and not values & before[name]:
            return True
    return False


def _kinds_of(shop: Shop, where: dict[str, Any]) -> dict[str, set[str]]:
    """Values that are asked for of attributes that say what a thing is."""
    found = {}
    for name, value in where.items():
        if shop.vocabulary.is_kind(name):
            said = value.get("is", value.get("in")) if isinstance(value, dict) else value
            if said is not None:
                found[name] = {str(one) for one in (said if isinstance(said, list) else [said])}
    return found


def _wish(before: str, reading: Reading) -> str:
    words: dict[str, str] = {}
    for word in (*before.split(), *reading.wish):
        words.setdefault(stem(word), word)
    unwanted = [str(one).lower() for values in reading.without.values() for one in values]
    for one in (*unwanted, *reading.unwanted):
        words.pop(stem(one), None)
    return " ".join(list(words.values())[-WISH_WORDS:])


def _unsaid(wish: str, where: dict[str, Any]) -> str:
    """The wish without words that a condition says already: eggs of the category Eggs."""
    said: set[str] = set()
    for condition in where.values():
        value = condition.get("is") if isinstance(condition, dict) else condition
        said |= set(stems_of(value)) if isinstance(value, str) else set()
    return " ".join(word for word in wish.split() if stem(word) not in said)


def _as_item(shop: Shop, where: dict[str, Any], reading: Reading, item: str) -> dict[str, Any]:
    """Attributes that are to be the item's own, or other than them."""
    own = shop.item(item).attributes
    for name in reading.alike:
        if name in own:
            value = own[name]
            values = list(value) if isinstance(value, list | tuple) else value
            where = {**where, name: {"in": values} if isinstance(values, list) else {"is": values}}
    for name in reading.unlike:
        if name in own:
            value = own[name]
            unwanted = list(value) if isinstance(value, list | tuple) else [value]
            where = with_reading(where, Reading("find", without={name: unwanted}))
    return where


def _relative(
    shop: Shop, state: ChatState, where: dict[str, Any], reading: Reading, item: str
) -> dict[str, Any]:
    """A bound for cheaper and dearer, from the item meant or the cards shown."""
    if reading.relative in ("", "cheapest"):
        return where
    cards = [item] if item else [one for one in state.cards if shop.has(one)]
    prices = [price for one in cards if (price := shop.item(one).price) is not None]
    relative = reading.relative
    if relative in ("cheaper", "dearer") and prices:
        middle = float(np.median(prices))
        return with_price(where, {"below" if relative == "cheaper" else "above": round(middle, 2)})
    return _level(shop, state, where, reading)


def _level(shop: Shop, state: ChatState, where: dict[str, Any], reading: Reading) -> dict[str, Any]:
    """A bound for cheap and expensive: a third of what the wish's items cost."""
    allowed = shop.allowed({name: value for name, value in where.items() if name != "price"})
    mask = np.ones(len(shop.catalog), bool) if allowed.allowed is None else allowed.allowed
    wish = _wish(state.wish, reading).split()
    pool = shop.index.search(wish, 4_000, allowed=mask).items
    pool = pool if len(pool) else np.flatnonzero(mask)
    prices = shop.prices[pool]
    prices = prices[~np.isnan(prices)]
    if not len(prices):
        return where
    low = reading.relative in ("low", "cheaper")
    bound = round(float(np.quantile(prices, 1 / 3 if low else 2 / 3)), 2)
    return with_price(where, {"max" if low else "min": bound})


def _added(items: tuple[str, ...], item: str) -> tuple[str, ...]:
    return (*(one for one in items if one != item), item)[-KEPT:]
