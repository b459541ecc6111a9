"""Products that there are not, with what is said of them, for a text model to go by.

A small model repeats its task where it is only told what to do; shown answers, it keeps to their
lines and to the facts (`python -m benchmarks free_copy`). What an example says more than the item
does is copied, so an example has facts of the item's own kinds and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from genrec.creatives.channels import Channel
from genrec.creatives.copy import CopyRequest
from genrec.creatives.facts import ItemFacts
from genrec.creatives.phrasebook import Phrasebook, languages
from genrec.creatives.plan import Plan
from genrec.creatives.rank_mode import rank
from genrec.creatives.statements import Sayings
from genrec.data.catalog import Item
from genrec.prompting import PromptLibrary

TEMPLATE = "copy/example_free"


@dataclass(frozen=True, slots=True)
class Invented:
    """A product of nobody's.

    Attributes:
        product: its name in the middle of a sentence.
        category: stands among the facts and in no sentence, because it is copied from there.
        said: further values by attribute.
    """

    title: str
    product: str
    size: str
    price: float
    category: str
    said: Mapping[str, str]


INVENTED = (
    Invented(
        "Tea mug",
        "mug",
        "12 oz",
        9.5,
        "kitchen",
        {"brand": "Northlight", "colour": "blue", "material": "steel"},
    ),
    Invented(
        "Knitting yarn",
        "knitting yarn",
        "8 oz",
        4.25,
        "craft supplies",
        {"brand": "Marlow", "colour": "orange", "material": "cotton"},
    ),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A product as a shop tells of it and as a channel does.

    Attributes:
        answer: the channel's fields, one a line.
    """

    facts: ItemFacts
    answer: str


def examples(
    like: ItemFacts, request: CopyRequest, channel: Channel, library: PromptLibrary
) -> list[Example]:
    """Examples with facts of the same kinds as an item's; none in a language without phrases.

    Texts are those of rank mode; in English the first body with room for it is a sentence as a
    person writes it.
    """
    if request.language not in languages():
        return []
    return [_example(one, like, request, channel, library) for one in INVENTED]


def _example(
    one: Invented,
    like: ItemFacts,
    request: CopyRequest,
    channel: Channel,
    library: PromptLibrary,
) -> Example:
    book = Phrasebook.load(request.language)
    kinds = {"brand": "name", "colour": "colour", "material": "material"}
    known = {fact.kind for fact in like.facts if fact.name != "title"}
    said = {name: text for name, text in one.said.items() if kinds[name] in known}
    size = one.size if any(fact.unit for fact in like.of_kind("number")) else ""
    title = f"{one.title}, {size}" if size else one.title
    price = one.price if "price" in known else None
    sorts = {"category": one.category} if "category" in known else {}
    item = Item("", title, price=price, attributes=sorts | said)
    facts = ItemFacts.of(item, currency=like.currency)
    sayings = Sayings(book, request.tone, like.currency).of_item(facts)
    plan = Plan(channel, book, title, sayings, (), book.actions[request.tone])
    texts = rank(plan, candidate=0, seed=0).texts
    if request.language == "en":
        told = {**dict.fromkeys(one.said, ""), **said}
        costs = book.money(price, like.currency) if price is not None else ""
        sentence = library.render(TEMPLATE, product=one.product, size=size, price=costs, **told)
        fields = (place for place in channel.fields if place.role == "body")
        for place in fields:
            if place.name in texts and place.fits(sentence):
                texts = {**texts, place.name: sentence.strip()}
                break
    return Example(facts, "\n".join(f"{name}: {text}" for name, text in texts.items()))
