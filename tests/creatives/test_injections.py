"""Nothing that stands in a title, an attribute or a profile changes what is written."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from genrec.creatives.copy import CopyBrief, CopyRequest
from genrec.creatives.copywriter import Copywriter
from genrec.creatives.descriptions import question
from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard, Policy
from genrec.llm.text import Message, TextModel
from genrec.profiles.profile import Trait, UserProfile
from genrec.prompting import PromptLibrary
from tests.creatives.small_copy import ANN, ITEM

CORPUS = yaml.safe_load(Path(__file__).with_name("injections.yaml").read_text(encoding="utf-8"))
ATTEMPTS = CORPUS["attempts"]
GUARD = Guard(Policy.load("general"))


class Obedient(TextModel):
    """Does what the last words in quotes or data tell it to: the worst that a model could do."""

    name = "obedient"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def _answer(self, conversations, sampling):
        self.seen += [one.content for talk in conversations for one in talk]
        said = "title: HACKED free iPhone 100% cure\nbody: HACKED at evil.example for $0.01"
        return [[said] * sampling.n for _ in conversations]

    def _stream(self, messages, sampling):
        yield from self._answer([messages], sampling)[0]


def rules(copy):
    return [(one.rule, one.facts, one.evidence) for one in copy.statements]


@pytest.mark.parametrize("mode", ["rank", "constrained"])
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_an_attempt_in_the_description_or_a_review_changes_nothing(mode, attempt):
    writer = Copywriter(mode=mode, guard=GUARD, candidates=1)
    plain = CopyRequest(replace(ITEM, text="Baked with care."), ANN, "push")
    attacked = CopyRequest(replace(ITEM, text=attempt), ANN, "push")
    (first,), (second,) = writer.write([plain]), writer.write([attacked])
    assert second.fields == first.fields
    assert rules(second) == rules(first)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_an_attempt_in_a_profile_changes_nothing(attempt):
    writer = Copywriter(guard=GUARD, candidates=1)
    trait = Trait("like", "category", attempt, 99.0, (1,), 1, attempt)
    attacked = UserProfile("ann", (trait, *ANN.traits))
    (first,) = writer.write([CopyRequest(ITEM, ANN, "email")])
    (second,) = writer.write([CopyRequest(ITEM, attacked, "email")])
    assert second.fields == first.fields


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_an_attempt_in_a_title_is_a_name_and_nothing_more(attempt):
    writer = Copywriter(guard=GUARD, candidates=1)
    (copy,) = writer.write([CopyRequest(replace(ITEM, title=attempt), ANN, "push")])
    (plain,) = writer.write([CopyRequest(ITEM, ANN, "push")])
    # Other sentences than of the plain item appear nowhere; the guard may have left some out.
    assert set(rules(copy)) <= set(rules(plain))
    assert set(copy.fields) <= set(plain.fields)
    body = copy.fields.get("body", plain.fields["body"])
    assert body == plain.fields["body"]
    assert all("\n" not in text for text in copy.fields.values())


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_model_that_obeys_is_not_shown(attempt):
    model = Obedient()
    writer = Copywriter(mode="free", writer=model, guard=GUARD, candidates=1)
    item = replace(ITEM, attributes={**ITEM.attributes, "claims": attempt}, text=attempt)
    brief = CopyBrief(voice=attempt)
    (copy,) = writer.write([CopyRequest(item, ANN, "push", brief=brief)])
    assert copy.written_by == "rank"
    assert "free mode fell back to rank" in copy.notes
    low = copy.text.lower()
    assert not any(marker.lower() in low for marker in CORPUS["marker"])
    # In the prompt, the attempt opens no line and no block of its own.
    assert all(
        line.startswith(("- ", "Write ")) for line in model.seen[0].splitlines() if "HACKED" in line
    )


@pytest.mark.slow
def test_no_token_of_the_chat_template_is_spelt_by_data():
    from genrec.llm.text_transformers import TransformersText

    model = TransformersText("smollm2-135m", device="cpu")
    tokenizer = model.text_tokenizer
    special = set(tokenizer.all_special_ids)
    frame = model._ids(model.prompt_text([Message("user", "x")]))
    usual = sum(one in special for one in frame)
    library = PromptLibrary()
    for attempt in ATTEMPTS:
        raw = model._ids(model.prompt_text([Message("user", attempt)]))
        facts = ItemFacts.of(replace(ITEM, title=attempt, attributes={"brand": attempt}))
        asked = model._ids(model.prompt_text(question(facts, library)))
        assert sum(one in special for one in raw) == usual
        assert sum(one in special for one in asked) == usual
