"""Facts of an item and its own description, as a question and an answer to learn from."""

from __future__ import annotations

import html
import re

from genrec.creatives.facts import ItemFacts, sentences
from genrec.creatives.neutral import as_data
from genrec.data.catalog import Item
from genrec.llm.text import Message
from genrec.prompting import PromptLibrary

TEMPLATE = "copy/describe_item"
FACTS = 10
VALUE_LETTERS = 100
# A description is worth learning from this length on; below stand marks and lists of numbers.
LEAST_LETTERS = 40
_TOLD = ("name", "price", "category", "number", "colour", "material", "certificate")
_MARKUP = re.compile(r"<[^>]*>?|\\+[nrt]?")


def told_facts(facts: ItemFacts) -> list[tuple[str, str]]:
    """What a model is told of an item: names and values, all of them data, at most ``FACTS``."""
    told = [
        (fact.name.replace("_", " "), as_data(fact.text, most=VALUE_LETTERS))
        for fact in facts.facts
        if fact.kind in _TOLD and not fact.internal
    ]
    return list(dict.fromkeys(pair for pair in told if pair[1]))[:FACTS]


def question(facts: ItemFacts, library: PromptLibrary) -> list[Message]:
    """The conversation that asks for an item's description."""
    return [Message("user", library.render(TEMPLATE, facts=told_facts(facts)))]


def own_description(item: Item, *, most: int) -> str:
    """The first ``most`` sentences of an item's description, or nothing if it has none to speak of.

    Markup and escapes of the source are taken out; a sentence that only repeats is left out.
    """
    text = _MARKUP.sub(" ", html.unescape(html.unescape(item.text.replace("\\'", "'"))))
    kept: list[str] = []
    for one in sentences(" ".join(text.split())):
        if one.lower() not in (item.title.lower(), *(said.lower() for said in kept)):
            kept.append(one)
        if len(kept) == most:
            break
    text = " ".join(kept)
    return text if len(text) >= LEAST_LETTERS and text[-1] in ".!?" else ""


def adds_nothing(description: str, facts: ItemFacts) -> bool:
    """Whether each amount, colour, material and certificate of it stands among the told facts."""
    told = {value.lower() for _, value in told_facts(facts)}
    claims = ItemFacts.of(Item(id="", title="-", text=description)).facts
    kinds = ("number", "price", "colour", "material", "certificate")
    return all(fact.text.lower() in told for fact in claims if fact.kind in kinds)
