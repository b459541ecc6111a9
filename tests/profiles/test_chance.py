import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.profiles.chance import least_lift, lift, needed, share_surprise, surprise, times


def poisson_tail(count, mean):
    """P(X >= count) by summing what lies below."""
    return 1 - sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(count))


@given(st.integers(1, 40), st.floats(0.05, 30))
def test_a_surprise_bounds_the_chance_of_so_many(count, mean):
    if count > mean:
        bound = math.exp(-float(surprise(np.array([count]), np.array([mean]))[0]))
        assert poisson_tail(count, mean) <= bound + 1e-9


@given(st.integers(5, 40), st.floats(0.05, 0.9), st.data())
def test_the_surprise_of_a_share_bounds_the_binomial_tail(trials, usual, data):
    count = data.draw(st.integers(0, trials))
    if count / trials <= usual:
        return
    found = share_surprise(np.array([count / trials]), np.array([trials]), np.array([usual]))
    tail = sum(
        math.comb(trials, k) * usual**k * (1 - usual) ** (trials - k)
        for k in range(count, trials + 1)
    )
    assert tail <= math.exp(-float(found[0])) + 1e-9


def test_what_is_expected_is_no_surprise():
    assert surprise(np.array([3.0]), np.array([3.0]))[0] == 0
    assert share_surprise(np.array([0.5]), np.array([10]), np.array([0.5]))[0] == pytest.approx(0)


def test_none_where_many_were_expected_is_one():
    assert surprise(np.array([0.0]), np.array([5.0]))[0] == 5


def test_more_tests_need_a_larger_surprise():
    assert needed(0.05, 1000) == pytest.approx(math.log(20_000))
    assert needed(0.05, 1) < needed(0.05, 2)


def test_smoothing_draws_small_counts_to_the_crowd():
    assert lift(np.array([3.0]), np.array([0.0]), 1.0)[0] == 4
    assert lift(np.array([300.0]), np.array([100.0]), 1.0)[0] == pytest.approx(3, abs=0.03)


def test_common_values_need_a_smaller_lift():
    needed_lifts = least_lift(1.5, np.array([0.01, 0.5, 0.9]))
    assert needed_lifts[0] == 1.5
    assert needed_lifts[2] * 0.9 < 1


def test_twice_and_half_are_equally_far():
    assert times(np.array([2.0, 0.5])).tolist() == [2, 2]
