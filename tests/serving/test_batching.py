import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data.sequences import History
from genrec.recommenders.base import Request
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.popular import Popular
from genrec.serving.batching import Batcher, Closed, QueueFull
from tests.contracts.recommender import ITEMS
from tests.serving.shops import Held, ask, loaded, priced_shop
from tests.small import small_recommender


@pytest.fixture
def batcher_of():
    """Makes batchers, and closes them at the end."""
    made = []

    def make(**options):
        made.append(Batcher(**options))
        return made[-1]

    yield make
    for batcher in made:
        batcher.close(5)


@pytest.fixture
def held(batcher_of):
    recommender = Held.train(priced_shop())
    yield recommender
    recommender.release.set()


def ids(answer):
    return [(one.item.id, one.score) for one in answer]


FILTERS = [None, {"brand": "Alpine"}, {"price": {"max": 4}}, {"at_most": {"brand": 1}}]
REQUESTS = st.lists(
    st.builds(
        ask,
        st.lists(st.integers(0, ITEMS - 1), max_size=5),
        st.integers(1, ITEMS + 2),
        st.sampled_from(FILTERS),
        exclude_seen=st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(REQUESTS)
def test_requests_with_different_rules_get_together_what_each_gets_alone(requests):
    recommender, busy = loaded(Cooccurrence).recommender, Held.train(priced_shop())
    sizes = []
    batcher = Batcher(max_batch=len(requests), watch=lambda n, _: sizes.append(n))
    batcher.submit(busy, ask(), timeout=10)
    assert busy.entered.wait(5)
    jobs = [batcher.submit(recommender, request, timeout=10) for request in requests]
    busy.release.set()
    answers = [job.answer.result(10) for job in jobs]
    assert batcher.close(5)
    assert sizes == [1, len(requests)]
    for request, answer in zip(requests, answers, strict=True):
        assert ids(answer) == ids(recommender.recommend_many([request])[0])


def test_nothing_waits_for_company_that_nothing_foretells(batcher_of):
    batcher = batcher_of(max_wait_ms=60_000)
    for _ in range(3):
        job = batcher.submit(loaded(Popular).recommender, ask(), timeout=30)
        assert len(job.answer.result(10)) == 3


def test_clients_who_ask_again_are_waited_for(batcher_of, held):
    sizes, recommender = [], loaded(Popular).recommender
    batcher = batcher_of(max_wait_ms=60_000, watch=lambda n, _: sizes.append(n))
    jobs = [batcher.submit(held, ask(), timeout=90)]
    assert held.entered.wait(5)
    jobs += [batcher.submit(held, ask(), timeout=90) for _ in range(2)]
    held.release.set()
    jobs[0].answer.result(5)
    # Two wait, and the third, who was answered, is foretold.
    again = batcher.submit(recommender, ask(), timeout=90)
    assert all(len(job.answer.result(5)) == 3 for job in [*jobs, again])
    assert sizes == [1, 3]


def test_a_batch_that_is_waited_for_goes_on_without_those_who_stay_away(batcher_of, held):
    sizes, recommender = [], loaded(Popular).recommender
    batcher = batcher_of(max_wait_ms=100, watch=lambda n, _: sizes.append(n))
    first = [batcher.submit(held, ask(), timeout=90)]
    assert held.entered.wait(5)
    first += [batcher.submit(held, ask(), timeout=90) for _ in range(3)]
    held.release.set()
    assert all(len(job.answer.result(5)) == 3 for job in first)
    # Four were in the service; one comes again, and one who leaves.
    again = [batcher.submit(recommender, ask(), timeout=90) for _ in range(2)]
    batcher.cancel(again[1])
    assert len(again[0].answer.result(5)) == 3
    assert sizes == [1, 3, 1]


def test_what_comes_while_a_batch_runs_is_the_next_batch(batcher_of, held):
    sizes = []
    batcher = batcher_of(max_wait_ms=0, max_batch=4, watch=lambda n, _: sizes.append(n))
    jobs = [batcher.submit(held, ask(), timeout=10)]
    assert held.entered.wait(5)
    jobs += [batcher.submit(held, ask(n=n), timeout=10) for n in range(1, 7)]
    held.release.set()
    assert [len(job.answer.result(5)) for job in jobs] == [3, 1, 2, 3, 4, 5, 6]
    assert batcher.close(5)
    assert sizes == [1, 4, 2]


def test_a_full_queue_turns_away_and_says_how_long_to_wait(batcher_of, held):
    batcher = batcher_of(max_wait_ms=0, queue=2)
    batcher.submit(held, ask(), timeout=10)
    assert held.entered.wait(5)
    for _ in range(2):
        batcher.submit(held, ask(), timeout=10)
    with pytest.raises(QueueFull) as error:
        batcher.submit(held, ask(), timeout=10)
    assert error.value.waiting == 2
    assert error.value.seconds > 0


def test_a_cancelled_request_gives_its_place_to_another_and_is_never_computed(batcher_of, held):
    sizes = []
    batcher = batcher_of(max_wait_ms=0, queue=1, watch=lambda n, _: sizes.append(n))
    batcher.submit(held, ask(), timeout=10)
    assert held.entered.wait(5)
    left = batcher.submit(held, ask(), timeout=10)
    batcher.cancel(left)
    batcher.cancel(left)
    stayed = batcher.submit(held, ask(n=2), timeout=10)
    held.release.set()
    assert len(stayed.answer.result(5)) == 2
    assert left.answer.cancelled()
    assert batcher.close(5)
    assert sizes == [1, 1]


def test_cancelling_what_is_computed_already_harms_nobody(batcher_of, held):
    batcher = batcher_of(max_wait_ms=0)
    first = batcher.submit(held, ask(), timeout=10)
    assert held.entered.wait(5)
    batcher.cancel(first)
    held.release.set()
    assert len(batcher.submit(held, ask(n=2), timeout=10).answer.result(5)) == 2


def test_a_request_whose_time_is_over_is_not_computed(batcher_of, held):
    batcher = batcher_of(max_wait_ms=0)
    batcher.submit(held, ask(), timeout=10)
    assert held.entered.wait(5)
    late = batcher.submit(held, ask(), timeout=-1)
    held.release.set()
    with pytest.raises(CancelledError):
        late.answer.result(5)


class Choosy(Popular):
    """Fails whenever item 3 stands in a history."""

    def scores(self, histories):
        if (histories.items == 3).any():
            raise RuntimeError("item 3")
        return super().scores(histories)


def test_a_request_that_fails_does_not_fail_its_neighbours(batcher_of):
    recommender = Choosy.train(priced_shop())
    batcher = batcher_of(max_batch=3)
    first, bad, last = (
        batcher.submit(recommender, ask(items), timeout=10) for items in ([1], [3], [2])
    )
    assert len(first.answer.result(5)) == len(last.answer.result(5)) == 3
    with pytest.raises(RuntimeError, match="item 3"):
        bad.answer.result(5)


def test_each_request_is_answered_by_the_recommender_that_it_came_with(batcher_of):
    popular, near = loaded(Popular).recommender, loaded(Cooccurrence).recommender
    batcher = batcher_of(max_batch=6)
    jobs = [(one, batcher.submit(one, ask([2]), timeout=10)) for one in [popular, near] * 3]
    for recommender, job in jobs:
        assert ids(job.answer.result(5)) == ids(recommender.recommend_many([ask([2])])[0])
    assert ids(popular.recommend_many([ask([2])])[0]) != ids(near.recommend_many([ask([2])])[0])


def test_closing_answers_what_waits_and_takes_nothing_more(batcher_of, held):
    batcher = batcher_of(max_wait_ms=0, max_batch=2)
    jobs = [batcher.submit(held, ask(), timeout=10)]
    assert held.entered.wait(5)
    jobs += [batcher.submit(held, ask(), timeout=10) for _ in range(5)]
    closing = threading.Thread(target=batcher.close, args=(10,))
    closing.start()
    held.release.set()
    closing.join(10)
    assert all(len(job.answer.result(0)) == 3 for job in jobs)
    with pytest.raises(Closed):
        batcher.submit(held, ask(), timeout=10)
    assert not batcher.alive


def test_what_is_not_done_in_time_is_told_so_when_closing(batcher_of, held):
    batcher = batcher_of(max_wait_ms=0)
    batcher.submit(held, ask(), timeout=10)
    assert held.entered.wait(5)
    waiting = batcher.submit(held, ask(), timeout=10)
    assert not batcher.close(0.05)
    with pytest.raises(Closed):
        waiting.answer.result(0)


def test_a_beam_search_gives_each_request_what_it_gets_alone(batcher_of, tmp_path):
    recommender = small_recommender(tmp_path, steps=3)
    beams = recommender.beams
    basket = History(np.array([1, 2, 3], np.int32), None, np.array([0, 0, 1], np.int32))
    requests = [
        ask([1, 2, 3], n=5),
        ask([], n=beams + 9),
        ask([4], n=3, where={"allow": ["i7", "i9", "i11"]}),
        ask([5, 6], n=beams, exclude_seen=True),
        Request(basket, 4),
        ask([8] * 30, n=1, where={"title": {"contains": "1"}}),
    ]
    batcher = batcher_of(max_batch=len(requests), max_wait_ms=200)
    jobs = [batcher.submit(recommender, request, timeout=30) for request in requests]
    for request, job in zip(requests, jobs, strict=True):
        found, alone = job.answer.result(30), recommender.recommend_many([request])[0]
        assert [one.score for one in found] == pytest.approx([one.score for one in alone], abs=1e-4)
        assert {one.item.id for one in found} == {one.item.id for one in alone}
