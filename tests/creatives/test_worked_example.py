"""The invented products that a text model goes by in free mode."""

from dataclasses import replace

import pytest

from genrec.creatives.channels import load_channels
from genrec.creatives.copy import CopyBrief, CopyRequest
from genrec.creatives.copywriter import Copywriter
from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard, Policy
from genrec.creatives.worked_example import INVENTED, examples
from genrec.data.catalog import Item
from genrec.prompting import PromptLibrary
from tests.creatives.small_copy import ANN, ITEM
from tests.creatives.test_copywriter import Scripted

PLAIN = Item("p9", "Mop")
EVERYTHING = Item(
    "p8", "Red cotton cap, 2 oz", price=5.0, attributes={"brand": "A", "category": "B"}
)
ANSWER = "title: Oat biscuits\nbody: Oat biscuits by Miller."


def examples_for(item, channel="push", language="en"):
    facts = ItemFacts.of(item)
    request = CopyRequest(item, channel=channel, language=language)
    return examples(facts, request, load_channels()[channel], PromptLibrary())


def asked(item, **options):
    model = Scripted(ANSWER, ANSWER)
    request = CopyRequest(item, ANN, brief=CopyBrief(never_say=("cheap",), intensity="open"))
    Copywriter("free", model, candidates=1, **options).write([request])
    return model.asked[0]


def test_an_example_says_only_what_items_of_this_kind_say():
    for one in examples_for(PLAIN):
        assert [fact.kind for fact in one.facts.facts if fact.name != "title"] == []
        assert "$" not in one.answer
        assert "oz" not in one.answer
    told = examples_for(EVERYTHING)[0].answer
    assert "A blue steel mug by Northlight, 12 oz: yours for $9.50." in told
    assert ("category", "kitchen") in [
        (one.name, one.text) for one in examples_for(ITEM)[0].facts.facts
    ]
    assert "kitchen" not in told
    assert "blue" not in " ".join(one.answer for one in examples_for(ITEM))


@pytest.mark.parametrize("item", [PLAIN, ITEM, EVERYTHING])
@pytest.mark.parametrize("channel", sorted(load_channels()))
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_examples_are_what_the_guard_lets_pass(item, channel, language):
    shown = examples_for(item, channel, language)
    assert len(shown) == len(INVENTED)
    guard = Guard(Policy.load("general"))
    for one in shown:
        fields = dict(line.split(": ", 1) for line in one.answer.splitlines())
        assert not load_channels()[channel].problems(fields)
        if language == "en":
            assert (
                guard.check("\n".join(fields.values()), one.facts, channel=channel).findings == ()
            )


def test_the_model_sees_them_first_without_the_brief_and_the_shopper():
    talk = asked(ITEM)
    assert [message.role for message in talk] == ["user", "assistant"] * len(INVENTED) + ["user"]
    before = "\n".join(message.content for message in talk[:-1])
    assert "biscuits" not in before.lower()
    assert "cheap" not in before
    assert "cheap" in talk[-1].content
    assert [message.role for message in asked(ITEM, examples=False)] == ["user"]


def test_a_language_without_phrases_has_no_example():
    assert examples_for(ITEM, language="ja") == []


def test_what_the_model_sees_is_part_of_what_a_text_depends_on():
    model = Scripted()
    assert Copywriter("free", model).identity != Copywriter("free", model, examples=False).identity


def test_words_are_not_counted_where_none_are_set_apart():
    body = "ミラーのオーツビスケットです。"
    model = Scripted(f"title: オーツビスケット\nbody: {body}")
    asked = CopyRequest(ITEM, ANN, language="ja")
    copy = Copywriter("free", model, candidates=1).write([asked])[0]
    assert (copy.written_by, copy.fields["body"]) == ("free", body)


def test_a_body_of_two_words_is_none():
    short = "title: Oat biscuits\nbody: Miller biscuits"
    model = Scripted(short, ANSWER)
    copy = Copywriter("free", model, candidates=1).write([CopyRequest(ITEM, ANN)])[0]
    assert copy.fields["body"] == "Oat biscuits by Miller."
    assert "body says only 'Miller biscuits'" in model.asked[1][-1].content
    fallen = Copywriter("free", Scripted(short, short), candidates=1)
    assert fallen.write([replace(CopyRequest(ITEM, ANN), seed=1)])[0].written_by == "rank"
