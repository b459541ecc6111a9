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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Sh*t happens", ["Sh*t"]),
        ("f**k, f*ck and b*tch", ["f**k", "f*ck", "b*tch"]),
        ("f***", ["f***"]),
        ("5 stars ***** for $15*", []),
        ("a * b *c* d*", []),
        ("Bottles* of steel*", []),
        ("a*b", []),
    ],
)
def test_words_with_their_letters_starred_out_are_profane(guard, text, said):
    found = guard.check(text, BOTTLE).findings
    assert [one.said for one in found if one.rule == "profanity/masked"] == said


def test_starred_words_are_let_through_where_no_list_of_words_is_asked_for(tmp_path):
    (tmp_path / "own.yaml").write_text("check_claims: []\nprofanity: []")
    assert Guard(Policy.load(tmp_path / "own.yaml")).check("f**k", BARE).ok


CABLE = ItemFacts.of(
    Item("6", "Acme Cable X200, 1 kg", "NASA tested.", price=15.0, attributes={"brand": "Acme"})
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Fits X201 and X200", [("number", "X201")]),
        ("Model 2x4b", [("number", "2x4b")]),
        ("It weighs 1kg and 2kg", [("number", "2kg")]),
        ("By NASA", []),
        ("By FEMA", [("certificate", "FEMA")]),
        ("BY FEMA", []),
        ("The A&B and the CDE.", [("certificate", "CDE")]),
        ("A TOTALLYNEW one", []),
    ],
)
def test_designations_are_the_items_own(guard, text, found):
    assert [(one.kind, one.said) for one in guard.check(text, CABLE).findings] == found


def test_brands_of_other_makers_are_names_where_they_are_written_like_names():
    shop = Guard(Policy.load(), brands=["Ab", " Globex ", "--", "Blue Moon"])

    def names(text):
        return [one.said for one in shop.check(text, BOTTLE).findings if one.kind == "name"]

    assert names("Like Globex, like GLOBEX") == ["Globex", "GLOBEX"]
    assert names("like globex, once in a blue moon") == []
    assert names("Like Ab") == []
    assert names("By Blue Moon") == ["Blue Moon"]
    # A brand's word that is used as any other does not hide what follows.
    assert names("Once in a blue moon, like Globex") == ["Globex"]


def test_the_same_is_told_once_and_in_the_order_of_the_text(guard):
    found = guard.check("Only $14.99, a red one and a brass one, FDA approved", BOTTLE).findings
    assert [one.span[0] for one in found] == sorted(one.span[0] for one in found)
    assert len(set(found)) == len(found)
    assert found[0].said == "$14.99"


def test_what_is_too_long_is_quoted_no_longer_than_it_needs(tmp_path):
    (tmp_path / "own.yaml").write_text("check_claims: []\nlength: {push: 5, any: 200}")
    strict = Guard(Policy.load(tmp_path / "own.yaml"))
    text = "abcde" + "f" * 100
    (found,) = strict.check(text, BARE, channel="push").findings
    assert (found.kind, found.span, found.said) == ("length", (5, 105), "f" * 60)
    assert "105 characters; push may have 5" in found.why
    assert strict.check("abcde", BARE, channel="push").ok
    assert strict.check(text, BARE).ok
    (found,) = strict.check("a" * 201, BARE).findings
    assert "a text may have 200" in found.why


def test_disclosures_are_asked_for_on_their_channels_and_lines_in_any_spacing(tmp_path):
    (tmp_path / "own.yaml").write_text(
        "check_claims: []\n"
        "disclosures: [{say: Ask your bank., when: [loan], channels: [push]}, {say: Ad}]"
    )
    strict = Guard(Policy.load(tmp_path / "own.yaml"))

    def missing(text, channel=""):
        return [one.why for one in strict.check(text, BARE, channel=channel).findings]

    assert missing("Ad: a loan") == []
    assert missing("Ad: a loan", "email") == []
    assert missing("Ad: a loan", "push") == ["It must say: Ask your bank."]
    assert missing("AD: a loan, ask  your\nbank.", "push") == []
    assert missing("A loan. Ask your bank.", "push") == ["It must say: Ad"]


def test_a_word_that_is_two_things_is_excused_by_the_items_own_words_and_no_other(guard):
    def profane(text, facts):
        return [one.said for one in guard.check(text, facts).findings if one.kind == "profanity"]

    assert profane("A hex nipple", BOTTLE) == []
    assert profane("A hex nipple", BARE) == ["nipple"]
    rude = ItemFacts.of(Item("7", "Thing", "It is shit."))
    assert profane("It is shit", rude) == ["shit"]
