import numpy as np

from genrec.creatives.cues import CUES, cues_of, withheld, words_of


def test_words_are_lower_case_with_straight_apostrophes():
    assert words_of("Don’t PANIC: it's 42!") == ["don't", "panic", "it's", "42"]


def test_each_cue_counts_what_it_says():
    text = '7 Reasons You WON\'T Forget: "This" (Really?) …'
    found = dict(zip(CUES, cues_of([text])[0], strict=True))
    assert found["log_characters"] == np.log1p(len(text))
    for cue in ("number", "starts_with_number", "question", "colon", "quotation", "bracket"):
        assert found[cue] == 1, cue
    assert found["ellipsis"] == 1 and found["exclamation"] == 0
    assert found["second_person"] == 1 and found["negations"] == 1 and found["pointing"] == 1


def test_texts_that_withhold_have_more_cues_than_texts_that_tell():
    teasing = "You Won't Believe What Happened Next. This Is Why."
    telling = "Wholemeal bread, 800 g, baked this morning in Leeds"
    assert withheld(teasing) >= 4 > withheld(telling)


def test_texts_without_words_have_cues_too():
    found = cues_of(["", "!!!", "日本語のコピー"])
    assert found.shape == (3, len(CUES)) and np.isfinite(found).all()


def test_an_opening_pronoun_withholds_a_name_and_a_date_withholds_nothing():
    assert withheld("She Walked Into A Bakery") == 1
    assert withheld("Ann says she walked in") == 0
    assert withheld("Baked this morning") == 0
    assert withheld("Baked this way") == 1
