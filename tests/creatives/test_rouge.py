import pytest

from genrec.creatives.rouge import rouge_l
from genrec.creatives.tidy import tidy


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        ("police kill the gunman", "police killed the gunman", 0.75),
        ("the gunman kill police", "police killed the gunman", 0.5),
        ("same words", "Same words!", 1.0),
        ("", "words", 0.0),
    ],
)
def test_rouge_l_is_that_of_the_paper(text, reference, score):
    assert rouge_l(text, reference) == pytest.approx(score)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("A pen. A pen. It writes.", "A pen. It writes."),
        ("A pen. It writes very", "A pen."),
        ("It is very very very good.", "It is very good."),
        ("Sure, here it is: A pen.", "A pen."),
        ("unfinished", "unfinished"),
    ],
)
def test_habits_of_small_models_are_taken_out(text, left):
    assert tidy(text) == left
