"""Every control passes the suite, and ranks as worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from genrec.data.sequences import History, Sequences
from genrec.errors import ConfigError
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.habit import Habit
from genrec.recommenders.personal import Personal
from genrec.recommenders.popular import Popular
from genrec.recommenders.sasrec import SASRec
from genrec.recommenders.sasrec_network import SASRecConfig
from genrec.training.options import FitConfig
from tests.contracts.recommender import ITEMS, StoredRecommenderContract, shop

SMALL = SASRecConfig(width=16, heads=2, max_history=8, dropout=0.0, negatives=0)
SHORT = FitConfig(steps=120, batch_size=8, learning_rate=1e-2, schedule="constant")


class TestPopular(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return Popular.train(shop())


class TestPersonal(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return Personal.train(shop())


class TestHabit(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return Habit.train(shop())


class TestCooccurrence(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return Cooccurrence.train(shop())


class TestCooccurrenceOfBaskets(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return Cooccurrence.train(shop(baskets=True))


class TestSASRec(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return SASRec.train(shop(), network=SMALL, fit_config=SHORT)

    def test_it_learns_what_comes_next(self, recommender) -> None:
        ranking = recommender.rank(Sequences.of([[0, 1, 2], [4, 5, 6]]), 1)
        assert ranking.items[:, 0].tolist() == [3, 7]


class TestSASRecWithItemBias(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return SASRec.train(shop(), network=replace(SMALL, item_bias=True), fit_config=SHORT)


class TestSASRecOfBaskets(StoredRecommenderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def recommender(cls):
        return SASRec.train(shop(baskets=True), network=SMALL, fit_config=SHORT)

    def test_the_order_within_a_basket_means_nothing(self, recommender) -> None:
        baskets = np.array([0, 0, 1, 1], np.int32)
        one, other = (
            History(np.array(items, np.int32), None, baskets)
            for items in ([0, 1, 2, 3], [1, 0, 3, 2])
        )
        scores = recommender.scores(Sequences.of([one, other]))
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_popular_ranks_by_number_of_events() -> None:
    dataset = shop()
    counts = np.bincount(dataset.events["item"].to_numpy(), minlength=ITEMS)
    expected = sorted(range(ITEMS), key=lambda item: (-counts[item], item))
    ranking = Popular.train(dataset).rank(Sequences.of([[3]]), ITEMS)
    assert ranking.items[0].tolist() == expected


def test_personal_orders_by_frequency_then_recency_then_popularity() -> None:
    recommender = Personal.train(shop())
    ranking = recommender.rank(Sequences.of([[4, 2, 4, 9, 0]]), 5)
    # Item 4 twice, then the singles from the newest; the first unseen item is the most popular.
    popular = Popular.train(shop()).rank(Sequences.of([[]]), ITEMS).items[0]
    unseen = [int(item) for item in popular if item not in (4, 2, 9, 0)]
    assert ranking.items[0].tolist() == [4, 0, 9, 2, unseen[0]]


def test_personal_takes_items_of_one_basket_as_equally_recent() -> None:
    recommender = Personal(shop().catalog, np.arange(ITEMS))
    history = History(np.array([7, 3, 5], np.int32), None, np.array([0, 1, 1], np.int32))
    ranking = recommender.rank(Sequences.of([history]), 4)
    assert ranking.items[0].tolist() == [5, 3, 7, 11]


def test_habit_prefers_what_was_chosen_often_of_late_then_the_popular() -> None:
    recommender = Habit(shop().catalog, np.arange(ITEMS))
    # Item 4 twice long ago, 2 once now; twice weighs more until some fourteen events have passed.
    for since, first in ((3, 4), (30, 2)):
        history = [4, 4, *[7, 9] * since, 2]
        ranking = recommender.rank(Sequences.of([history]), 5)
        assert set(ranking.items[0, :4].tolist()) == {2, 4, 7, 9}
        places = ranking.items[0].tolist()
        assert (places.index(4) < places.index(2)) == (first == 4)
        assert places[4] == ITEMS - 1


def test_cooccurrence_equals_the_formula_worked_out_pair_by_pair() -> None:
    dataset = shop()
    recommender = Cooccurrence.train(dataset, backoff=0.5)
    pairs, counts = np.zeros((ITEMS, ITEMS)), np.zeros(ITEMS)
    for history in dataset.sequences:
        items = history.items.tolist()
        for before, after in pairwise(items):
            pairs[before, after] += 1
        for item in items:
            counts[item] += 1
    popularity = counts / counts.sum()
    expected = (pairs[2] + 0.5 * popularity) / (pairs[2].sum() + 0.5)
    assert recommender.scores(Sequences.of([[5, 2]]))[0] == pytest.approx(expected)
    assert recommender.scores(Sequences.of([[]]))[0] == pytest.approx(popularity)


def test_cooccurrence_of_baskets_pairs_each_item_with_the_next_basket() -> None:
    dataset = shop(baskets=True)
    transitions = Cooccurrence.train(dataset).transitions.toarray()
    expected = np.zeros((ITEMS, ITEMS))
    for history in dataset.sequences:
        for number in range(2):
            for before in history.items[history.baskets == number]:
                for after in history.items[history.baskets == number + 1]:
                    expected[before, after] += 1
    assert np.array_equal(transitions, expected)


def test_cooccurrence_with_decay_weighs_older_events_less() -> None:
    dataset = shop()
    recommender = Cooccurrence.train(dataset, decay=0.5)

    def after(item: int) -> np.ndarray:
        return Cooccurrence.train(dataset).scores(Sequences.of([[item]]))[0]

    expected = (after(2) + 0.5 * after(5) + 0.25 * after(7)) / 1.75
    assert recommender.scores(Sequences.of([[7, 5, 2]]))[0] == pytest.approx(expected)


def test_cooccurrence_with_decay_weighs_whole_baskets(tmp_path: Path) -> None:
    dataset = shop(baskets=True)
    recommender = Cooccurrence.train(dataset, decay=0.5)
    recommender.save(tmp_path)
    again = Cooccurrence.load(tmp_path, dataset.catalog)

    def of(*items: int) -> np.ndarray:
        one = History(np.array(items, np.int32), None, np.zeros(len(items), np.int32))
        return Cooccurrence.train(dataset).scores(Sequences.of([one]))[0]

    history = History(np.array([7, 5, 2], np.int32), None, np.array([0, 1, 1], np.int32))
    expected = (of(5, 2) + 0.5 * of(7)) / 1.5
    for one in (recommender, again):
        assert one.scores(Sequences.of([history]))[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "said"), [({"backoff": 0}, "backoff is 0"), ({"decay": 1.0}, "decay is 1.0")]
)
def test_cooccurrence_refuses_options_that_mean_nothing(
    options: dict[str, float], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        Cooccurrence.train(shop(), **options)
