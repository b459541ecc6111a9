"""How well scores order the arms of held-out tests, with intervals over tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.data.copy_tests import CopyTests
from genrec.errors import InputError

RESAMPLES = 2000
SIGNIFICANT = 1.959964
"""|z| of two click rates that differ at 5 %, two-sided; not corrected for the number of pairs."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval, tests drawn with replacement."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class Pairs:
    """Every two arms that differ in their words alone and were not clicked equally.

    Attributes:
        first, second: positions of the arms.
        z: of the difference of their click rates (pooled), first minus second.
        test: the test of each pair, numbered from 0.
    """

    first: np.ndarray
    second: np.ndarray
    z: np.ndarray
    test: np.ndarray

    @property
    def significant(self) -> np.ndarray:
        return np.abs(self.z) > SIGNIFICANT


def pairs_of(tests: CopyTests) -> Pairs:
    """The pairs of arms in which the clicks say which text did better.

    Raises:
        InputError: there is none.
    """
    first, second = [], []
    for rows in _groups(tests):
        left, right = np.triu_indices(len(rows), 1)
        first.append(rows[left])
        second.append(rows[right])
    i, j = np.concatenate([*first, []]).astype(int), np.concatenate([*second, []]).astype(int)
    shown, clicks = np.maximum(tests.impressions, 1), tests.clicks
    pooled = (clicks[i] + clicks[j]) / (shown[i] + shown[j])
    error = np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / shown[i] + 1 / shown[j]), 1e-18))
    z = (clicks[i] / shown[i] - clicks[j] / shown[j]) / error
    keep = (z != 0) & (tests.impressions[i] > 0) & (tests.impressions[j] > 0)
    if not keep.any():
        raise InputError("No two texts of one test were clicked differently. Bring more tests.")
    _, test = np.unique(tests.test_numbers[i[keep]], return_inverse=True)
    return Pairs(i[keep], j[keep], z[keep], test)


def right_order(pairs: Pairs, scores: np.ndarray) -> np.ndarray:
    """1 where the arm with more clicks has the higher score, 0 where not, 1/2 for equal scores."""
    return (np.sign(scores[pairs.first] - scores[pairs.second]) * np.sign(pairs.z) + 1) / 2


def accuracy(pairs: Pairs, scores: np.ndarray, *, significant: bool, seed: int = 0) -> Interval:
    """The part of pairs in the right order.

    Args:
        significant: only pairs whose click rates differ at 5 %.
    """
    return _mean_over_tests(pairs, right_order(pairs, scores), significant=significant, seed=seed)


def accuracy_gain(
    pairs: Pairs, scores: np.ndarray, other: np.ndarray, *, significant: bool, seed: int = 0
) -> Interval:
    """How much larger a part is in the right order than by other scores, on the same pairs."""
    gain = right_order(pairs, scores) - right_order(pairs, other)
    return _mean_over_tests(pairs, gain, significant=significant, seed=seed)


def rank_correlation(tests: CopyTests, scores: np.ndarray, *, seed: int = 0) -> Interval:
    """Spearman's correlation of scores with click rates, the mean over groups of 3 or more arms.

    Equal values share their ranks; a group whose scores or click rates are all equal counts as 0.
    """
    rate = tests.clicks / np.maximum(tests.impressions, 1)
    found, of_test = [], []
    for rows in _groups(tests):
        if len(rows) >= 3:
            found.append(_spearman(scores[rows], rate[rows]))
            of_test.append(tests.test_numbers[rows[0]])
    if not found:
        raise InputError("No test compares three texts; a rank correlation needs them.")
    _, test = np.unique(of_test, return_inverse=True)
    return _bootstrap(np.array(found), np.ones(len(found)), test, seed)


def best_over_average(tests: CopyTests, scores: np.ndarray, *, seed: int = 0) -> Interval:
    """Clicks of the text with the highest score, as a multiple of its group's average text.

    Groups count by their average click rate x impressions; equal scores share the choice.
    """
    rate = tests.clicks / np.maximum(tests.impressions, 1)
    taken, average, of_test = [], [], []
    for rows in _groups(tests):
        weight = tests.impressions[rows].mean()
        top = scores[rows] == scores[rows].max()
        taken.append(weight * rate[rows][top].mean())
        average.append(weight * rate[rows].mean())
        of_test.append(tests.test_numbers[rows[0]])
    _, test = np.unique(of_test, return_inverse=True)
    return _bootstrap(np.array(taken), np.array(average), test, seed)


def ceiling(pairs: Pairs, tests: CopyTests, *, variance: float) -> float:
    """The part of all pairs whose order a model with the true click rates would get right.

    True log odds of arms taken as normal with this variance, chance as 1/clicks + 1/clicks: the
    signs of two normals of correlation r agree in 1/2 + arcsin(r)/pi of cases.
    """
    clicks = np.maximum(tests.clicks, 0.5)
    chance = 1 / clicks[pairs.first] + 1 / clicks[pairs.second]
    correlation = np.sqrt(2 * variance / (2 * variance + chance))
    return float((0.5 + np.arcsin(correlation) / np.pi).mean())


def calibration(
    pairs: Pairs, chance: np.ndarray, *, bins: int = 5
) -> list[tuple[float, float, int]]:
    """Promised and observed: mean chance that the favoured arm has more clicks, share that had.

    Args:
        chance: that the first arm of each pair is *clicked* more, shot noise included.
    """
    favoured = np.maximum(chance, 1 - chance)
    right = np.where(chance >= 0.5, pairs.z > 0, pairs.z < 0)
    order = np.array_split(np.argsort(favoured, kind="stable"), bins)
    return [
        (float(favoured[rows].mean()), float(right[rows].mean()), len(rows))
        for rows in order
        if len(rows)
    ]


def _groups(tests: CopyTests) -> list[np.ndarray]:
    order = np.argsort(tests.groups, kind="stable")
    cuts = np.flatnonzero(np.diff(tests.groups[order])) + 1
    return [rows for rows in np.split(order, cuts) if len(rows) > 1]


def _spearman(scores: np.ndarray, rates: np.ndarray) -> float:
    left, right = _ranks(scores), _ranks(rates)
    if left.std() == 0 or right.std() == 0:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _mean_over_tests(pairs: Pairs, values: np.ndarray, *, significant: bool, seed: int) -> Interval:
    keep = pairs.significant if significant else np.ones(len(values), bool)
    if not keep.any():
        raise InputError("No two click rates differ significantly. Bring more tests.")
    return _bootstrap(values[keep], np.ones(int(keep.sum())), pairs.test[keep], seed)


def _bootstrap(top: np.ndarray, bottom: np.ndarray, test: np.ndarray, seed: int) -> Interval:
    """Sum of ``top`` over sum of ``bottom``, whole tests drawn with replacement."""
    _, test = np.unique(test, return_inverse=True)
    count = int(test.max()) + 1
    tops, bottoms = np.bincount(test, top), np.bincount(test, bottom)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    ratios = (drawn @ tops) / np.maximum(drawn @ bottoms, 1e-12)
    value = float(top.sum() / bottom.sum())
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(value, min(float(low), value), max(float(high), value))
