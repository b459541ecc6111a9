"""Lists of several conversations at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from genrec.data.allowed import AllowedItems
from genrec.data.sequences import Sequences
from genrec.serving.conversation.together import MOST, TogetherRanker, Wanted
from tests.small import small_dataset, small_recommender


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_dataset(), small_recommender(tmp_path_factory.mktemp("model"))


class Held:
    """A recommender whose first search waits until it is let go; remembers the batches."""

    def __init__(self, inner, *, broken=()):
        self.inner, self.catalog, self.broken = inner, inner.catalog, set(broken)
        self.go, self.begun, self.batches = threading.Event(), threading.Event(), []

    def rank(self, histories, n, *, allowed):
        self.batches.append((len(histories), n))
        self.begun.set()
        assert self.go.wait(60)
        if self.broken & {history.user for history in histories}:
            raise RuntimeError("no list for this user")
        return self.inner.rank(histories, n, allowed=allowed)


def wanted(data, row, n=5):
    """A list for one user: every second or third item allowed, two more left out."""
    allowed = np.arange(len(data.catalog)) % (2 + row % 2) == 0
    return Wanted(data.sequences[row], allowed, "", np.array([0, 6 + row]), n)


def alone(recommender, one):
    rules = AllowedItems(
        len(recommender.catalog), [one.allowed], [None], np.zeros(1, int), [one.off]
    )
    found = recommender.rank(Sequences.of([one.history]), one.n, allowed=rules).items[0]
    return found[found >= 0].tolist()


def at_once(held, asked):
    """The first list is under way when all others are asked for."""
    ranker = TogetherRanker(held)
    with ThreadPoolExecutor(len(asked)) as pool:
        futures = [pool.submit(ranker.rank, asked[0])]
        assert held.begun.wait(60)
        futures += [pool.submit(ranker.rank, one) for one in asked[1:]]
        while len(ranker._waiting) < len(asked) - 1:
            threading.Event().wait(0.001)
        held.go.set()
    return futures


def test_what_is_asked_for_meanwhile_is_searched_for_together_and_is_what_each_gets_alone(small):
    data, recommender = small
    asked = [wanted(data, row) for row in range(6)]
    held = Held(recommender)
    futures = at_once(held, asked)
    assert held.batches == [(1, 5), (5, 5)]
    assert [one.result().tolist() for one in futures] == [alone(recommender, one) for one in asked]


def test_lists_of_another_length_and_too_many_wait_for_the_next_search(small):
    data, recommender = small
    asked = [wanted(data, row % 8) for row in range(MOST + 3)] + [wanted(data, 0, 3)]
    held = Held(recommender)
    futures = at_once(held, asked)
    assert sorted(held.batches) == [(1, 3), (1, 5), (2, 5), (MOST, 5)]
    assert [len(one.result()) for one in futures] == [len(alone(recommender, one)) for one in asked]


def test_a_list_that_cannot_be_computed_does_not_harm_its_neighbours(small):
    data, recommender = small
    asked = [wanted(data, row) for row in range(4)]
    broken = asked[2].history.user
    futures = at_once(Held(recommender, broken=[broken]), asked)
    with pytest.raises(RuntimeError, match="no list"):
        futures[2].result()
    for place in (0, 1, 3):
        assert futures[place].result().tolist() == alone(recommender, asked[place])
