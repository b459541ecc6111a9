"""Turns in words and what they mean, by the rules and by a model that only chooses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data.filter_language import ItemFilter
from genrec.errors import InputError
from genrec.llm.text import Message, Sampling, TextModel
from genrec.serving.conversation.model_reader import ModelReader
from genrec.serving.conversation.reading import INTENTS, RELATIVES, Reading
from genrec.serving.conversation.rules import RuleReader
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.spelling import Speller
from tests.serving.conversation.shop import corner_shop

CASES = yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text(encoding="utf-8"))
SPOKEN = yaml.safe_load(Path(__file__).with_name("spoken.yaml").read_text(encoding="utf-8"))
SHOP = corner_shop()


class Drawer(TextModel):
    """Chooses by a hash of what it is asked: no sense at all, and always the same."""

    name = "drawer"

    def __init__(self) -> None:
        self.offered: list[Sequence[str]] = []

    def _choose(self, messages: Sequence[Message], choices: Sequence[str], begun: str) -> int:
        self.offered.append(choices)
        return sum(map(ord, messages[0].content + begun)) % len(choices)

    def _answer(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[list[str]]:
        raise AssertionError("a reader's model writes nothing")

    def _stream(self, messages: Sequence[Message], sampling: Sampling):
        raise AssertionError("a reader's model writes nothing")


def told(reading: Reading) -> dict:
    values = reading.to_dict()
    return {name: one for name, one in values.items() if name not in ("kinds", "corrected")}


def test_the_case_file_holds_at_least_150_distinct_turns() -> None:
    assert len({(case["say"], case.get("pending", "")) for case in CASES}) >= 150


@pytest.mark.parametrize("case", CASES, ids=[case["say"][:40] for case in CASES])
def test_the_rules_read_each_case_as_it_is_meant(case: dict) -> None:
    reading = RuleReader(SHOP.vocabulary).read(case["say"], pending=case.get("pending", ""))
    assert told(reading) == (case["is"] or {"intent": "unclear"})


def test_of_turns_written_after_the_rules_most_are_read_as_they_are_meant() -> None:
    reader = RuleReader(SHOP.vocabulary)
    right = [told(reader.read(case["say"])) == case["is"] for case in SPOKEN]
    assert len(SPOKEN) == 40 and sum(right) >= 36


def test_a_misspelt_word_is_named_with_what_it_was_taken_for() -> None:
    reading = RuleReader(SHOP.vocabulary).read("a lether bag")
    assert dict(reading.corrected) == {"lether": "leather"}


def is_sound(reading: Reading, shop: Shop) -> bool:
    """Whether every value is of its type and of the catalogue."""
    known = shop.vocabulary.attributes
    for name, value in {**reading.where, **reading.without}.items():
        if name == "price":
            continue
        column = known[name]
        values = value if isinstance(value, list) else [value]
        if not all(column.has(one) or isinstance(one, bool) for one in values):
            return False
    ItemFilter.parse(dict(reading.where))
    return reading.intent in INTENTS and reading.relative in RELATIVES


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_whatever_is_said_the_rules_give_a_typed_reading_of_the_catalogue(text: str) -> None:
    assert is_sound(RuleReader(SHOP.vocabulary).read(text), SHOP)


@settings(max_examples=30, deadline=None)
@given(st.one_of(st.text(max_size=120), st.sampled_from([case["say"] for case in CASES])))
def test_a_model_without_any_sense_can_only_give_a_typed_reading(text: str) -> None:
    assert is_sound(ModelReader(SHOP.vocabulary, Drawer()).read(text), SHOP)


def test_the_model_is_offered_the_catalogues_values_and_nothing_else() -> None:
    model = Drawer()
    ModelReader(SHOP.vocabulary, model).read("a bleu mug under 20")
    offered = [choice for choices in model.offered for choice in choices]
    assert any('"colour": "blue"' in choice for choice in offered)
    assert any('"price": {"below": 20}' in choice for choice in offered)
    assert not any("bleu" in choice for choice in offered)


class Biased(Drawer):
    """Says ``find`` to everything; what it understood shows only beside what it always says."""

    def _weigh(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        turn = messages[0].content.rsplit("Shopper: ", 1)[1]
        found = []
        for one in choices:
            weight = -0.1 * len(one)
            weight += 6.0 if '"find"' in one else 0.0
            weight += 3.0 if "why" in turn and one.endswith('"why"') else 0.0
            weight += 3.0 if one.endswith('"colour": {"not": "blue"}') else 0.0
            found.append(weight)
        return found


def test_what_a_model_says_to_every_turn_is_taken_off() -> None:
    reader = ModelReader(SHOP.vocabulary, Biased())
    assert reader.read("why that?").intent == "why"
    assert reader.read("mugs").intent == "find"


def test_values_are_weighed_whole_where_the_model_tells_its_weights() -> None:
    model = Biased()
    assert ModelReader(SHOP.vocabulary, model).read("no blue please").without == {
        "colour": ["blue"]
    }
    assert model.offered == []


def test_a_reading_of_an_unknown_intent_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="find"):
        Reading("finde")


def test_the_stem_of_a_plural_corrects_no_word_of_its_own() -> None:
    speller = Speller([("cooky", 900), ("cookbook", 3), ("shirt", 40)])
    assert speller.nearest("cook") == ""
    assert speller.nearest("shir") == "shirt"
