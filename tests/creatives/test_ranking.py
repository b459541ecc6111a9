from dataclasses import replace

import pytest

from genrec.creatives.channels import load_channels
from genrec.creatives.copy import Copy, CopyRequest, Statement
from genrec.creatives.ranking import FitRanker, TextRanker, best_first, distinct
from tests.creatives.small_copy import ANN, ITEM


def copy(body, *weights):
    said = tuple(Statement(f"r{place}", "", weight=one) for place, one in enumerate(weights))
    return Copy("p1", "ann", "push", "en", {"title": "T", "body": body}, "rank", "rank", said)


def test_near_duplicates_are_one_text_whatever_their_case_and_signs():
    texts = [
        "You often buy biscuits.",
        "you OFTEN buy – biscuits!",
        "Ｙou often buy biscuits",
        "It costs $2.",
    ]
    assert [one.fields["body"] for one in distinct([copy(t) for t in texts])] == [
        texts[0],
        texts[3],
    ]


def test_the_same_words_in_another_order_are_another_text():
    assert len(distinct([copy("man bites dog"), copy("dog bites man")])) == 2


def test_what_matters_to_the_shopper_comes_before_what_fills_the_channel():
    long, weighty = copy("word " * 28, 0.2), copy("Short.", 1.4)
    request = CopyRequest(ITEM, ANN)
    scores = FitRanker(load_channels()).score([long, weighty], request)
    assert best_first([long, weighty], scores)[0].fields == weighty.fields
    assert scores[0] == pytest.approx(0.2 + 0.3 * (1 / 48 + 1) / 2, abs=0.01)


def test_a_reward_model_ranks_by_the_words():
    ranker = TextRanker(lambda texts: [len(text) for text in texts])
    copies = [copy("a"), copy("aaa"), replace(copy("aa"))]
    found = best_first(copies, ranker.score(copies, CopyRequest(ITEM)))
    assert [one.fields["body"] for one in found] == ["aaa", "aa", "a"]
