import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.creatives.guard.folding import fold
from genrec.creatives.guard.phrases import PhraseFinder

PHRASES = ["cures", "guaranteed results", "best in the world", "kill", "ass", "heals", "no risk"]
FINDER = PhraseFinder(PHRASES)


def found(text):
    return [PHRASES[number] for _, _, number in FINDER.find(fold(text).text)]


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("it CURES all", "cures"),
        ("c.u.r.e.s", "cures"),
        ("c u r e s", "cures"),
        ("cur3$!", "cures"),
        ("cuuuuressss", "cures"),
        ("guaran teed resu1ts", "guaranteed results"),
        ("b-e-s-t in the w o r l d", "best in the world"),
        ("bestintheworld", "best in the world"),
        ("k1ll", "kill"),
        ("h.e.a.l.$", "heals"),
        ("candy cures", "cures"),
        ("5c cures 5 ills", "cures"),
        ("n0 r1sk", "no risk"),
        ("norisk", "no risk"),
    ],
)
def test_tricks_do_not_hide_a_phrase(text, phrase):
    assert found(text) == [phrase]


@pytest.mark.parametrize(
    "text",
    [
        "secures",
        "as soon as",
        "class",
        "455",
        "4 5 5 mm",
        "skill",
        "kil",
        "pass",
        "cur es a",
        "nor isk",
        "healseal",
    ],
)
def test_other_words_are_not_phrases(text):
    assert found(text) == []


@given(
    st.sampled_from(PHRASES),
    st.sampled_from(["", ".", "-", "_", "*", " . "]),
    st.booleans(),
    st.integers(0, 10_000),
)
def test_a_hidden_phrase_is_found_where_it_stands(phrase, mark, capitals, seed):
    dice = random.Random(seed)
    shown = mark.join(phrase)
    shown = "".join(
        {"a": "а", "e": "е", "s": "ѕ", "o": "0"}.get(sign, sign) if dice.random() < 0.4 else sign
        for sign in shown
    )
    shown = shown.upper() if capitals else shown
    text = f"Try it now: {shown}, today"
    folded = fold(text)
    spans = [folded.span(start, end) for start, end, _ in FINDER.find(folded.text)]
    assert (12, 12 + len(shown)) in spans


def test_a_long_word_is_found_parted_and_a_short_one_is_not():
    finder = PhraseFinder(["guaranteed", "kill"])

    def numbers(text):
        return [number for _, _, number in finder.find(fold(text).text)]

    assert numbers("guaran teed") == [0]
    assert numbers("kill") == [1]
    assert numbers("ki llama") == []
