import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.creatives.guard.folding import fold
from genrec.creatives.guard.phrases import (
    PhraseFinder,
    _all,
    _blocks,
    _breaks,
    _outermost,
    _places,
    _spell,
    squeezed,
)

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
        ("guaranteed result$now", "guaranteed results"),
        ("it $hurts: guaranteed result$now", "guaranteed results"),
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


def spans(phrases, text):
    folded = fold(text).text
    return [
        (folded[start:end], phrases[number])
        for start, end, number in PhraseFinder(phrases).find(folded)
    ]


def test_of_hits_that_lie_in_one_another_the_longest_is_told():
    phrases = ["best in the world", "in the", "world"]
    assert spans(phrases, "The best in the world now, and in the wide world.") == [
        ("best in the world", "best in the world"),
        ("in the", "in the"),
        ("world", "world"),
    ]
    assert _outermost([(4, 6, 1), (0, 3, 2), (0, 5, 0), (6, 8, 3), (7, 8, 4)]) == [
        (0, 5, 0),
        (4, 6, 1),
        (6, 8, 3),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no risk", ["no risk"]),
        ("n o r i s k", ["n o r i s k"]),
        ("norisk", ["norisk"]),
        ("no ri sk", []),
        ("n o risk", []),
        ("nor isk", []),
        ("no ris k", []),
    ],
)
def test_a_short_phrase_is_parted_where_it_is_itself_or_at_every_letter(text, said):
    assert [one for one, _ in spans(["no risk"], text)] == said


def test_from_eight_letters_on_a_phrase_is_found_however_it_is_parted():
    assert spans(["abcdefg"], "abc defg") == []
    assert spans(["abcdefgh"], "abc defgh") == [("abc defgh", "abcdefgh")]


def test_short_words_are_words_of_their_own_and_longer_ones_too():
    for phrase in ("abcde", "abcdef", "abcdefgh"):
        text = f"x{phrase}y {phrase}y x{phrase} {phrase}, x {phrase}"
        assert [one for one, _ in spans([phrase], text)] == [phrase, phrase]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("k.i.l.l!", ["k.i.l.l!"]),
        ("ki11 it", ["ki11"]),
        ("kill! kill", ["kill!", "kill"]),
        ("a +kill+ b", ["+kill+"]),
        ("kiill", ["kiill"]),
        ("killlll", ["killlll"]),
        ("k  i  l  l", ["k  i  l  l"]),
        ("k    i    l    l", []),
        ("k i", []),
        ("skill killer", []),
        ("k111", []),
    ],
)
def test_a_word_of_four_letters_in_its_disguises(text, said):
    found = [one.strip("+!") for one, _ in spans(["kill"], text)]
    assert found == [one.strip("+!") for one in said]


def test_a_skeleton_has_letters_only_each_run_once():
    assert squeezed("cc, u11l!!s") == "culs"
    assert squeezed("ééà-é") == "éàé"
    assert squeezed("") == squeezed("-- ..") == ""
    assert _places("cc, u11l!!s") == [0, 4, 5, 10]
    assert [squeezed("cc, u11l!!s")[0], len(_places("a-a b"))] == ["c", 2]


def test_blocks_are_the_parts_of_one_letters_run():
    assert _blocks("cc c-c ures", 0) == [(0, 2), (3, 4), (5, 6)]
    assert _blocks("xcc", 1) == [(1, 3)]
    # No more is read than a limit, so that no text takes long.
    assert _blocks("a" * 300, 0) == [(0, 200)]
    assert _blocks("b" * 8 + "a" * 300, 8) == [(8, 208)]
    assert _blocks(" ".join("a" * 9), 0) == [(2 * n, 2 * n + 1) for n in range(6)]


@pytest.mark.parametrize(
    ("signs", "wanted", "right"),
    [
        ("cures", "cures", True),
        ("cuures", "cures", True),
        ("cares", "cures", False),
        ("cur", "cures", False),
        ("cures", "cur", False),
        ("uures", "cures", False),
        ("kil", "kill", False),
        ("killl", "kill", True),
        ("kkill", "kill", False),
        ("kkkill", "kill", True),
        ("kkills", "kills", True),
        ("c1res", "cires", True),
        ("lake", "iake", True),
        ("lake", "jake", False),
        ("h33l", "heel", True),
        ("h3l", "heel", False),
        ("9ass", "gass", True),
        ("aass", "ass", False),
        ("aaass", "ass", True),
    ],
)
def test_letters_spell_a_phrase_when_each_run_is_long_enough(signs, wanted, right):
    assert _spell(signs, wanted) is right


def test_a_phrase_has_its_breaks_after_letters_of_its_skeleton():
    assert _breaks("best in the world") == {4, 6, 9}
    assert _breaks("no-risk all") == {2, 6}
    assert _breaks("aa abb") == {1}
    assert _breaks("one") == frozenset()


def test_all_places_of_a_part_are_found_overlapping_ones_too():
    assert list(_all("abcabcaa", "abc")) == [0, 3]
    assert list(_all("aaa", "aa")) == [0, 1]
    assert list(_all("abc", "d")) == []


def test_a_phrase_of_digits_or_of_nothing_refuses_nothing():
    assert spans(["455", "...", ""], "455 4 5 5 ...") == []


@pytest.mark.parametrize(
    ("phrase", "text", "right"),
    [
        ("ass", "a5s", True),
        ("ass", "a55", False),
        ("heal", "h34l", True),
        ("heal", "h341", False),
        ("sales", "5a1e5", True),
        ("sales", "541e5", False),
    ],
)
def test_a_third_of_a_words_signs_are_letters_and_half_of_a_short_ones(phrase, text, right):
    assert bool(spans([phrase], text)) is right
