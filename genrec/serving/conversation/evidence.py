"""Why an item is shown: what it says of itself, and what the shopper chose, through the guard.

Every clause is about one item and is read against that item's own record; what the guard refuses
is not said. Sensitive choices of the past are never named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genrec.creatives.facts import value_text
from genrec.creatives.neutral import shown
from genrec.data.catalog import Item
from genrec.data.filter_columns import ValueColumn
from genrec.data.sequences import History
from genrec.serving.conversation.constraints import chip
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.spelling import stem, stems_of
from genrec.serving.conversation.state import ChatState

# A kind is shared when fewer than a tenth of the items are of it: log 10.
RARE = 2.3
# Titles of so many of the latest choices are compared.
LOOKED_AT = 30
_LONGEST_TITLE = 60


@dataclass(frozen=True)
class Because:
    """A reason in words with what it rests on.

    Attributes:
        facts: names of the item's facts.
        items: ids of the shopper's own choices.
    """

    text: str = ""
    facts: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


def short_title(item: Item) -> str:
    """An item's title, cut at a word's end."""
    title = shown(item.title)
    if len(title) <= _LONGEST_TITLE:
        return title
    return title[:_LONGEST_TITLE].rsplit(" ", 1)[0].rstrip(",;:-") + "…"


class Reasons:
    """Reasons for the items of one turn: what is looked up of the shopper is looked up once."""

    def __init__(self, shop: Shop, state: ChatState, history: History) -> None:
        self.shop, self.state = shop, state
        items = history.items.astype(np.int64)
        self.past = items[shop.may_cite(items)] if len(items) else items
        liked = [shop.catalog.position(one) for one in state.likes if shop.has(one)]
        self.liked = np.array(liked[-5:], np.int64)
        self._called: dict[int, frozenset[str]] = {}

    def short(self, position: int) -> Because:
        """One clause for a card; empty when there is nothing to go by."""
        return next(self._clauses(position), Because())

    def long(self, position: int) -> Because:
        """Some sentences: what was asked for, what the item says, what the shopper chose."""
        item = self.shop.catalog[position]
        asked, facts = self._as_asked(item)
        found = [Because(asked, facts)] if asked else []
        for one in self._clauses(position):
            found.append(Because(f"It is {one.text}.", one.facts, one.items))
        if not found:
            said = self._about(item)
            found = [said] if said.text else []
        if not found:
            times = int(self.shop.counts([position])[0])
            said_of = f"Other shoppers chose it {times:,} times." if times > 1 else ""
            found = [Because(said_of or f"{short_title(item)} is the nearest to what you asked.")]
        return Because(
            " ".join(one.text for one in found[:3]),
            tuple(dict.fromkeys(name for one in found for name in one.facts)),
            tuple(dict.fromkeys(name for one in found for name in one.items)),
        )

    def _clauses(self, position: int) -> Iterator[Because]:
        """Clauses such as ``like the Alba mug you liked``, the best first."""
        if len(self.liked):
            other = self._nearest(position, self.liked)
            if other >= 0 and other != position:
                yield from self._like(position, other, "you liked")
        if not len(self.past):
            return
        times = int((self.past == position).sum())
        if times:
            often = {1: "once", 2: "twice"}.get(times, f"{times} times")
            yield Because(f"something you chose {often} before", (), (self._id(position),))
            return
        other = self._nearest(position, self.past)
        if other >= 0:
            yield from self._like(position, other, "you chose before")

    def _like(self, position: int, other: int, when: str) -> Iterator[Because]:
        """Says what both have in common where the guard finds it in both records."""
        title = short_title(self.shop.catalog[other])
        if not self.shop.may_say(title, self.shop.catalog[other]):
            return
        names = self._in_common(position, other)
        text = f"like {title}, which {when}"
        yield Because(text, names, (self._id(other),))

    def _id(self, position: int) -> str:
        return self.shop.catalog.ids[position]

    def _nearest(self, position: int, others: np.ndarray) -> int:
        """The latest of the others that are the same kind of thing; -1 if none is.

        Two items are of a kind if they share a value that few items have of an attribute that says
        what a thing is, or the word that their titles call it by.
        """
        alike = np.zeros(len(others))
        total = len(self.shop.catalog)
        for name, column in self.shop.vocabulary.attributes.items():
            number = column.numbers[position] if isinstance(column, ValueColumn) else -1
            if number < 0:
                continue
            same = column.numbers[others] == number
            if same.any():
                rarity = np.log(total / np.count_nonzero(column.numbers == number))
                kind = self.shop.vocabulary.is_kind(name) and rarity > RARE
                alike += same * (rarity + 100.0 * kind)
        own = self._kinds(position)
        for place in range(max(0, len(others) - LOOKED_AT), len(others)):
            if own & self._kinds(int(others[place])):
                alike[place] += 100.0
        best = float(alike.max())
        return int(others[np.flatnonzero(alike == best)[-1]]) if best >= 100 else -1

    def _kinds(self, position: int) -> frozenset[str]:
        if position not in self._called:
            stems = stems_of(self.shop.catalog[position].title)
            self._called[position] = self.shop.index.kinds & frozenset(stems)
        return self._called[position]

    def _in_common(self, position: int, other: int) -> tuple[str, ...]:
        found = []
        for name, column in self.shop.vocabulary.attributes.items():
            if isinstance(column, ValueColumn):
                number = column.numbers[position]
                if number >= 0 and number == column.numbers[other]:
                    found.append(name)
        return tuple(found)

    def _as_asked(self, item: Item) -> tuple[str, tuple[str, ...]]:
        """What was asked for, and that the item has it, as its record says."""
        said, names = [], []
        position = self.shop.catalog.position(item.id)
        for name, condition in self.state.where.items():
            fits = self.shop.recommender.filters.compile({name: condition}).allowed
            if fits is not None and not fits[position]:
                # It was shown before this was asked for.
                continue
            if name == "price" and item.price is not None:
                said.append(f"it costs {self.shop.price_text(item.price)}")
                names.append("price")
            elif name in item.attributes:
                own = item.attributes[name]
                if isinstance(own, bool):
                    said.append(chip(name, own, self.shop.price_text))
                else:
                    said.append(f"its {name.replace('_', ' ')} is {value_text(own)}")
                names.append(name)
        clauses = [one for one in said if self.shop.may_say(one, item)]
        if not clauses:
            return "", ()
        return f"It fits what you asked for: {_joined(clauses)}.", tuple(names)

    def _about(self, item: Item) -> Because:
        """The item's own facts."""
        facts = self.shop.short_facts(item)
        price = self.shop.price_text(item.price)
        parts = [*facts, *([price] if price else [])]
        text = f"{short_title(item)}: {', '.join(parts)}." if parts else ""
        if text and not self.shop.may_say(text, item):
            return Because()
        return Because(text, tuple(item.attributes))


def details(shop: Shop, item: Item, asked: Sequence[str] = ()) -> Because:
    """What there is to tell of an item, from its record alone.

    Args:
        asked: words of what the shopper asks; those that the record lacks are said to be lacking.
    """
    parts = []
    for name, value in item.attributes.items():
        said = value_text(value)
        label = name.replace("_", " ")
        if name == shop.stock or not said:
            continue
        if isinstance(value, bool):
            parts.append(label if value else f"not {label}")
        elif any(letter.isalpha() for letter in said):
            parts.append(f"{label} {said}")
    price = shop.price_text(item.price)
    text = short_title(item) + (f" costs {price}" if price else "")
    text += f": {', '.join(parts)}." if parts else "."
    if item.text and len(item.text) <= 300:
        text += f" {shown(item.text, most=300)}"
    if not shop.may_say(text, item):
        text = f"{short_title(item)}." if shop.may_say(short_title(item), item) else ""
    text = text or "There is nothing more that I can say of it."
    own = {*stems_of(item.title), *stems_of(item.text or "")}
    for name, value in item.attributes.items():
        own |= {*stems_of(name.replace("_", " ")), *stems_of(value_text(value))}
    if silent := [f"“{one}”" for one in asked if stem(one) not in own]:
        text += f" It says nothing of {' or '.join(silent)}."
    return Because(text, tuple(item.attributes))


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
