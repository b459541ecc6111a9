import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genrec.creatives.brief import (
    Brief,
    comparable,
    placeholders,
    text_problems,
    unknown_placeholders,
    unspoken,
    values_of,
)
from genrec.creatives.campaign import Campaign
from genrec.data.catalog import Item
from genrec.errors import ConfigError, GenrecError, InputError
from genrec.shipped import CAMPAIGNS, shipped_names
from genrec.strict_yaml import MOST_BYTES, parse_yaml, read_yaml

GOOD = """
name: spring
who: {users: all}
what: {where: {price: {max: 5}}}
placements: [push]
"""


def parsed(text: str) -> Campaign:
    return Campaign.parse(parse_yaml(text, "campaign x"), where="x")


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as error:
        parsed(text)
    return error.value.problems


def test_every_shipped_campaign_loads_and_says_how_to_run_it(repository):
    names = shipped_names(CAMPAIGNS)
    assert names
    for name in names:
        assert Campaign.load(name).name == name.rpartition("/")[2]
        head = (repository / "campaigns" / f"{name}.yaml").read_text().split("\nname:")[0]
        assert all(f"# {word}:" in head for word in ("Data", "Cost", "Command")), name


def test_what_is_left_out_has_its_default():
    made = parsed(GOOD)
    assert made.languages == ("en",)
    assert (made.write.mode, made.write.seeds, made.budget.jobs) == ("rank", (0,), None)
    assert made.named_users() is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: a\nname: b", "line 2, column 1: the key 'name' is given twice"),
        ("a: &x 1\nb: *x", "anchors"),
        ("- 1", "no mapping"),
        ("", "no mapping"),
        ("name: 'a", "line 1, column 9"),
        ("who: {users: [0123]}", "0123 is read as another number; put it in quotes"),
        ("who: {users: [12:30]}", "12:30 is read as another number"),
        ("a: " + "[" * 3000 + "]" * 3000, "recursion"),
        ("a: " + "{b: " * 20 + "1" + "}" * 20, "nested deeper than 12"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a: \0", "special characters"),
        ("a:\n\t- b", "line 2"),
    ],
)
def test_yaml_that_would_surprise_is_refused_with_its_place(text, told):
    with pytest.raises(InputError) as error:
        parse_yaml(text, "campaign x")
    assert told in str(error.value)


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(InputError, match="There is no campaign"):
        read_yaml(tmp_path / "absent.yaml", "campaign")
    large = tmp_path / "large.yaml"
    large.write_text("a: " + "x" * MOST_BYTES)
    with pytest.raises(InputError, match="1,000,003 bytes"):
        read_yaml(large, "campaign")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_yaml(tmp_path / "bytes.yaml", "campaign")
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path, "campaign")


def test_all_problems_are_told_at_once_with_the_nearest_name():
    found = problems(
        """
name: a b
who: {users: [1, 1], segmets: x}
what: {}
placement: [push]
brief: {must_say: ["Best {prise!r} deal"], tne: x}
write: {mode: fre, seeds: [1, 1], candidates: 0}
budget: {money: 3}
"""
    )
    for told in (
        "name: String should match",
        "who.users: named twice: 1",
        "who.segmets: there is no such key; did you mean 'segments'?",
        "what: give one of items, where and best, not none",
        "placements: missing",
        "placement: there is no such key; did you mean 'placements'?",
        "brief.must_say.0: '{prise!r}' is no placeholder; they look like {title}",
        "brief.tne: there is no such key; did you mean 'tone'?",
        "write.seeds: named twice: 1",
        "budget: money needs price_in or price_out",
    ):
        assert any(line.startswith(told) for line in found), (told, found)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("who: {}", "give one of users, file and segments, not none"),
        ("who: {users: all, file: x}", "not users and file"),
        ("who: {users: everyone}", "give a list of ids, or all"),
        ("who: {users: []}", "a list of 0 ids"),
        ("who: {users: [yes]}", "True is no id; put it in quotes"),
        ("who: {users: [[1]]}", "[1] is no id"),
        ("what: {items: all, where: {}}", "not items and where"),
        ("what: {where: {price: {mx: 3}}}", "no word 'mx'; did you mean 'max'"),
        ("what: {best: {n: 0}}", "greater than or equal to 1"),
        ("what: {best: {}}\nwho: {segments: all}", "who.segments names no users"),
        ("placements: []", "at least 1 item"),
        ("languages: [en, en]", "named twice: en"),
        ("languages: [no]", "valid string"),
        ("write: {mode: rnk}", "mode is 'rnk'; did you mean 'rank'?"),
        ("write: {mode: free}", "free mode needs a model"),
        ("write: {model: x}", "model and adapter are of free and constrained mode"),
        ("budget: {seconds: .nan}", "budget.seconds"),
        ("budget: {jobs: -1}", "budget.jobs"),
        ("brief: {tone: loud}", "tone is 'loud'"),
        ("brief: {intensity: creepy}", "intensity is 'creepy'"),
        ("brief: {currency: dollars}", "brief.currency"),
        ("brief: {must_say: ['']}", "the text is empty"),
        ("brief: {must_say: [' a } b']}", "Single '}' encountered"),
        ("brief: {must_say: ['{item.__class__}']}", "is no placeholder"),
        ("brief: {must_say: ['{0}{}']}", "is no placeholder"),
        ('brief: {call_to_action: "a\\u202Eb"}', "U+202E, turns the direction"),
        ('brief: {brand: {voice: "a\\u200Bb"}}', "U+200B, is invisible"),
        ('brief: {never_say: ["a\\x07b"]}', "U+0007, is a control character"),
        (f"brief: {{must_say: [{'x' * 501}]}}", "501 letters; 500 is the limit"),
        ("folder: /etc", "there is no such key"),
    ],
)
def test_what_does_not_fit_is_refused(change, told):
    key = change.partition(":")[0]
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{key}:")]
    if "\nwho" in change:
        lines = [line for line in lines if not line.startswith("who:")]
    assert any(told in line for line in problems("\n".join([*lines, change]))), change


@pytest.mark.parametrize(
    ("must", "never"),
    [
        ("Always CHEAP.", "cheap"),
        ("The best in the world!", "Best, in the   WORLD"),
        ("ﬁne food", "fine"),
    ],
)
def test_what_is_asked_for_and_forbidden_at_once_is_refused(must, never):
    with pytest.raises(ValueError, match="never_say forbids"):
        Brief(must_say=(must,), never_say=(never,))
    with pytest.raises(ValueError, match="disclosures asks for"):
        Brief(disclosures=(must,), never_say=(never,))


def test_a_word_within_a_word_contradicts_nothing():
    assert Brief(must_say=("A cheaper lamp.",), never_say=("cheap",)).must_say


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_phrase_is_found_within_whatever_stands_around_it(before, after):
    assert comparable("best price") in comparable(f"{before} Best  PRICE {after}")


def test_placeholders_are_names_and_doubled_braces_are_braces():
    assert placeholders("{title} for {price}, {{not}} this") == ["title", "price"]
    item = Item("1", "Lamp {price}", price=3.0, attributes={"colour": "red"})
    brief = Brief(must_say=("{title} in {colour} at {price} {{x}}",))
    # What an item says is data: braces in it are not filled in again.
    assert brief.for_item(item).must_say == ("Lamp {price} in red at $3.00 {x}",)
    euros = Brief(must_say=("Nur {price}.", "Nur € {price}!", "Nur {price} €."), currency="EUR")
    said = [text.replace("\u00a0", " ") for text in euros.for_item(item, "de").must_say]
    assert said == ["Nur 3,00 €.", "Nur 3,00 €!", "Nur 3,00 €."]
    with pytest.raises(KeyError):
        Brief(must_say=("{brand}",)).for_item(item)
    assert "tags" not in values_of(Item("1", "x", attributes={"tags": ["a"]}), "USD")


@given(st.text(max_size=600))
def test_any_text_is_taken_or_refused_in_words(text):
    told = list(text_problems(text))
    try:
        made = Brief(never_say=(text,))
    except ValueError:
        assert told
    else:
        assert not told
        assert made.never_say[0] == " ".join(text.split())


@given(st.text(max_size=200))
@example(":")
@example("? ':'")
def test_no_text_breaks_the_reader(text):
    try:
        parsed(text)
    except GenrecError as error:
        assert str(error)


def test_overrides_are_taken_and_wrong_ones_refused(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(GOOD)
    made = Campaign.load(file, ["budget.jobs=5", "write.seeds=[1, 2]"])
    assert (made.budget.jobs, made.write.seeds) == (5, (1, 2))
    with pytest.raises(ConfigError, match="is no override"):
        Campaign.load(file, ["budget.jobs"])
    with pytest.raises(ConfigError, match="name is a value"):
        Campaign.load(file, ["name.x=1"])
    with pytest.raises(ConfigError, match="did you mean 'cushions'"):
        Campaign.load("cushons")


def test_users_of_a_file_are_checked(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(GOOD.replace("users: all", "file: users.txt"))
    with pytest.raises(InputError, match=r"users.txt cannot be read"):
        Campaign.load(file).named_users()
    (tmp_path / "users.txt").write_text("a\nb\na\n")
    with pytest.raises(InputError, match="named twice: a"):
        Campaign.load(file).named_users()
    (tmp_path / "users.txt").write_text("007\n")
    assert Campaign.load(file).named_users() == ["007"]


def test_the_budget_decides_no_ad():
    assert parsed(GOOD).about == parsed(f"{GOOD}budget: {{jobs: 3}}").about


def test_a_sentence_is_said_in_the_language_of_the_ad():
    brief = Brief(
        must_say=("{title}!", {"en": "Now {price}.", "de": "Jetzt {price}."}),
        disclosures=({"en": "Advertisement", "de": "Anzeige"},),
        call_to_action={"en": "Get {title}", "de": "{title} holen"},
    )
    item = Item("p", "Mug", price=2.5)
    assert brief.for_item(item, "en").must_say == ("Mug!", "Now $2.50.", "Advertisement")
    german = brief.for_item(item, "de")
    assert german.must_say == ("Mug!", "Jetzt 2,50 $.", "Anzeige")
    assert (german.disclosures, german.call_to_action) == (("Anzeige",), "Mug holen")
    assert unspoken(brief, ["en", "de"]) == []
    assert unspoken(brief, ["de", "fr"]) == [
        "'Now {price}.' is not said in fr",
        "'Advertisement' is not said in fr",
        "'Get {title}' is not said in fr",
    ]
    assert len(unknown_placeholders(Brief(must_say=({"de": "{farbe}"},)), ["colour"])) == 1


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"de": "{price!r}", "en": "fine"}, "de: '{price!r}' is no placeholder"),
        ({"de": "a\u202eb"}, "de: letter 2, U\\+202E"),
        ({"de": 3}, "de: the text is empty"),
        ({}, "a text for each language"),
        (7, "a text for each language"),
    ],
)
def test_each_language_of_a_sentence_is_checked(said, problem):
    with pytest.raises(ValueError, match=problem):
        Brief(must_say=(said,))


def test_a_contradiction_in_one_language_is_found():
    with pytest.raises(ValueError, match="must_say asks for 'sehr billig'"):
        Brief(must_say=({"en": "fine", "de": "sehr billig"},), never_say=("billig",))
