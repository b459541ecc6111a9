"""Logistic regression within groups: which of the texts shown side by side is clicked.

Given a group's clicks, they fall on its arms as impressions x exp(score). Whatever a group's arms
have in common (its topic, picture and day) cancels out. Knows vectors and counts, no texts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.errors import InputError

_STEPS = 50
_ENOUGH = 1e-8


@dataclass(frozen=True)
class Evidence:
    """Arms with what is known of them.

    Attributes:
        features: shape (arms, features), float64.
        impressions, clicks: counts, shape (arms,).
        groups: which arms are compared, int64, shape (arms,).
    """

    features: np.ndarray
    impressions: np.ndarray
    clicks: np.ndarray
    groups: np.ndarray

    def compared(self) -> Evidence:
        """Arms in groups that say something: two arms or more, at least one click.

        Raises:
            InputError: there is no such group.
        """
        _, groups = np.unique(self.groups, return_inverse=True)
        shown = self.impressions > 0
        arms = np.bincount(groups, shown)
        clicks = np.bincount(groups, self.clicks)
        keep = shown & ((arms > 1) & (clicks > 0))[groups]
        if not keep.any():
            raise InputError(
                "No test compares two texts that were shown and has a click. "
                "At least one is needed to learn from."
            )
        _, groups = np.unique(groups[keep], return_inverse=True)
        return Evidence(self.features[keep], self.impressions[keep], self.clicks[keep], groups)


@dataclass(frozen=True)
class Fitted:
    """Weights of features with their uncertainty.

    Attributes:
        weights: shape (features,): log odds for one unit of a feature.
        covariance: of the weights (Laplace), shape (features, features).
    """

    weights: np.ndarray
    covariance: np.ndarray


def fit(evidence: Evidence, penalty: np.ndarray, *, variance: float = 0.0) -> Fitted:
    """The weights of highest penalised likelihood, by Newton's method.

    Args:
        evidence: as ``Evidence.compared`` leaves it.
        penalty: of each squared weight, twice: the prior's precision, shape (features,).
        variance: of the arms' true log odds around what the features say. A group counts for
            1 / (1 + variance x clicks per arm) of its likelihood: a thousand clicks tell
            precisely how good these few texts are, and not how good others like them are.
    """
    features, groups = evidence.features, evidence.groups
    count = int(groups.max()) + 1
    clicks = np.bincount(groups, evidence.clicks)
    trust = 1 / (1 + variance * clicks / np.bincount(groups))
    weights = np.zeros(features.shape[1])
    loss = _loss(evidence, weights, trust, penalty)
    for _ in range(_STEPS):
        share = shares(features @ weights, evidence.impressions, groups)
        surplus = trust[groups] * (evidence.clicks - clicks[groups] * share)
        gradient = features.T @ surplus - penalty * weights
        curvature = _curvature(features, share, groups, trust * clicks, count)
        curvature[np.diag_indices_from(curvature)] += penalty
        step = np.linalg.solve(curvature, gradient)
        scale = 1.0
        while (new := _loss(evidence, weights + scale * step, trust, penalty)) > loss:
            scale /= 2
            if scale < _ENOUGH:
                break
        weights = weights + scale * step if new <= loss else weights
        done, loss = loss - new < _ENOUGH * max(abs(loss), 1), min(loss, new)
        if done:
            break
    share = shares(features @ weights, evidence.impressions, groups)
    curvature = _curvature(features, share, groups, trust * clicks, count)
    curvature[np.diag_indices_from(curvature)] += penalty
    return Fitted(weights, np.linalg.inv(curvature))


def shares(scores: np.ndarray, impressions: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The part of its group's clicks that each arm should get; sums to 1 in every group."""
    top = np.full(int(groups.max()) + 1, -np.inf)
    np.maximum.at(top, groups, scores)
    weight = impressions * np.exp(scores - top[groups])
    return weight / np.bincount(groups, weight)[groups]


def loss_per_click(evidence: Evidence, scores: np.ndarray, *, variance: float = 0.0) -> float:
    """Nats by which the scores miss the arms' part of the clicks; 0 scores is knowing nothing.

    Groups count as in ``fit``; the mean over (discounted) clicks.
    """
    clicks = np.bincount(evidence.groups, evidence.clicks)
    trust = 1 / (1 + variance * clicks / np.bincount(evidence.groups))
    share = shares(scores, evidence.impressions, evidence.groups)
    weight = trust[evidence.groups] * evidence.clicks
    return float(-(weight * np.log(share)).sum() / weight.sum())


def spread_beyond_chance(evidence: Evidence, scores: np.ndarray) -> float:
    """The variance of arms' true log odds around their scores.

    By moments: Pearson's chi-square of a group exceeds its degrees of freedom by
    variance x (sum of expected clicks x (1 - share)), to first order.
    """
    groups = evidence.groups
    share = shares(scores, evidence.impressions, groups)
    expected = np.bincount(groups, evidence.clicks)[groups] * share
    chi = ((evidence.clicks - expected) ** 2 / expected).sum()
    degrees = len(groups) - (int(groups.max()) + 1)
    return float(max((chi - degrees) / max((expected * (1 - share)).sum(), 1e-12), 0.0))


def _curvature(
    features: np.ndarray, share: np.ndarray, groups: np.ndarray, mass: np.ndarray, count: int
) -> np.ndarray:
    means = np.zeros((count, features.shape[1]))
    np.add.at(means, groups, features * share[:, None])
    around = features - means[groups]
    return (around * (share * mass[groups])[:, None]).T @ around


def _loss(evidence: Evidence, weights: np.ndarray, trust: np.ndarray, penalty: np.ndarray) -> float:
    share = shares(evidence.features @ weights, evidence.impressions, evidence.groups)
    told = (trust[evidence.groups] * evidence.clicks * np.log(share)).sum()
    return float(-told + (penalty * weights**2).sum() / 2)
