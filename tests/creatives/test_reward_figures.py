import numpy as np
import polars as pl
import pytest

from genrec.creatives.reward_figures import (
    accuracy,
    accuracy_gain,
    best_over_average,
    calibration,
    ceiling,
    pairs_of,
    rank_correlation,
)
from genrec.data.copy_tests import CopyTests, copy_tests
from genrec.data.rows import TABLE_ROWS
from genrec.errors import InputError


def arms_of(rows):
    table = pl.DataFrame(rows, schema=["test", "text", "impressions", "clicks"], orient="row")
    return copy_tests(table, rows=TABLE_ROWS, name="arms")


@pytest.fixture
def arms() -> CopyTests:
    # In a: 30 against 10 differ (z = 3.19), 30 against 25 do not, 25 against 10 do (z = 2.56).
    rows = [("a", "a1", 1000, 30), ("a", "a2", 1000, 10), ("a", "a3", 1000, 25)]
    return arms_of([*rows, ("b", "b1", 1000, 20), ("b", "b2", 1000, 20), ("b", "b3", 1000, 21)])


def test_pairs_are_of_one_test_and_not_of_equal_click_rates(arms):
    pairs = pairs_of(arms)
    assert list(zip(pairs.first, pairs.second, strict=True)) == [
        (0, 1),
        (0, 2),
        (1, 2),
        (3, 5),
        (4, 5),
    ]
    assert pairs.significant.tolist() == [True, False, True, False, False]
    # (.03 - .01) / sqrt(.02 x .98 x 2 / 1000)
    assert pairs.z[0] == pytest.approx(0.02 / np.sqrt(0.02 * 0.98 * 0.002))


def test_accuracy_counts_right_orders_and_halves_ties(arms):
    pairs = pairs_of(arms)
    scores = np.array([2.0, 1.0, 1.0, 0.0, 1.0, 0.5])
    # Right: a1 over a2, a1 over a3, b3 over b1; tie: a2 with a3; wrong: b2 over b3.
    assert accuracy(pairs, scores, significant=False).value == pytest.approx(3.5 / 5)
    assert accuracy(pairs, scores, significant=True).value == pytest.approx(1.5 / 2)
    gain = accuracy_gain(pairs, scores, -scores, significant=False)
    assert gain.value == pytest.approx(3.5 / 5 - 1.5 / 5)


def test_rank_correlation_by_hand(arms):
    # In a: click ranks 3 1 2, score ranks 3 1.5 1.5; in b: click ranks 1.5 1.5 3, scores 1 2 3.
    scores = np.array([2.0, 1.0, 1.0, 0.0, 1.0, 2.0])
    wanted = (
        np.corrcoef([3, 1, 2], [3, 1.5, 1.5])[0, 1] + np.corrcoef([1.5, 1.5, 3], [1, 2, 3])[0, 1]
    )
    assert rank_correlation(arms, scores).value == pytest.approx(wanted / 2)
    assert rank_correlation(arms, np.zeros(6)).value == 0


def test_the_best_text_is_compared_with_the_average_of_its_test(arms):
    # Chosen: a1 with 30 against an average of 65 / 3, and b3 with 21 against 61 / 3.
    scores = np.array([9.0, 1.0, 1.0, 0.0, 1.0, 2.0])
    assert best_over_average(arms, scores).value == pytest.approx(51 / (126 / 3))
    assert best_over_average(arms, np.zeros(6)).value == pytest.approx(1)


def test_intervals_draw_whole_tests():
    # Two kinds of tests, each right or wrong in all of its 45 pairs: the deviation is that of 100
    # coins, .05, and not of 4,500.
    rows = [(f"t{t}", f"{t} {a}", 1000, 10 + a) for t in range(100) for a in range(10)]
    arms = arms_of(rows)
    scores = np.array([a if t % 2 else -a for t in range(100) for a in range(10)], float)
    found = accuracy(pairs_of(arms), scores, significant=False)
    assert found.value == pytest.approx(0.5)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.05, rel=0.15)


def test_the_ceiling_is_what_the_truth_itself_reaches():
    generator = np.random.default_rng(0)
    truth = generator.normal(size=8000) * 0.25
    counts = generator.poisson(50 * np.exp(truth))
    rows = [(f"t{n // 2}", f"{n}", 5000, int(c)) for n, c in enumerate(counts)]
    arms = arms_of(rows)
    pairs = pairs_of(arms)
    reached = accuracy(pairs, truth, significant=False)
    assert ceiling(pairs, arms, variance=0.0625) == pytest.approx(reached.value, abs=0.025)


def test_calibration_compares_promises_with_what_came(arms):
    pairs = pairs_of(arms)
    chance = np.array([0.9, 0.8, 0.3, 0.4, 0.55])
    # Favoured: first, first, second, second, first; the last is wrong.
    found = calibration(pairs, chance, bins=1)
    assert found == [(pytest.approx((0.9 + 0.8 + 0.7 + 0.6 + 0.55) / 5), 4 / 5, 5)]
    assert sum(count for _, _, count in calibration(pairs, chance, bins=3)) == 5


def test_tests_that_say_nothing_are_an_error():
    flat = arms_of([("a", "1", 100, 5), ("a", "2", 100, 5)])
    with pytest.raises(InputError, match="clicked differently"):
        pairs_of(flat)
    with pytest.raises(InputError, match="three texts"):
        rank_correlation(flat, np.zeros(2))
