"""What can truly be said: of an item, from its record; of a shopper, from their own events.

Each statement carries the facts and events that it rests on and all its wordings. Nothing here
chooses; nothing here can say what the record does not hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from genrec.creatives.copy import Statement
from genrec.creatives.facts import Fact, ItemFacts
from genrec.creatives.memory import Remembered
from genrec.creatives.neutral import shown
from genrec.creatives.phrasebook import Phrasebook

if TYPE_CHECKING:
    from genrec.profiles.profile import Trait, UserProfile

VALUE_LETTERS = 60
NAME_LETTERS = 150
_WORD = re.compile(r"[^\W_]+")
_LETTER = re.compile(r"[^\W\d_]")
_BREAKS = re.compile(r"\s+[-–—|]\s+|\s*\|\s*|\s+\(")
_LEAST_NAME = 8
_BRAND_NAMES = ("brand", "maker", "manufacturer", "author", "artist")


@dataclass(frozen=True, slots=True)
class Sayable:
    """One true statement in all its wordings.

    Attributes:
        full: sentences in the wanted tone.
        others: sentences in other tones.
        short: for headlines, longest first.
        words: content words of its values, by which two statements say the same.
        personal: whether it speaks of the shopper.
        turn: by which its weight is multiplied where candidates are made to differ.
    """

    rule: str
    full: tuple[str, ...]
    short: tuple[str, ...]
    weight: float
    facts: tuple[str, ...] = ()
    evidence: tuple[int, ...] = ()
    values: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    personal: bool = False
    others: tuple[str, ...] = ()
    turn: float = 1.0

    def said(self, text: str) -> Statement:
        """It, in one of its wordings."""
        return Statement(self.rule, text, self.facts, self.evidence, self.values, self.weight)


def content_words(text: str) -> frozenset[str]:
    """Words of a text in lower case, without endings of the plural."""
    return frozenset(word.rstrip("s") for word in _WORD.findall(text.lower()))


def short_name(title: str) -> str:
    """The part of a title that names the item: what stands before a dash, a bar or a bracket."""
    title = shown(title, most=NAME_LETTERS)
    first = _BREAKS.split(title, maxsplit=1)[0].strip(" ,;:-–")
    return first if len(first) >= _LEAST_NAME or first == title else title


@dataclass(frozen=True)
class Sayings:
    """All that can be said in one language and tone.

    Attributes:
        currency: of prices.
    """

    book: Phrasebook
    tone: str = "plain"
    currency: str = "USD"

    def of_item(self, facts: ItemFacts) -> list[Sayable]:
        """Statements of the item alone; at least its name."""
        name = short_name(facts.item.title)
        found = [self._made("name", {"value": name}, ("title",), (facts.item.title,))]
        for place, fact in enumerate(_own(facts)):
            # Of two kinds that it belongs to, the later column is usually the narrower.
            found += (
                replace(one, weight=one.weight + 0.001 * place) for one in self._of_fact(fact, name)
            )
        return found

    def of_shopper(
        self, facts: ItemFacts, profile: UserProfile, remembered: Sequence[Remembered] = ()
    ) -> list[Sayable]:
        """Statements of the shopper that have to do with the item, each with its evidence."""
        own = {fact.text.lower(): fact for fact in _own(facts) if fact.kind != "price"}
        title = facts.item.title.lower()
        found = [
            said
            for trait in profile.traits
            if trait.evidence and (said := self._of_trait(trait, own, title))
        ]
        again = [one for one in remembered if one.item == facts.item.id]
        if again and not any(one.rule == "again" for one in found):
            evidence = tuple(one.event for one in again)
            found.append(self._made("again", {}, (), (), evidence=evidence))
        for one in remembered:
            value = short_name(one.text)
            if one.item != facts.item.id and value.lower() != short_name(title):
                found.append(
                    self._made(
                        "bought",
                        {"value": value},
                        (),
                        (one.text,),
                        evidence=(one.event,),
                        weight=self.book.phrases["bought"].weight * one.likeness,
                    )
                )
        return found

    def moved(self, said: Sequence[Sayable], profile: UserProfile) -> list[Sayable]:
        """Statements of the item, weightier where they touch what the shopper cares for."""
        likes: dict[str, float] = {}
        frugal = 0.0
        for trait in profile.traits:
            likes[trait.value.lower()] = max(likes.get(trait.value.lower(), 0.0), trait.strength)
            if trait.kind == "promotion" and trait.value == "redeems coupons":
                frugal = max(frugal, _pull(trait.strength))
            elif trait.kind == "price" and trait.value.startswith(("less", "below", "cheaper")):
                frugal = max(frugal, 0.5)
        moved = []
        for one in said:
            pull = max(
                (_pull(likes[v.lower()]) for v in one.values if v.lower() in likes), default=0.0
            )
            if one.rule in ("price", "name_price"):
                pull = max(pull, frugal)
            moved.append(replace(one, weight=one.weight + pull) if pull else one)
        return moved

    def _of_fact(self, fact: Fact, name: str) -> Iterator[Sayable]:
        if fact.kind == "price" and isinstance(fact.value, int | float):
            price = self.book.money(float(fact.value), fact.unit or self.currency)
            yield self._made("price", {"value": price}, (fact.name,), (price,))
            named = {"value": name, "price": price}
            yield self._made("name_price", named, ("title", fact.name), (name, price))
            return
        value = shown(fact.text, most=VALUE_LETTERS)
        if len(value) < len(fact.text.strip()) or value.lower() in self.book.silent:
            return
        if fact.name in _BRAND_NAMES:
            if value.lower() in self.book.own_brand:
                yield self._made("own_brand", {}, (fact.name,), (value,))
            elif _LETTER.search(value):
                yield self._made("brand", {"value": value}, (fact.name,), (value,))
        elif fact.kind == "category":
            yield self._made("category", {"value": value}, (fact.name,), (value,))
        else:
            label = self.book.labels.get(fact.name.lower()) or _label(fact.name)
            yield self._made("label", {"label": label, "value": value}, (fact.name,), (value,))

    def _of_trait(self, trait: Trait, own: dict[str, Fact], title: str) -> Sayable | None:
        value = shown(trait.value, most=VALUE_LETTERS)
        low = value.lower()
        if trait.kind == "favourite" and low == title:
            return self._from(trait, "again", {}, ())
        if trait.kind not in ("like", "loyalty") or low not in own:
            return None
        fact = own[low]
        if low in self.book.silent:
            return None
        if fact.name in _BRAND_NAMES:
            if low in self.book.own_brand:
                return self._from(trait, "often_own_brand", {}, (fact.name,))
            return self._from(trait, "often_brand", {"value": value}, (fact.name,))
        return self._from(trait, "often", {"value": value}, (fact.name,))

    def _from(
        self, trait: Trait, rule: str, slots: dict[str, str], facts: tuple[str, ...]
    ) -> Sayable:
        weight = self.book.phrases[rule].weight + _pull(trait.strength)
        values = (trait.value,) if slots else ()
        return self._made(rule, slots, facts, values, evidence=trait.evidence, weight=weight)

    def _made(
        self,
        rule: str,
        slots: dict[str, str],
        facts: tuple[str, ...],
        values: tuple[str, ...],
        *,
        evidence: tuple[int, ...] = (),
        weight: float | None = None,
    ) -> Sayable:
        phrase, say = self.book.phrases[rule], self.book.say
        own = phrase.own[self.tone]
        variants = [_opened(say(one, slots)) for one in phrase.variants[self.tone]]
        return Sayable(
            rule,
            tuple(variants[:own]),
            tuple(_opened(say(one, slots)) for one in phrase.short),
            phrase.weight if weight is None else weight,
            facts,
            evidence,
            values,
            content_words(slots.get("value", "")) if rule != "price" else frozenset(),
            phrase.personal,
            tuple(variants[own:]),
        )


def _own(facts: ItemFacts) -> Iterator[Fact]:
    """Facts that the record states in a column of its own; what a text mentions may be anything."""
    for fact in facts.facts:
        stated = fact.kind in ("category", "name", "colour", "material", "certificate", "text")
        if fact.name == "price" and facts.item.price is not None and fact.value == facts.item.price:
            yield fact
        elif fact.name in facts.item.attributes and stated and not fact.internal:
            whole = facts.item.attributes[fact.name]
            if fact.text == str(whole).strip() or isinstance(whole, list | tuple):
                yield fact


def _pull(strength: float) -> float:
    """How much a trait moves a statement: 0 at the crowd's own rate, 1 at e² times it."""
    return 0.5 * math.log(max(min(strength, 1e4), 1.0))


def _label(name: str) -> str:
    words = shown(name.replace("_", " "), most=30)
    return words[:1].upper() + words[1:]


def _opened(text: str) -> str:
    """A sentence begins with a capital, unless its first word is written otherwise on purpose."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.islower() else text
