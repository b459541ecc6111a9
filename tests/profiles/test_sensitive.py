import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from genrec.data.catalog import Catalog
from genrec.errors import ConfigError, InputError
from genrec.profiles.sensitive import FOLDER, SensitiveRules

RULES = SensitiveRules.load("sensitive")

TELLING = {
    "children": ["Baby foods", "Diapers and disposables", "Infant formula", "Toys", "Kids cereal"],
    "health": [
        "Analgesics",
        "Vitamins",
        "Diabetic candy",
        "Cold and flu",
        "Rx otc drugs",
        "Laxatives",
    ],
    "pregnancy": ["Pregnancy test kits", "Maternity jeans", "Family planning"],
    "sexuality": ["Condoms", "Feminine hygiene", "Lingerie"],
    "religion": ["Kosher foods", "Easter lily", "Bibles", "Halal chicken"],
    "politics": ["Newspaper", "Election poster", "Trade union pin"],
    "ethnicity": ["Ethnic personal care", "Hispanic"],
    "alcohol_and_tobacco": ["Beers/ales", "Domestic wine", "Cigarettes", "Tobacco other", "Liquor"],
    "gambling_and_weapons": ["Lottery tickets", "Guns-magazine", "Ammunition"],
}
HARMLESS = (
    """
Baby carrots, Ginger ale, Root beer, Baby spinach, Hot dogs, Dog and cat toys, Kidney beans,
Wine vinegar, Yogurt, Rye breads, Swine snacks, Drum sticks
""".strip()
    .replace("\n", " ")
    .split(", ")
)


def found(*titles, rules=RULES):
    table = pl.DataFrame({"item_id": [f"{n}" for n in range(len(titles))], "title": titles})
    return rules.topics_of(Catalog(table))


@pytest.mark.parametrize(("topic", "title"), [(t, one) for t in TELLING for one in TELLING[t]])
def test_what_tells_of_a_sensitive_matter_is_left_out(topic, title):
    assert found(title)[topic][0]
    assert found(title.upper())[topic][0]


@pytest.mark.parametrize("title", HARMLESS)
def test_what_only_sounds_alike_is_kept(title):
    assert not [topic for topic, items in found(title).items() if items[0]]


def test_a_spared_phrase_does_not_spare_the_rest_of_the_title():
    assert found("Baby carrots and baby diapers")["children"][0]


def test_unseen_letters_and_wide_letters_hide_nothing():
    assert found("Ba\u200bby wipes")["children"][0]
    assert found("Ｃｉｇａｒｅｔｔｅｓ")["alcohol_and_tobacco"][0]


def test_any_text_attribute_tells():
    table = pl.DataFrame(
        {"item_id": ["a", "b"], "title": ["x", "y"], "shelf": ["Pharmacy", "Bread"]}
    )
    assert RULES.topics_of(Catalog(table))["health"].tolist() == [True, False]


def test_attributes_that_are_sensitive_themselves_are_closed():
    table = pl.DataFrame({"item_id": ["a"], "title": ["x"], "religion": ["y"], "color": ["z"]})
    table = table.with_columns(age_of_child=pl.lit("3"), household_kids=pl.lit("2"))
    assert RULES.attributes_of(Catalog(table)) == ["color"]


def test_hidden_departments_are_never_said_but_their_items_stay():
    assert RULES.unsayable(pl.Series(["Drug general merchandise", "Produce"])).tolist() == [
        True,
        False,
    ]
    assert not any(items[0] for items in found("Drug general merchandise").values())


def test_a_title_of_a_megabyte_is_read_to_its_end():
    assert found("x" * 1_000_000 + " vodka")["alcohol_and_tobacco"][0]


def test_a_topic_that_is_switched_off_leaves_nothing_out(tmp_path):
    path = tmp_path / "wine.yaml"
    path.write_text("version: 3\ntopics: {alcohol: {exclude: false, words: [wine]}}")
    rules = SensitiveRules.load(path)
    assert rules.version.startswith("3-")
    assert found("Red wine", rules=rules) == {}


def test_every_mistake_in_a_rule_file_is_named(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("versoin: 1\ntopics: {health: {wrods: [pill], words: pill, exclude: perhaps}}")
    with pytest.raises(InputError) as raised:
        SensitiveRules.load(path)
    problems = "\n".join(raised.value.problems)
    assert "unknown key 'versoin'; did you mean 'version'?" in problems
    assert "version is None" in problems
    assert "unknown key 'wrods'; did you mean 'words'?" in problems
    assert "words is not a list of words" in problems
    assert "exclude is 'perhaps'" in problems


@pytest.mark.parametrize("text", ["- a\n", "version: [", "version: 1", ""])
def test_what_is_no_rule_file_is_refused(tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        SensitiveRules.load(path)


def test_unknown_rules_are_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'sensitive'"):
        SensitiveRules.load("sensitiv")


def test_the_version_changes_with_the_content(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text((FOLDER / "sensitive.yaml").read_text())
    assert SensitiveRules.load(path).version == RULES.version
    path.write_text((FOLDER / "sensitive.yaml").read_text() + "\n# changed\n")
    assert SensitiveRules.load(path).version != RULES.version


def test_the_shipped_rules_name_every_topic_with_a_test_here():
    shipped = yaml.safe_load((FOLDER / "sensitive.yaml").read_text())
    assert set(shipped["topics"]) == set(TELLING)
    assert all(topic["exclude"] for topic in shipped["topics"].values())


@given(st.text(max_size=30))
def test_words_of_a_file_are_never_read_as_expressions(word):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.yaml"
        path.write_text(yaml.safe_dump({"version": 1, "topics": {"own": {"words": [word]}}}))
        try:
            rules = SensitiveRules.load(path)
        except InputError:
            return
        assert isinstance(found("bread", rules=rules)["own"][0], np.bool_)
