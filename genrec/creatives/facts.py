"""What an item says of itself, as facts that a text may rest on.

Attributes come first, then amounts, colours, materials and certificates that stand in the title or
the description, then the description's sentences as they are. Nothing is inferred.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from genrec.creatives.lexicon import shipped_lexicon
from genrec.creatives.quantities import quantities
from genrec.data.catalog import Item
from genrec.errors import InputError

FACT_KINDS = (
    "name",
    "number",
    "price",
    "colour",
    "material",
    "certificate",
    "boolean",
    "category",
    "text",
)

_COLOUR_NAMES = ("color", "colour", "shade")
_MATERIAL_NAMES = ("material", "fabric", "textile")
_CERTIFICATE_NAMES = ("certif", "label", "claims")
_CATEGORY_NAMES = ("category", "type", "department", "genre", "class", "section", "group")
_NAME_NAMES = ("brand", "maker", "manufacturer", "model", "author", "artist", "series")
_PRICE_NAMES = ("price", "msrp", "rrp")
_INTERNAL = re.compile(
    r"(?:^|_)(?:id|sku|ean|upc|asin|gtin|code|url|link|rank)(?:$|_)", re.IGNORECASE
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")
# Money that a text speaks of may be a fee or what others ask: it is no price of the item's.
MENTIONED_MONEY = "money mentioned"
# A piece with fewer letters is a number or a mark, not a sentence.
_SENTENCE_LETTERS = 4


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that an item says of itself.

    Attributes:
        name: what it is about: ``title``, ``brand``, ``price``, ``colour``, ``width``, or the
            attribute's own name.
        value: as data: a text, a number, or a bool.
        text: as the item puts it, fit to be read.
        kind: one of ``FACT_KINDS``.
        unit: of a number (``oz``, ``in``, ``count``) or the currency of a price; empty without.
    """

    name: str
    value: object
    text: str
    kind: str
    unit: str = ""

    def __post_init__(self) -> None:
        if self.kind not in FACT_KINDS:
            raise InputError(
                f"A fact cannot be of kind '{self.kind}'; kinds: {', '.join(FACT_KINDS)}."
            )

    @property
    def internal(self) -> bool:
        """Whether it is a number of the shop's own, which tells a shopper nothing; no title is."""
        if self.name == "title":
            return False
        code = self.kind == "name" and not any(letter.isalpha() for letter in self.text)
        return code or bool(_INTERNAL.search(self.name))


@dataclass(frozen=True, eq=False)
class ItemFacts:
    """An item with everything that it says of itself. Made by ``ItemFacts.of``.

    Two are equal only when they are the same object, so that what is derived from one can be kept
    beside it.
    """

    item: Item
    facts: tuple[Fact, ...]
    currency: str = "USD"

    @staticmethod
    def of(item: Item, *, currency: str = "USD") -> ItemFacts:
        """The facts of an item.

        Args:
            currency: of its prices, as an ISO code.
        """
        return ItemFacts(item, tuple(_unique(_facts(item, currency))), currency)

    def named(self, name: str) -> tuple[Fact, ...]:
        """Facts of one name, in order; empty when the item says nothing of it."""
        return self._by_name.get(name, ())

    def of_kind(self, kind: str) -> tuple[Fact, ...]:
        """Facts of one kind, in order."""
        return tuple(fact for fact in self.facts if fact.kind == kind)

    @cached_property
    def _by_name(self) -> dict[str, tuple[Fact, ...]]:
        names: dict[str, list[Fact]] = {}
        for fact in self.facts:
            names.setdefault(fact.name, []).append(fact)
        return {name: tuple(facts) for name, facts in names.items()}

    @cached_property
    def words(self) -> str:
        """Everything that the item says, for search: title, attributes, description."""
        item = self.item
        parts = [item.title]
        for name, value in item.attributes.items():
            if isinstance(value, bool):
                parts.append(name.replace("_", " ") if value else f"not {name.replace('_', ' ')}")
            else:
                parts.append(f"{name.replace('_', ' ')}: {value_text(value)}")
        return " . ".join([*parts, item.text])


def value_text(value: object) -> str:
    """An attribute's value as it is read: lists with commas, whole numbers without a point."""
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(value_text(one) for one in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _unique(facts: Iterator[Fact]) -> Iterator[Fact]:
    seen: set[tuple[str, str, str, str]] = set()
    for fact in facts:
        key = (fact.name, str(fact.value).lower(), fact.kind, fact.unit)
        if key not in seen:
            seen.add(key)
            yield fact


def _facts(item: Item, currency: str) -> Iterator[Fact]:
    yield Fact("title", item.title, item.title, "name")
    if item.price is not None:
        yield _price("price", item.price, currency)
    for name, value in item.attributes.items():
        yield from _attribute(name, value, currency)
    for said in (item.title, item.text):
        yield from _mentioned(said)
    for sentence in sentences(item.text):
        yield Fact("description", sentence, sentence, "text")


def _price(name: str, amount: float, currency: str) -> Fact:
    symbol = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}.get(currency, f"{currency} ")
    return Fact(name, amount, f"{symbol}{amount:,.2f}", "price", currency)


def _attribute(name: str, value: object, currency: str) -> Iterator[Fact]:
    low = name.lower()
    if isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _attribute(name, one, currency)
        return
    if isinstance(value, bool):
        said = name.replace("_", " ")
        yield Fact(name, value, said if value else f"not {said}", "boolean")
        return
    if isinstance(value, int | float):
        if any(word in low for word in _PRICE_NAMES):
            yield _price(name, float(value), currency)
        else:
            yield Fact(name, value, value_text(value), "number")
        return
    said = value_text(value)
    if not said:
        return
    yield Fact(name, said, said, _kind(low))
    if _kind(low) == "text":
        yield from _mentioned(said)


def _kind(name: str) -> str:
    for kind, words in (
        ("colour", _COLOUR_NAMES),
        ("material", _MATERIAL_NAMES),
        ("certificate", _CERTIFICATE_NAMES),
        ("category", _CATEGORY_NAMES),
        ("name", _NAME_NAMES),
    ):
        if any(word in name for word in words):
            return kind
    return "text"


def _mentioned(said: str) -> Iterator[Fact]:
    low = said.lower()
    if len(low) != len(said):  # some capitals grow when lowered, and spans would be off
        low = said
    for amount in quantities(low):
        shown = said[amount.start : amount.end]
        number = int(amount.amount) if amount.amount.denominator == 1 else float(amount.amount)
        if amount.currency:
            yield Fact(MENTIONED_MONEY, number, shown, "price", amount.currency)
        elif amount.unit and not amount.needs_the_next:
            name = amount.measure or amount.unit.dimension
            yield Fact(name, number, shown, "number", amount.unit.name)
    for mention in shipped_lexicon().mentions(low):
        if mention.kind in ("colour", "material", "certificate") and not mention.denied:
            shown = said[mention.start : mention.end]
            yield Fact(mention.kind, mention.name, shown, mention.kind)


def sentences(text: str) -> list[str]:
    """The sentences of a description, each with at least one word."""
    parts = (part.strip() for part in _SENTENCE.split(text))
    return [part for part in parts if sum(letter.isalpha() for letter in part) >= _SENTENCE_LETTERS]
