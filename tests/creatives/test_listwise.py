import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.creatives.listwise import (
    Evidence,
    fit,
    loss_per_click,
    shares,
    spread_beyond_chance,
)
from genrec.errors import InputError


def simulated(*, groups=800, arms=4, features=3, spread=0.0, clicks=60, seed=0, weights=None):
    """Groups whose clicks fall by known weights, each group at a level of its own."""
    generator = np.random.default_rng(seed)
    weights = np.array([0.5, -0.3, 0.0]) if weights is None else weights
    x = generator.normal(size=(groups * arms, features))
    number = np.repeat(np.arange(groups), arms)
    level = generator.normal(size=groups)[number] * 0.5
    truth = x @ weights + generator.normal(size=len(x)) * np.sqrt(spread)
    shown = generator.integers(2000, 4000, len(x)).astype(float)
    rate = np.exp(truth + level + np.log(clicks / 3000))
    return Evidence(x, shown, generator.poisson(shown * rate).astype(float), number).compared()


def test_two_arms_give_the_log_of_the_ratio_of_their_click_rates():
    # 30 of 1000 against 10 of 500: rates .03 and .02, so the weight of the difference is ln 1.5.
    evidence = Evidence(
        np.array([[1.0], [0.0]]),
        np.array([1000.0, 500.0]),
        np.array([30.0, 10.0]),
        np.array([0, 0]),
    )
    found = fit(evidence, np.array([1e-9]))
    assert found.weights[0] == pytest.approx(np.log(1.5), abs=1e-6)
    # The curvature is 40 x 3/4 x 1/4: shares of the clicks at the optimum.
    assert found.covariance[0, 0] == pytest.approx(1 / (40 * 0.75 * 0.25), rel=1e-5)


def test_known_weights_are_found_whatever_a_group_has_in_common():
    found = fit(simulated(), np.full(3, 1e-6))
    error = np.sqrt(np.diag(found.covariance))
    assert np.abs(found.weights - [0.5, -0.3, 0.0]).max() < 0.05
    assert (np.abs(found.weights - [0.5, -0.3, 0.0]) < 4 * error).all()


def test_a_shift_of_a_whole_group_changes_nothing():
    evidence = simulated(groups=50)
    shift = np.random.default_rng(1).normal(size=(50, 3))[evidence.groups]
    moved = Evidence(
        evidence.features + shift, evidence.impressions, evidence.clicks, evidence.groups
    )
    first, second = fit(evidence, np.full(3, 1.0)), fit(moved, np.full(3, 1.0))
    assert np.allclose(first.weights, second.weights, atol=1e-6)


def test_deviations_are_honest_when_texts_differ_beyond_their_features():
    # Discounted evidence: about 95 % of weights lie within two deviations.
    inside = []
    for seed in range(60):
        evidence = simulated(groups=150, spread=0.1, clicks=300, seed=seed)
        found = fit(evidence, np.full(3, 1e-6), variance=0.1)
        error = np.sqrt(np.diag(found.covariance))
        inside += (np.abs(found.weights - [0.5, -0.3, 0.0]) < 2 * error).tolist()
    assert 0.90 <= np.mean(inside) <= 0.99
    # Taken at face value, the same clicks promise far too much.
    evidence = simulated(groups=150, spread=0.1, clicks=300)
    naive = fit(evidence, np.full(3, 1e-6))
    honest = fit(evidence, np.full(3, 1e-6), variance=0.1)
    assert (np.diag(honest.covariance) > 3 * np.diag(naive.covariance)).all()


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.2])
def test_the_spread_beyond_chance_is_found(spread):
    evidence = simulated(groups=4000, spread=spread, weights=np.zeros(3))
    found = spread_beyond_chance(evidence, np.zeros(len(evidence.clicks)))
    assert found == pytest.approx(spread, abs=0.02 + 0.15 * spread)


def test_true_scores_lose_less_than_none_and_turned_ones_more():
    evidence = simulated()
    scores = evidence.features @ [0.5, -0.3, 0.0]
    none = loss_per_click(evidence, np.zeros(len(scores)))
    assert loss_per_click(evidence, scores) < none < loss_per_click(evidence, -scores)


def test_groups_that_compare_nothing_are_left_out_and_none_at_all_is_an_error():
    x = np.ones((5, 1))
    groups = np.array([3, 3, 7, 8, 8])
    kept = Evidence(x, np.full(5, 9.0), np.array([1.0, 0, 1, 0, 0]), groups).compared()
    assert kept.groups.tolist() == [0, 0]
    with pytest.raises(InputError, match="No test compares"):
        Evidence(x, np.full(5, 9.0), np.zeros(5), groups).compared()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-500, 500), min_size=2, max_size=6))
def test_shares_of_a_group_sum_to_one_and_follow_the_scores(scores):
    found = shares(np.array(scores), np.ones(len(scores)), np.zeros(len(scores), int))
    assert found.sum() == pytest.approx(1)
    assert found[int(np.argmax(scores))] == found.max()
