"""What an item's own words bear out, kept in the form in which a text is compared with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from genrec.creatives.facts import MENTIONED_MONEY, ItemFacts
from genrec.creatives.guard.folding import fold
from genrec.creatives.lexicon import Lexicon, words
from genrec.creatives.quantities import Quantity, quantities
from genrec.creatives.units import unit_table


@dataclass(frozen=True, slots=True)
class Grounds:
    """What may be said of one item.

    Attributes:
        words: every word it uses.
        claims: claims it makes: kind, name, whether denied.
        amounts: amounts with a unit -> what they are amounts of (empty where it does not say).
        joined: first amounts of such as "6-8 oz", which bear out no text that says them alone.
        nouns: numbers without a unit, with the word after.
        leads: the same with the word before.
        title_counts: numbers without a unit in the title.
        prices: currency and amount.
        own: title, brand and further names, as folded text.
        text: everything it says, folded.
    """

    words: frozenset[str]
    claims: frozenset[tuple[str, str, bool]]
    amounts: dict[tuple[str, str], frozenset[str]]
    joined: frozenset[tuple[str, str]]
    nouns: frozenset[tuple[str, str]]
    leads: frozenset[tuple[str, str]]
    title_counts: frozenset[str]
    prices: frozenset[tuple[str, str]]
    own: tuple[str, ...]
    text: str

    @staticmethod
    def of(facts: ItemFacts, lexicon: Lexicon) -> Grounds:
        """The grounds of an item, read with the lexicon that texts are read with."""
        text = fold(facts.words).text
        found = quantities(text)
        amounts: dict[tuple[str, str], set[str]] = {}
        for one in found:
            if one.unit and not one.needs_the_next:
                amounts.setdefault(one.key, set()).add(one.measure)
        bare = [one for one in found if not one.unit and not one.currency]
        own_numbers = [
            (str(Fraction(str(fact.value))), fact.name.lower())
            for fact in facts.facts
            if fact.kind == "number" and not fact.unit and isinstance(fact.value, int | float)
        ]
        title = fold(facts.item.title).text
        claims = {mention.key for mention in lexicon.mentions(text, nested=True)}
        # A peach of "Peaches, yellow flesh" is what it is, not a colour that nobody said.
        claims |= {
            mention.key
            for mention in lexicon.mentions(_singulars(text), nested=True)
            if mention.kind == "colour"
        }
        for fact in facts.facts:
            if fact.kind in ("colour", "material", "certificate"):
                claims.add((fact.kind, str(fact.value).lower(), False))
        names = [fact.text for fact in facts.facts if fact.kind == "name"]
        return Grounds(
            words=frozenset(words(text)),
            claims=frozenset(claims),
            amounts={key: frozenset(measures) for key, measures in amounts.items()},
            joined=frozenset(one.key for one in found if one.needs_the_next),
            nouns=frozenset({(one.number, one.noun) for one in bare} | set(own_numbers)),
            leads=frozenset({(one.number, one.lead) for one in bare} | set(own_numbers)),
            title_counts=frozenset(
                one.number for one in quantities(title) if not one.unit and not one.currency
            ),
            prices=frozenset(_prices(facts)) | {one.key for one in found if one.currency},
            own=tuple(dict.fromkeys(fold(name).text for name in names)),
            text=text,
        )

    def bears(self, said: Quantity) -> bool:
        """Whether the item says this amount, of the same thing, in any unit."""
        if said.currency:
            return said.key in self.prices
        if said.unit is None:
            return self._bears_bare(said)
        if said.key in self.prices or (said.joined and said.key in self.joined):
            return True
        measures = self.amounts.get(said.key)
        if measures is not None:
            return not said.measure or "" in measures or said.measure in measures
        return said.unit.dimension == "pack" and said.key[1] in self.title_counts

    def _bears_bare(self, said: Quantity) -> bool:
        if said.noun and (said.number, said.noun) in self.nouns:
            return True
        if (
            said.lead
            and said.lead not in unit_table().no_leads
            and (said.number, said.lead) in self.leads
        ):
            return True
        if not said.noun:
            return (said.number, said.lead) in self.leads or (
                (said.number, "") in self.nouns
                and (
                    not said.lead
                    or said.lead in unit_table().no_leads
                    or said.number in self.title_counts
                )
            )
        # "6 bottles" of a pack of 6.
        counted = {said.noun, said.noun.rstrip("s"), f"{said.noun}s"}
        return ("pack", said.number) in self.amounts and not counted.isdisjoint(self.words)


def _singulars(text: str) -> str:
    """What the plurals of a text may be plurals of, a sentence each."""
    ends = {word[: -len(end)] for word in words(text) for end in ("s", "es") if word.endswith(end)}
    return ". ".join(sorted(one for one in ends if len(one) >= _SHORTEST))


def _prices(facts: ItemFacts) -> set[tuple[str, str]]:
    """Prices of the item, and what is saved where it has two: as money and in per cent."""
    amounts = [
        (fact.unit, Fraction(str(fact.value)))
        for fact in facts.facts
        if fact.kind == "price"
        and fact.name != MENTIONED_MONEY
        and isinstance(fact.value, int | float)
    ]
    found = {(unit, str(amount)) for unit, amount in amounts}
    for unit, low in amounts:
        for other, high in amounts:
            if unit == other and low < high:
                found.add((unit, str(high - low)))
                found.add(("share", str(Fraction(int((high - low) / high * 100)))))
    return found


# Of a singular: "as" and "is" are plurals of nothing.
_SHORTEST = 3
CODE = re.compile(r"(?=[a-z]*\d)(?=\d*[a-z])[a-z\d]{2,}")
"""A word of letters and digits: a model, a size, a standard."""
