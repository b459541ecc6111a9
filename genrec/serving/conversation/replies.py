"""The assistant's words: short and plain, from counts, constraints and titles alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from genrec.serving.conversation.constraints import chips
from genrec.serving.conversation.reading import Reading
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.state import ChatState

HELLO = "Hello! What are you looking for?"
THANKS = "You're welcome. Just tell me when you need something else."
FORGET_ME = (
    "Choose “Forget me” on the page, or type /forget in the terminal: then your profile, your "
    "chats and what you did here are removed."
)
HELP = (
    "Tell me what you look for, such as a colour, a brand or a price. Of what I show you can say "
    "“more like the second”, “not that brand”, “cheaper”, “why?”, “hide the first”, “undo”, or "
    "“make me an ad for it”."
)
UNCLEAR = (
    "I did not get that. What are you looking for? You can name a product, a brand or a price."
)
SERVICE = (
    "I help you to find things. Paying, delivery, returns and what you ordered before are with the "
    "shop itself; please ask there."
)
BASKET = "What you took stands in the basket on the page; in the terminal, type /basket."
GO_ON = "All right. Just say what you would like to see next."
TO_INTENTS = {
    "hello": HELLO,
    "thanks": THANKS,
    "help": HELP,
    "forget_me": FORGET_ME,
    "service": SERVICE,
    "basket": BASKET,
    "unclear": UNCLEAR,
}
EMPTY = "That message was empty. Tell me what you are looking for."
NO_UNDO = "There is nothing to take back."
RESTARTED = "Let's start again. What are you looking for?"
WHICH = "Which one do you mean? Say “the first”, “the second” and so on."
NOTHING_SHOWN = "I have not shown you anything yet. What are you looking for?"
STALE = "That item is not among those I showed you here. Please pick one from the latest list."
GONE = "That item is no longer sold."
TOO_LONG = "That message is too long for me. Please say it in a few sentences."
UNREADABLE = "I can only read text here. Please type what you are looking for."
UNAVAILABLE = "Something went wrong on my side. Nothing is lost; please try again in a moment."


def money(shop: Shop, amount: float) -> str:
    """A bound as people say it: without cents where there are none."""
    return shop.price_text(amount).removesuffix(".00")


def constraints(shop: Shop, state: ChatState) -> tuple[str, ...]:
    """Each constraint in words: what it is comes first and its price last, as one would say it."""
    names = sorted(state.where, key=lambda n: (n == "price", not shop.vocabulary.is_kind(n)))
    where = {name: state.where[name] for name in names}
    unwanted = (f"not “{one}”" for one in state.unwanted)
    return (*chips(where, lambda amount: money(shop, amount)), *unwanted)


def wanted(shop: Shop, state: ChatState) -> str:
    """The wish and its constraints in one phrase; empty when there are none."""
    said = constraints(shop, state)
    parts = [f"“{state.wish}”"] if state.wish else []
    parts += [one for one in said if one]
    text = ", ".join(parts)
    if state.recipient and state.recipient != "me":
        who = "someone else" if state.recipient == "someone" else f"your {state.recipient}"
        text = f"{text}, for {who}" if text else f"for {who}"
    return text


def found(
    shop: Shop,
    state: ChatState,
    *,
    shown: int,
    matching: int,
    near: bool = False,
    cheapest: bool = False,
    lead: str = "",
) -> str:
    """The line above the cards.

    Args:
        near: whether they come near the wish, where none has all of it.
        cheapest: whether they come by their price.
    """
    what = wanted(shop, state)
    if matching <= shown:
        count = "Here is the only one" if shown == 1 else f"Here are all {shown}"
        count = "Here are both" if shown == 2 else count
        own = f"{count} for {what}." if what and not what.startswith("for ") else f"{count}."
        if what.startswith("for "):
            own = f"{count} {what}."
    elif not what or what.startswith("for "):
        own = _first(shown, cheapest=cheapest)
        own = f"{own[:-1]} {what}." if what else own
    else:
        joint = "come near" if near else "match"
        own = f"I found {matching:,} that {joint} {what}. {_first(shown, cheapest=cheapest)}"
    return f"{lead} {own}".strip()


def _first(shown: int, *, cheapest: bool) -> str:
    if cheapest:
        return "The cheapest is this." if shown == 1 else f"The cheapest {shown} are these."
    return "I'd start with this one." if shown == 1 else f"I'd start with these {shown}."


def nothing(
    shop: Shop,
    state: ChatState,
    *,
    drop: str = "",
    more: int = 0,
    others: bool = False,
    several: bool = False,
) -> str:
    """Plainly that nothing fits, and which constraint costs most.

    Args:
        others: whether some have been shown, and it is others that there are none of.
        several: whether more than one kind of thing was asked for at once.
    """
    what = wanted(shop, state)
    if others:
        text = "You have seen all that I have"
        text += f"{'' if what.startswith('for ') else ' for'} {what}." if what else "."
    else:
        text = f"Nothing in stock fits {what}." if what else "There is nothing in stock."
    if several:
        text += " Ask me for one thing at a time."
    if drop:
        items = "1 item" if more == 1 else f"{more:,} items"
        text += (
            f" Without “{drop}” there {'is' if more == 1 else 'are'} {items}. Shall I drop that?"
        )
    return text


def lead(reading: Reading, title: str, *, again: bool) -> str:
    """What an answer with cards begins with; empty where the cards speak for themselves.

    Args:
        title: of the item that was spoken of; empty for none.
        again: whether cards were shown before.
    """
    said = [corrected(reading.corrected)] if reading.corrected else []
    if reading.lacking:
        said.append(lacking(reading.lacking))
    if reading.intent == "hello":
        said.append("Hello!")
    elif reading.intent == "more" and again:
        said.append("Some others:")
    elif reading.intent == "more_like":
        said.append(f"More like {title}:")
    elif reading.intent == "less_like":
        said.append(f"Fewer like {title}. Instead:")
    elif reading.intent == "hide":
        gone = "They won't come back." if reading.beside else "It won't come back."
        gone = gone if title else "None of those again."
        said.append(f"{gone} Here is what else there is:")
    elif reading.intent == "any":
        said.append("That's fine.")
    return " ".join(said)


def chosen(items: Sequence[tuple[str, str]]) -> str:
    """That items, each a title and a price, are taken, and that no more has happened."""
    said = " and ".join(f"{title} for {price}" if price else title for title, price in items)
    them = "it" if len(items) == 1 else "them"
    return f"{said}: I have noted {them}. Nothing is ordered or paid yet."


def lacking(names: Sequence[str]) -> str:
    """That the catalogue does not know such an attribute."""
    return f"Nothing here says its {' or '.join(names)}, so I cannot go by that."


def not_known(words: Sequence[str]) -> str:
    """Plainly that the shop has no such word."""
    said = " or ".join(f"“{one}”" for one in words)
    return f"I have nothing for {said}. Try another word for it."


def partly(missing: Sequence[str], near: Sequence[str] = ()) -> str:
    """That the wish is met in part only.

    Args:
        near: what was gone by instead of words: ``meaning``, ``pictures``.
    """
    went = f"so I went by {' and '.join(near)}." if near else ""
    if missing:
        said = " or ".join(f"“{one}”" for one in missing)
        return f"No item says {said}, {went or 'so I went by the rest.'}"
    return f"No item has all of that, {went or 'so these are the closest.'}"


def corrected(words: Mapping[str, str]) -> str:
    """What a misspelt word was taken for."""
    said = ", ".join(f"“{meant}” for “{one}”" for one, meant in words.items())
    return f"I read {said}."
