import numpy as np
import pytest

from genrec.creatives.memory import Bm25, Dense, Memory, Recency, retriever_named
from genrec.errors import ConfigError
from tests.creatives.small_copy import shop


def test_bm25_finds_the_words_in_common_and_nothing_without_any():
    weights = Bm25().weigh("ginger biscuit", ["Ginger biscuits", "Rusk biscuits", "Soap"])
    assert weights[0] > weights[1] > weights[2] == 0


def test_bm25_is_what_its_formula_says():
    # One word in one of two texts of equal length: idf = ln(1 + 1.5 / 1.5), tf part = 1.
    assert Bm25().weigh("soap", ["soap", "mop"])[0] == pytest.approx(np.log(2))


def test_recency_likes_the_latest():
    assert Recency().weigh("anything", ["old", "new"]).argmax() == 1


def test_dense_ranks_by_the_cosine():
    vectors = {"q": [1, 0], "same": [1, 0], "near": [0.8, 0.6], "away": [-1, 0]}
    dense = Dense(lambda texts: np.array([vectors[one] for one in texts], float))
    assert dense.weigh("q", ["away", "near", "same"]) == pytest.approx([0, 0.8, 1])


def test_memory_recalls_a_user_s_own_texts_only():
    memory = Memory(shop(), Bm25())
    assert [one.text for one in memory.recall("ann", "Oat biscuits Biscuits")] == [
        "Ginger biscuits, 8 oz"
    ]
    assert memory.recall("ben", "Oat biscuits Biscuits") == []
    assert memory.recall("stranger", "Oat biscuits") == []


def test_what_profiles_leave_out_is_not_remembered():
    usable = np.array([True, False, True, True])
    memory = Memory(shop(), Bm25(), usable=usable)
    assert memory.recall("ann", "Oat biscuits Biscuits") == []
    # Events keep their numbers in the whole history.
    assert [one.event for one in memory.texts("ann")] == [0, 2]


def test_events_are_counted_in_the_user_s_own_history():
    assert [one.event for one in Memory(shop(), Bm25()).texts("ann")] == [0, 1, 2]


def test_an_unknown_retriever_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'bm25'"):
        retriever_named("bm2")
