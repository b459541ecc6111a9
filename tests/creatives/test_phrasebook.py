import pytest
import yaml

from genrec.creatives.phrasebook import Phrasebook, languages
from genrec.errors import ConfigError
from genrec.shipped import shipped_folder


def test_there_are_four_languages():
    assert languages() == ["de", "en", "es", "fr"]


def own(tmp_path, change):
    book = yaml.safe_load(
        (shipped_folder("prompts").parent / "genrec/creatives/phrases/en.yaml").read_text()
    )
    change(book)
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(book))
    return path


def test_all_problems_of_a_phrase_file_are_named(tmp_path):
    def spoil(book):
        book["statements"]["often"]["full"] = ["You like {valeu}."]
        book["statements"]["pirce"] = book["statements"].pop("price")
        book["money"] = "{amount}"

    with pytest.raises(ConfigError) as caught:
        Phrasebook.load(own(tmp_path, spoil))
    said = str(caught.value)
    assert "unknown placeholder '{valeu}'" in said
    assert "did you mean 'value'" in said
    assert "no rule 'pirce'; did you mean 'price'" in said
    assert "money is" in said


def test_a_slot_in_a_value_is_data():
    assert Phrasebook.load("en").say("{value}.", {"value": "{price} {value}"}) == "{price} {value}."


@pytest.mark.parametrize(
    ("language", "value", "said"),
    [
        ("en", "Frozen pizza", "You often buy frozen pizza."),
        ("en", "HP ink", "You often buy HP ink."),
        ("en", "iPads", "You often buy iPads."),
        ("de", "Frozen pizza", "Sie kaufen oft „Frozen pizza“."),
    ],
)
def test_words_within_a_sentence_are_written_small_where_they_are_ordinary(language, value, said):
    book = Phrasebook.load(language)
    template = book.phrases["often"].variants["plain"][0]
    assert book.say(template, {"value": value}) == said


@pytest.mark.parametrize(
    ("language", "text", "english"),
    [
        ("de", "nur 1,99 €", "nur €1.99"),
        ("de", "1.234,50 $ und 3,5 kg", "$1234.50 und 3.5 kg"),
        ("es", "1234,50\u00a0€", "€1234.50"),
        ("fr", "12\u202f345,50\u00a0€", "€12345.50"),
        ("en", "$1,234.50", "$1,234.50"),
    ],
)
def test_numbers_are_read_back_as_english(language, text, english):
    assert Phrasebook.load(language).as_english(text) == english


def test_an_unknown_language_says_which_there_are():
    with pytest.raises(ConfigError, match="no phrases in 'xx'"):
        Phrasebook.load("xx")
