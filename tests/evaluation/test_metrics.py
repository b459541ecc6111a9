"""Metrics against values worked out by hand, by brute force, and against their properties."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.data.sequences import Sequences
from genrec.errors import InputError
from genrec.evaluation import metrics

ITEMS = 15


@st.composite
def cases(draw):
    users = draw(st.integers(1, 6))
    ranked = [draw(st.permutations(range(ITEMS)))[:8] for _ in range(users)]
    targets = [
        draw(st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=12)) for _ in range(users)
    ]
    return np.array(ranked, np.int32), Sequences.of(targets)


def test_one_target_at_rank_three() -> None:
    values = metrics.per_user(np.array([[4, 5, 6, 7]]), Sequences.of([[6]]), (1, 3, 4))
    assert values["hit_rate@1"] == values["recall@1"] == 0
    assert values["recall@3"] == 1
    assert values["ndcg@3"] == pytest.approx(0.5)  # 1 / log2(4)
    assert values["mrr@4"] == pytest.approx(1 / 3)


def test_three_targets_of_which_two_are_found() -> None:
    values = metrics.per_user(np.array([[1, 9, 2, 8]]), Sequences.of([[1, 2, 3]]), (2, 4))
    assert values["recall@2"] == pytest.approx(1 / 3)
    assert values["recall@4"] == pytest.approx(2 / 3)
    assert values["hit_rate@2"] == values["mrr@4"] == 1
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    assert values["ndcg@4"] == pytest.approx((1 + 1 / 2) / ideal)
    assert values["ndcg@2"] == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_a_target_bought_twice_is_one_target() -> None:
    values = metrics.per_user(np.array([[1, 2]]), Sequences.of([[1, 1]]), (2,))
    assert values["recall@2"] == values["ndcg@2"] == 1


def test_an_item_shown_twice_counts_once() -> None:
    values = metrics.per_user(np.array([[1, 1, 2]]), Sequences.of([[1, 2]]), (2, 3))
    assert values["recall@2"] == pytest.approx(0.5)
    assert values["recall@3"] == 1


def test_empty_places_hit_nothing() -> None:
    values = metrics.per_user(np.array([[-1, -1]]), Sequences.of([[0]]), (2,))
    assert values["hit_rate@2"] == 0


@given(cases(), st.sampled_from([1, 3, 8]))
def test_every_metric_equals_its_definition(case, k) -> None:
    ranked, targets = case
    values = metrics.per_user(ranked, targets, (k,))
    for user, (row, history) in enumerate(zip(ranked, targets, strict=True)):
        wanted = set(history.items.tolist())
        found = [rank for rank, item in enumerate(row[:k], 1) if item in wanted]
        ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(k, len(wanted)) + 1))
        assert values[f"hit_rate@{k}"][user] == bool(found)
        assert values[f"recall@{k}"][user] == pytest.approx(len(found) / len(wanted))
        assert values[f"mrr@{k}"][user] == pytest.approx(1 / found[0] if found else 0)
        gain = sum(1 / np.log2(rank + 1) for rank in found)
        assert values[f"ndcg@{k}"][user] == pytest.approx(gain / ideal)


@given(cases())
def test_metrics_lie_between_zero_and_one_and_never_fall_with_k(case) -> None:
    values = metrics.per_user(*case, (1, 5, 8))
    for value in values.values():
        assert ((value >= 0) & (value <= 1 + 1e-12)).all()
    for name in ("recall", "hit_rate", "mrr"):
        assert (values[f"{name}@1"] <= values[f"{name}@5"]).all()
        assert (values[f"{name}@5"] <= values[f"{name}@8"]).all()


@given(cases(), st.sampled_from([1, 5, 8]))
def test_ndcg_is_one_exactly_for_a_perfect_list(case, k) -> None:
    ranked, targets = case
    values = metrics.per_user(ranked, targets, (k,))[f"ndcg@{k}"]
    for row, history, value in zip(ranked, targets, values, strict=True):
        wanted = set(history.items.tolist())
        perfect = all(item in wanted for item in row[: min(k, len(wanted))])
        assert (value == pytest.approx(1, abs=1e-9)) == perfect


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_users_changes_no_value(case, random) -> None:
    ranked, targets = case
    order = list(range(len(ranked)))
    random.shuffle(order)
    before = metrics.per_user(ranked, targets, (5,))
    after = metrics.per_user(ranked[order], targets.take(order), (5,))
    for name in before:
        assert np.array_equal(before[name][order], after[name])


def test_coverage_gini_and_novelty_by_hand() -> None:
    exposed = metrics.exposure(np.array([[0, 1, 3], [0, 2, 3]]), 4, 2)
    assert exposed.tolist() == [2, 1, 1, 0]
    assert metrics.coverage(exposed) == 0.75
    # ascending 0 1 1 2: (-3*0 - 1*1 + 1*1 + 3*2) / (4 * 4)
    assert metrics.gini(exposed) == pytest.approx(6 / 16)
    # shares (3, 1, 1, 3) / 8: the bits are log2(8 / 3), 3, 3
    counts = np.array([2, 0, 0, 2])
    assert metrics.novelty(exposed, counts) == pytest.approx((2 * np.log2(8 / 3) + 6) / 4)


def test_gini_is_zero_for_equal_and_near_one_for_a_single_item() -> None:
    assert metrics.gini(np.full(7, 3)) == pytest.approx(0)
    assert metrics.gini(np.array([0] * 99 + [5])) == pytest.approx(0.99)


def test_invalid_places_are_those_outside_and_repeated_but_not_the_empty_ones() -> None:
    ranked = np.array([[0, 7, 0, -1], [-5, 1, 2, -1]])
    assert metrics.invalid_places(ranked, 5, none=-1) == 3


def test_a_cutoff_beyond_the_list_is_refused() -> None:
    with pytest.raises(InputError, match="Cutoff 5 does not fit lists of 2"):
        metrics.per_user(np.array([[1, 2]]), Sequences.of([[1]]), (1, 5))


def test_lists_and_users_must_be_as_many() -> None:
    for lists in (1, 3):
        with pytest.raises(InputError, match="for 2 users"):
            metrics.hit_matrix(np.array([[1, 2]] * lists), Sequences.of([[1], [2]]))


def test_importing_the_metrics_does_not_import_torch() -> None:
    code = "import sys, genrec.evaluation.metrics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_where_nothing_is_shown_nothing_is_covered_uneven_or_new() -> None:
    nothing = metrics.exposure(np.full((2, 3), -1), 4, 3)
    assert nothing.tolist() == [0, 0, 0, 0]
    assert metrics.coverage(nothing) == metrics.gini(nothing) == 0.0
    assert metrics.novelty(nothing, np.array([1, 2, 3, 4])) == 0.0
    assert metrics.coverage(np.array([], np.int64)) == 0.0


@given(st.lists(st.lists(st.integers(-2, 6), min_size=3, max_size=3), min_size=1, max_size=5))
def test_exposure_counts_each_list_once_and_items_of_the_catalogue_only(rows) -> None:
    for k in (1, 2, 3):
        by_hand = [sum(item in row[:k] for row in rows) for item in range(4)]
        assert metrics.exposure(np.array(rows), 4, k).tolist() == by_hand


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_gini_is_the_mean_difference_of_all_pairs(exposed) -> None:
    values = np.array(exposed)
    if values.sum():
        pairs = np.abs(values[:, None] - values[None, :]).mean()
        assert metrics.gini(values) == pytest.approx(pairs / (2 * values.mean()))


def test_every_cutoff_from_one_to_the_length_of_the_lists_is_taken_and_no_other() -> None:
    ranked, targets = np.array([[3, 4]]), Sequences.of([[4]])
    values = metrics.per_user(ranked, targets, (1, 2))
    assert [values[f"recall@{k}"][0] for k in (1, 2)] == [0.0, 1.0]
    for odd in (0, 3):
        with pytest.raises(InputError, match=f"Cutoff {odd} does not fit lists of 2"):
            metrics.per_user(ranked, targets, (1, odd))
