"""How surprising a count is, and how strong what it says: what keeps noise from being a trait.

``surprise`` is the exponent of Chernoff's bound: a count that far from its expectation has at most
the probability ``exp(-surprise)`` when nothing but chance is at work.
"""

from __future__ import annotations

import math

import numpy as np


def surprise(count: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Of counts of independent rare events (Poisson, or sums of unequal chances)."""
    count, expected = np.asarray(count, float), np.maximum(expected, 1e-12)
    ratio = np.where(count > 0, count, 1.0) / np.where(count > 0, expected, 1.0)
    return np.maximum(count * np.log(ratio) - count + expected, 0.0)


def share_surprise(share: np.ndarray, trials: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Of a share of so many independent trials: trials times the divergence of the two shares."""
    share = np.clip(np.asarray(share, float), 0.0, 1.0)
    usual = np.clip(np.asarray(usual, float), 1e-9, 1 - 1e-9)
    low, high = np.maximum(share, 1e-300), np.maximum(1 - share, 1e-300)
    divergence = share * np.log(low / usual) + (1 - share) * np.log(high / (1 - usual))
    return trials * np.maximum(divergence, 0.0)


def needed(chance: float, tests: int) -> float:
    """The surprise that one of so many tests must reach; Bonferroni's correction."""
    return math.log(max(tests, 1) / chance)


def lift(count: np.ndarray, expected: np.ndarray, smoothing: float) -> np.ndarray:
    """How many times the crowd's rate, with some visits as the crowd makes them added."""
    return (count + smoothing) / (expected + smoothing)


def least_lift(wanted: float, usual: np.ndarray) -> np.ndarray:
    """The lift that a share needs; common values cannot be several times as common."""
    usual = np.clip(usual, 1e-9, 1.0)
    return np.minimum(wanted, 1 + 0.4 * (1 / usual - 1))


def times(ratio: np.ndarray) -> np.ndarray:
    """A ratio as its distance from 1: twice and half as often are both 2."""
    ratio = np.maximum(ratio, 1e-9)
    return np.maximum(ratio, 1 / ratio)
