import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.creatives.guard.folding import fold, hidden


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("ｃｕｒｅｓ", "cures"),
        ("сurеѕ", "cures"),
        ("𝓬𝓾𝓻𝓮𝓼", "cures"),
        ("c\u200bu\u00adr\u2060es", "cures"),
        ("c\u0336u\u0336res", "cures"),
        ("crème", "creme"),
        ("\u202eseruc\u202c", "cures"),
        ("it really \u202eseruc\u202c all", "it really cures all"),
        ("тор", "top"),
        ("5½ “in” × 3", '5½ "in" x 3'),
    ],
)
def test_what_a_reader_sees_is_what_is_read(text, plain):
    assert fold(text).text == plain


@given(st.text(max_size=60))
def test_every_folded_span_lies_in_the_text(text):
    folded = fold(text)
    for start in range(len(folded.text)):
        first, last = folded.span(start, start + 1)
        assert 0 <= first < last <= len(text)


@pytest.mark.parametrize("text", ["crème", "creme"])
def test_an_empty_span_stands_where_it_begins(text):
    folded = fold(text)
    assert [folded.span(place, place) for place in (0, 2, 5)] == [(0, 0), (2, 2), (5, 5)]


@given(st.text(string.ascii_letters + " ", min_size=1, max_size=40), st.data())
def test_marks_and_invisible_letters_leave_spans_on_their_letters(text, data):
    marks = st.sampled_from(["", "", "\u200b", "\u0301", "\u2060", "\u0336"])
    hidden_text = "".join(letter + data.draw(marks) for letter in text)
    folded = fold(hidden_text)
    assert folded.text == text.lower()
    for place, letter in enumerate(text):
        start, end = folded.span(place, place + 1)
        shown = unicodedata.normalize("NFD", hidden_text[start:end])
        assert shown[0] == letter


def test_hidden_things_are_named_with_their_place():
    assert hidden("a\u202eb")[0] == (1, 2, "a change of writing direction")
    assert hidden("cu\u200bre")[0][2] == "an invisible character inside a word"
    assert hidden("сure")[0][2].startswith("look-alike")
    assert hidden("a\x00b") == [(1, 2, "a control character")]


def test_honest_texts_of_other_scripts_hide_nothing():
    for text in ("Красная чашка", "Ψηφιακό", "5 µm, 10 kΩ", "naïve café", "👩‍👩‍👧 family", "东京"):
        assert hidden(text) == []


def test_plain_texts_are_folded_by_lower_case_alone_and_control_characters_are_not_plain():
    assert fold("Cures ALL").places is None
    assert fold("Cu\x00res\x07").text == "cures"
