from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.creatives.channels import load_channels
from genrec.creatives.copy import CopyBrief, CopyRequest
from genrec.creatives.copywriter import NO_FACTS, NOBODY, REWRITTEN, Copywriter
from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard, Policy
from genrec.creatives.memory import Bm25, Memory
from genrec.creatives.neutral import shown
from genrec.creatives.phrasebook import Phrasebook, languages
from genrec.creatives.ranking import distinct
from genrec.creatives.statements import short_name
from genrec.data.catalog import Item
from genrec.errors import ConfigError, InputError
from genrec.llm.text import TextModel
from genrec.profiles.profile import UserProfile
from tests.creatives.small_copy import ANN, BEN, ITEM, shop

GUARD = Guard(Policy.load("general"))
CHANNELS = load_channels()


class Scripted(TextModel):
    """Says given answers, one after the other."""

    name = "scripted"

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), []

    def _answer(self, conversations, sampling):
        self.asked += conversations
        return [[self.answers.pop(0)] * sampling.n for _ in conversations]

    def _stream(self, messages, sampling):
        yield self.answers.pop(0)


def write(request, **options):
    (copy,) = Copywriter(guard=GUARD, **options).write([request])
    return copy


def test_rank_says_what_matters_to_this_shopper():
    assert dict(write(CopyRequest(ITEM, ANN), candidates=1).fields) == {
        "title": "Oat biscuits, 12 oz",
        "body": "You often buy biscuits. It costs $1.99. See it now.",
    }
    assert (
        write(CopyRequest(ITEM, BEN), candidates=1)
        .fields["body"]
        .startswith("You often choose Miller.")
    )


def test_statements_name_their_facts_and_events():
    copy = write(CopyRequest(ITEM, ANN), candidates=1)
    assert [(one.rule, one.facts, one.evidence) for one in copy.statements] == [
        ("name", ("title",), ()),
        ("often", ("category",), (3, 5, 9)),
        ("price", ("price",), ()),
    ]
    assert copy.evidence == (3, 5, 9)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("channel", sorted(CHANNELS))
@pytest.mark.parametrize("tone", ["plain", "warm", "brisk"])
@pytest.mark.parametrize("mode", ["rank", "constrained"])
def test_every_text_fits_its_channel_and_is_finished(language, channel, tone, mode):
    request = CopyRequest(ITEM, ANN, channel, language=language, tone=tone)
    copy = write(request, mode=mode)
    assert CHANNELS[channel].problems(dict(copy.fields)) == []
    assert "only the name is left" not in copy.notes
    for field in CHANNELS[channel].fields:
        if field.role == "body":
            assert copy.fields[field.name][-1] in ".!?"


@pytest.mark.parametrize(
    ("language", "price"),
    [
        ("en", "$1,234.50"),
        ("de", "1.234,50 $"),
        ("fr", "1\u202f234,50\u00a0$"),
        ("es", "1234,50\u00a0$"),
    ],
)
def test_prices_are_written_as_the_language_writes_them(language, price):
    item = replace(ITEM, price=1234.5)
    copy = write(CopyRequest(item, None, language=language), candidates=1)
    assert price in copy.fields["body"]
    assert Phrasebook.load(language).as_english(price).replace(",", "") == "$1234.50"


titles = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120)


@settings(max_examples=60, deadline=None)
@given(
    title=titles,
    brand=titles,
    price=st.none() | st.floats(0, 1e6),
    channel=st.sampled_from(sorted(CHANNELS)),
)
def test_whatever_an_item_says_its_copy_fits_and_claims_nothing_else(title, brand, price, channel):
    item = Item("x", title.strip() or "x", price=price, attributes={"brand": brand})
    copy = write(CopyRequest(item, ANN, channel), candidates=1)
    assert CHANNELS[channel].problems(dict(copy.fields)) == []
    known = {item.title, short_name(item.title), brand.strip(), shown(brand)}
    if price is not None:
        known.add(Phrasebook.load("en").money(price, "USD"))
    assert {value for said in copy.statements for value in said.values} <= known


def test_equal_requests_give_equal_texts_alone_and_together():
    writer = Copywriter(mode="constrained", guard=GUARD)
    requests = [CopyRequest(ITEM, who, seed=3) for who in (ANN, BEN, None)]
    together = writer.write(requests)
    assert [one.key for one in together] == [writer.write([one])[0].key for one in requests]


def test_candidates_differ():
    copies = Copywriter(guard=GUARD, candidates=8).candidates_for(CopyRequest(ITEM, ANN, "email"))
    assert len(copies) > 1
    assert len(distinct(copies)) == len(copies)
    assert [one.score for one in copies] == sorted((one.score for one in copies), reverse=True)


def test_intensity_says_how_much_is_told():
    said = {
        level: write(
            CopyRequest(replace(ITEM, title="Rusks"), ANN, brief=CopyBrief(intensity=level)),
            candidates=1,
        )
        for level in ("none", "quiet", "open")
    }
    assert said["open"].evidence
    assert not said["quiet"].evidence
    # The profile still chooses what is said of the item.
    assert "biscuits" in said["quiet"].fields["body"].lower()
    assert said["none"].fields["body"] == "It costs $1.99. The brand is Miller. See it now."


def test_memory_grounds_a_sentence_in_what_was_bought():
    memory = Memory(shop(), Bm25())
    ann = replace(ANN, traits=())
    copy = write(CopyRequest(ITEM, ann), memory=memory, candidates=1)
    assert "You have also bought: ginger biscuits, 8 oz." in copy.fields["body"]
    assert copy.evidence == (1,)


def test_a_grounded_answer_is_shown_and_rewritten_once_if_it_is_not():
    good = "title: Oat biscuits\nbody: Oat biscuits by Miller for $1.99."
    bad = "title: Oat biscuits\nbody: Oat biscuits, 30 oz, now 50% off."
    request = CopyRequest(ITEM, ANN)
    model = Scripted(bad, good)
    copy = write(request, mode="free", writer=model, candidates=1)
    assert copy.written_by == "free"
    assert copy.fields["body"] == "Oat biscuits by Miller for $1.99."
    assert "30 oz" in model.asked[1][-1].content
    fallen = write(request, mode="free", writer=Scripted(bad, bad), candidates=1)
    assert fallen.written_by == "rank"
    assert fallen.fields == write(request, candidates=1).fields
    assert any("30 oz" in note for note in fallen.notes)


def test_a_model_that_forgets_the_form_writes_below_the_items_own_name():
    model = Scripted(
        "Oat biscuits by Miller for $1.99. " + "Miller makes oat biscuits so well. " * 9
    )
    copy = write(CopyRequest(ITEM, ANN), mode="free", writer=model, candidates=1)
    assert copy.written_by == "free"
    assert copy.fields["title"] == ITEM.title
    assert copy.fields["body"].startswith("Oat biscuits by Miller for $1.99.")
    assert len(copy.fields["body"]) <= 140


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("The oat biscuits are quotations from a shop's records.", "repeats the task"),
        ("You will love it every single day.", "says nothing of the item"),
    ],
)
def test_a_text_beside_the_point_is_written_again_and_that_is_told(body, why):
    bad, good = f"title: Oat biscuits\nbody: {body}", "title: Oat\nbody: Oat biscuits by Miller."
    request = CopyRequest(ITEM, ANN)
    mended = write(request, mode="free", writer=Scripted(bad, good), candidates=1)
    assert mended.fields["body"] == "Oat biscuits by Miller."
    assert any(note.startswith(REWRITTEN) and why in note for note in mended.notes)
    fallen = write(request, mode="free", writer=Scripted(bad, bad), candidates=1)
    assert fallen.written_by == "rank"
    assert any(why in note for note in fallen.notes)


def test_a_model_chooses_words_and_nothing_else():
    class Last(Scripted):
        def _choose(self, messages, choices, begun):
            return len(choices) - 1

    copy = write(CopyRequest(ITEM, ANN), mode="constrained", writer=Last())
    everything = " ".join(copy.fields.values())
    assert copy.model == "scripted"
    assert all(one.text in everything for one in copy.statements)
    left = everything
    for text in sorted((one.text for one in copy.statements), key=len, reverse=True):
        left = left.replace(text, "", 1)
    # What is no statement is the call to act, which is chosen from a list too.
    assert left.strip() in {f"{one}." for one in Phrasebook.load("en").actions["plain"]}


def test_must_say_stands_in_the_text_and_never_say_in_none():
    brief = CopyBrief(must_say=("Sold by the corner shop.",), never_say=("made of",))
    copy = write(CopyRequest(ITEM, ANN, brief=brief))
    assert copy.fields["body"].count("Sold by the corner shop.") == 1
    assert "made of" not in copy.text.lower()
    # What the guard refuses is left out and told, whoever asked for it.
    refused = write(CopyRequest(ITEM, ANN, brief=CopyBrief(must_say=("Cures cancer.",))))
    assert "Cures" not in refused.text
    assert any("Cures" in note or "cancer" in note for note in refused.notes)


@pytest.mark.parametrize(
    ("item", "note"),
    [(Item("x", "Thing"), NO_FACTS), (Item("x", "Thing", text="t" * 1_000_000), NOBODY)],
)
def test_items_that_say_nothing_or_too_much_get_a_plain_text(item, note):
    copy = write(CopyRequest(item, None, "email"))
    assert copy.fields["headline"] == "Thing"
    assert note in copy.notes


def test_a_megabyte_of_title_is_cut():
    copy = write(CopyRequest(Item("x", "word " * 200_000), None, "x"))
    assert CHANNELS["x"].problems(dict(copy.fields)) == []


def test_a_user_without_history_reads_what_anybody_reads():
    new = write(CopyRequest(ITEM, UserProfile("new", ())), candidates=1)
    assert new.fields == write(CopyRequest(ITEM), candidates=1).fields
    assert NOBODY in new.notes


def test_marks_of_direction_are_not_shown():
    copy = write(CopyRequest(replace(ITEM, title="Oat \u202estiucsib\u202c biscuits"), None))
    assert copy.fields["title"] == "Oat stiucsib biscuits"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channel": "psuh"}, "did you mean 'push'"),
        ({"language": "xx"}, "There is no language 'xx'"),
        ({"tone": "wram"}, "did you mean 'warm'"),
        ({"brief": CopyBrief(intensity="loud")}, "There is no intensity 'loud'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(change, said):
    with pytest.raises(ConfigError, match=said):
        write(replace(CopyRequest(ITEM), **change))


def test_a_brief_that_contradicts_itself_is_refused_with_all_problems():
    brief = CopyBrief(must_say=("Now cheap.", "Cheap."), never_say=("cheap",))
    with pytest.raises(InputError) as caught:
        write(CopyRequest(ITEM, brief=brief))
    assert len(caught.value.problems) == 2


def test_an_item_whose_name_is_forbidden_is_refused_and_a_longer_word_is_not_the_same():
    with pytest.raises(InputError, match="name says 'Oat'"):
        write(CopyRequest(ITEM, brief=CopyBrief(never_say=("Oat",))))
    brief = CopyBrief(must_say=("A biscuit for goats.",), never_say=("oat flour", "oats"))
    assert "A biscuit for goats." in write(CopyRequest(ITEM, brief=brief)).text


def test_free_mode_without_a_model_says_what_to_do():
    with pytest.raises(ConfigError, match="needs a text model"):
        Copywriter(mode="free")


def test_the_guard_lets_every_shipped_phrase_pass():
    facts = ItemFacts.of(ITEM)
    for tone in ("plain", "warm", "brisk"):
        for channel in CHANNELS:
            copy = write(CopyRequest(ITEM, ANN, channel, tone=tone), candidates=1)
            assert GUARD.check(copy.text, facts).ok


def test_a_profile_without_traits_is_still_somebody():
    assert write(CopyRequest(ITEM, UserProfile("new", ()))).user == "new"


def test_an_item_whose_very_name_is_refused_gets_no_text_and_says_why():
    copy = write(CopyRequest(replace(ITEM, title="Fucking biscuits"), None))
    assert dict(copy.fields) == {}
    assert "not even the name can be shown" in copy.notes[-1]


def test_a_name_that_may_not_be_said_is_told_as_such_although_the_brief_repeats_it():
    brief = CopyBrief(must_say=(f"{ITEM.title} is here.",), never_say=("oat",))
    with pytest.raises(InputError, match="item's name says 'oat'"):
        write(CopyRequest(ITEM, brief=brief))


def test_a_line_that_must_be_said_ends_before_the_next_sentence():
    copy = write(CopyRequest(ITEM, brief=CopyBrief(must_say=("Advertisement", "Ask us!"))))
    assert "Advertisement. Ask us! See it now." in copy.fields["body"]


def test_what_a_terminal_must_not_see_is_named_in_a_note():
    brief = CopyBrief(must_say=("Now \u202ehere\x07",))
    notes = " ".join(write(CopyRequest(ITEM, brief=brief)).notes)
    assert "U+202E" in notes or "U+0007" in notes
    assert notes.isprintable()


def test_a_message_of_gsm_letters_has_plain_blanks():
    request = CopyRequest(ITEM, channel="sms", language="fr")
    line = "Encore 1,99\u00a0$ et rien de plus jusque dans la nuit."
    copy = write(replace(request, brief=CopyBrief(must_say=(line,))))
    assert line.replace("\u00a0", " ") in copy.fields["text"]
    assert "\u00a0" not in copy.text
    assert "\u00a0$" in write(replace(request, channel="email")).text
