"""Intervals cover what they should, and the paired test agrees with counting every sign."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from genrec.errors import InputError
from genrec.evaluation.significance import bootstrap, paired_randomisation


def test_the_interval_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(1).normal(5, 2, (4000, 1))
    (estimate,) = bootstrap(values)
    error = 1.96 * values.std() / np.sqrt(4000)
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - error, abs=0.1 * error)
    assert estimate.high == pytest.approx(values.mean() + error, abs=0.1 * error)


def test_equal_values_have_an_interval_of_no_width() -> None:
    (estimate,) = bootstrap(np.full((30, 1), 0.3))
    assert estimate.low == pytest.approx(estimate.high) == pytest.approx(0.3)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).random((50, 3))
    assert bootstrap(values, seed=4) == bootstrap(values, seed=4)
    assert bootstrap(values, seed=4) != bootstrap(values, seed=5)


def test_the_paired_test_is_near_the_exact_one() -> None:
    ours = np.array([0.9, 0.4, 0.8, 0.7, 0.2, 0.6, 0.5, 0.9])
    theirs = np.array([0.5, 0.5, 0.3, 0.4, 0.1, 0.6, 0.2, 0.4])
    differences = ours - theirs
    observed = abs(differences.sum()) - 1e-9
    every = [abs(np.dot(signs, differences)) >= observed for signs in product((1, -1), repeat=8)]
    assert paired_randomisation(ours, theirs) == pytest.approx(np.mean(every), abs=0.01)


def test_the_paired_test_has_no_side() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = rng.random(40), rng.random(40)
    assert paired_randomisation(ours, theirs) == paired_randomisation(theirs, ours)


def test_no_difference_at_all_has_p_one() -> None:
    assert paired_randomisation(np.ones(9), np.ones(9)) == 1


def test_p_is_spread_evenly_where_nothing_differs() -> None:
    rng = np.random.default_rng(8)
    found = [paired_randomisation(*rng.normal(size=(2, 30)), seed=n, flips=199) for n in range(300)]
    assert np.mean(np.array(found) <= 0.1) == pytest.approx(0.1, abs=0.05)


def test_unequal_numbers_of_users_are_refused() -> None:
    with pytest.raises(InputError, match="4 and 3"):
        paired_randomisation(np.ones(4), np.ones(3))


def test_no_users_are_refused() -> None:
    with pytest.raises(InputError, match="no users"):
        bootstrap(np.zeros((0, 2)))
