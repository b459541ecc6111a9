from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard, Policy
from genrec.creatives.guard.profanity import profane_words
from genrec.data.catalog import Item

BOTTLE = ItemFacts.of(
    Item(
        "1",
        "Acme Stainless Steel Bottle, 1 kg, 12 in, Blue, Pack of 6",
        "BPA-free. Not dishwasher safe. Keeps drinks cold for 24 hours. It is 5 in wide. "
        "Fits a hex nipple. Call 1-800-555-0199.",
        price=15.0,
        attributes={"brand": "Acme", "list_price": 20.0},
    )
)
BARE = ItemFacts.of(Item("2", "Thing"))


@pytest.fixture(scope="module")
def guard():
    return Guard(Policy.load(), brands=["Acme", "Globex"], people=["Zenobia"])


CLEAN = [
    "Acme bottle in blue: 1000 g, 1 ft, pack of 6, only $15.",
    "Six bottles, 25% off, save $5!",
    "It keeps drinks cold for 24 hours.",
    "Steel that is BPA-free",
    "Not dishwasher safe, but 5 in wide.",
    "Fits a hex nipple.",
    "As soon as you like: your new bottle.",
]


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Peaches, yellow flesh", "One ripe peach."),
        ("Plums", "A plum for the way."),
        ("Roses, 10 stems", "A rose."),
    ],
)
def test_one_of_many_is_not_taken_for_a_colour(guard, title, text):
    assert guard.check(text, ItemFacts.of(Item("3", title))).findings == ()
    assert [one.said for one in guard.check(text, BARE).findings] != []


@pytest.mark.parametrize("text", CLEAN)
def test_what_the_item_says_may_be_said(guard, text):
    assert guard.check(text, BOTTLE).findings == ()


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("A bottle of 2 kg", "number", "2 kg"),
        ("A bottle of 12 oz", "number", "12 oz"),
        ("It is 5 in long", "number", "5 in"),
        ("A red bottle", "colour", "red"),
        ("A brass bottle", "material", "brass"),
        ("Only $14.99", "price", "$14.99"),
        ("Now 30% off", "number", "30%"),
        ("FDA approved", "certificate", "FDA approved"),
        ("It is dishwasher safe", "certificate", "dishwasher safe"),
        ("latex-free", "certificate", "latex-free"),
        ("The lightest bottle", "superlative", "lightest"),
        ("With free shipping", "offer", "free shipping"),
        ("Better than Globex", "name", "Globex"),
        ("Fits the X200", "number", "X200"),
        ("It cures colds", "forbidden", "cures"),
        ("it ｃ.ｕ.ｒ.ｅ.ｓ all", "forbidden", "ｃ.ｕ.ｒ.ｅ.ｓ"),
        ("a s\u200bhit bottle", "profanity", "s\u200bhit"),
        ("what the f**k", "profanity", "f**k"),
        ("Hello Zenobia", "pii", "Zenobia"),
        ("Mail a.b@example.com", "pii", "a.b@example.com"),
        ("nice \u202ebottle", "hidden", "\u202e"),
    ],
)
def test_what_it_does_not_say_is_refused_with_its_place(guard, text, kind, said):
    verdict = guard.check(text, BOTTLE)
    assert not verdict.ok
    assert (kind, said) in [(one.kind, one.said) for one in verdict.findings]
    for one in verdict.findings:
        assert text[slice(*one.span)] == one.said
        assert one.why
        assert one.rule


def test_a_forbidden_phrase_may_stand_in_the_items_own_name_wherever_that_is(tmp_path):
    (tmp_path / "own.yaml").write_text("forbidden: [{id: risk, phrases: [no risk]}]")
    strict = Guard(Policy.load(tmp_path / "own.yaml"))
    umbrella = ItemFacts.of(Item("4", "Umbrella No Risk, tall"))

    def refused(text, item=umbrella):
        return [one.said for one in strict.check(text, item).findings if one.kind == "forbidden"]

    before = "You asked for it and asked again, and now it is back in the shop"
    assert refused(f"{before}: Umbrella No Risk, tall") == []
    assert refused("Umbrella No Risk, tall.") == []
    assert refused("There is no risk in it.") == ["no risk"]
    assert refused(f"No risk. {before}: Umbrella No Risk, tall") == ["No risk"]
    assert refused(f"{before}: Umbrella No Risk, tall", BARE) == ["No Risk"]


def test_a_claim_that_is_not_checked_does_not_hide_the_next(tmp_path):
    (tmp_path / "own.yaml").write_text("check_claims: [material]")
    lenient = Guard(Policy.load(tmp_path / "own.yaml"))
    found = lenient.check("A red thing of brass", BARE).findings
    assert [(one.kind, one.said) for one in found] == [("material", "brass")]


def test_an_item_without_facts_bears_out_nothing_but_its_title(guard):
    assert guard.check("Have a look at Thing.", BARE).ok
    assert not guard.check("A blue Thing", BARE).ok


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_is_refused(guard, text):
    (finding,) = guard.check(text, BOTTLE).findings
    assert finding.kind == "empty"


def test_a_batch_says_what_single_checks_say(guard):
    pairs = [(text, facts) for text in [*CLEAN, "A red one"] for facts in (BOTTLE, BARE)]
    assert guard.check_many(pairs) == [guard.check(*pair) for pair in pairs]


def test_length_lines_and_disclosures_are_asked_for_by_channel(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "must_say: {push: Ad}\nlength: {push: 30}\n"
        "disclosures: [{say: Terms apply., when: [loan]}]\n",
        encoding="utf-8",
    )
    guard = Guard(Policy.load(path))
    assert guard.check("Ad: a bottle", BOTTLE, channel="push").ok
    kinds = [one.kind for one in guard.check("A bottle " * 4, BOTTLE, channel="push").findings]
    assert kinds == ["missing", "length"]
    assert not guard.check("A l0an for you", BOTTLE).ok
    assert guard.check("A loan for you. Terms apply.", BOTTLE).ok


def test_a_policy_may_leave_claims_alone(tmp_path):
    path = tmp_path / "lax.yaml"
    path.write_text("check_claims: [price]\nprofanity: []\npii: false\n", encoding="utf-8")
    guard = Guard(Policy.load(path))
    assert guard.check("A red brass bottle, a@b.example", BOTTLE).ok
    assert not guard.check("Only $1", BOTTLE).ok


def test_the_profanity_lists_hold_words_and_no_everyday_ones():
    words = set(profane_words(("english",)))
    assert len(words) > 300
    assert not words & {"class", "assume", "bottle", "hello", "cream", "hand"}


@given(st.text(max_size=80))
def test_no_text_breaks_the_guard_and_every_span_is_its_own(text):
    for one in Guard_.check(text, BOTTLE).findings:
        start, end = one.span
        assert 0 <= start <= end <= len(text)
        if one.kind not in ("missing", "length"):
            assert text[start:end] == one.said


Guard_ = Guard(Policy.load())


@pytest.mark.parametrize("unit", ["a", "1,", "c u r e s ", "f*", "с\u200b", "5 x ", "not free "])
def test_a_long_text_is_read_to_its_end(unit):
    text = (unit * 80_000)[:80_000] + " It cures all."
    assert any(
        one.kind == "forbidden" and one.span[0] >= 80_000
        for one in Guard_.check(text, BOTTLE).findings
    )


def test_a_number_of_the_items_own_without_a_unit_may_be_said_and_no_other(guard):
    book = ItemFacts.of(Item("5", "Field Guide", attributes={"pages": 320}))
    assert guard.check("The Field Guide has 320 pages.", book).ok
    (found,) = guard.check("The Field Guide has 330 pages.", book).findings
    assert found.kind == "number"


def test_what_a_terminal_would_not_show_is_quoted_by_its_code_point(guard):
    (found, *_) = guard.check("A safe\u202e price of $3", BOTTLE).findings
    hidden = replace(found, said="price\u202e\x07")
    assert hidden.quoted == "priceU+202EU+0007"
