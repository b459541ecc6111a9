"""How sure a mean over users is, and whether two recommenders differ on the same users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.errors import InputError

RESAMPLES = 1000
FLIPS = 9999


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over users with its interval.

    Attributes:
        mean: over all users.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def bootstrap(
    values: np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> list[Estimate]:
    """Percentile intervals of the means, users drawn with replacement.

    All metrics share their resamples. Efron and Tibshirani (1993), chapter 13.

    Args:
        values: shape (users, metrics).

    Returns:
        One estimate per metric.

    Raises:
        InputError: there are no users.
    """
    users = _users(values)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    for row in range(resamples):
        drawn = np.bincount(rng.integers(0, users, users), minlength=users)
        means[row] = drawn @ values / users
    # Sums in another order differ in the last bit; an interval must not exclude its own mean.
    middle = values.mean(axis=0)
    low = np.minimum(np.quantile(means, (1 - level) / 2, axis=0), middle)
    high = np.maximum(np.quantile(means, (1 + level) / 2, axis=0), middle)
    return [
        Estimate(float(m), float(a), float(b)) for m, a, b in zip(middle, low, high, strict=True)
    ]


def paired_randomisation(
    ours: np.ndarray, theirs: np.ndarray, *, seed: int = 0, flips: int = FLIPS
) -> float:
    """Two-sided p-value for equal means: signs of the users' differences are flipped at random.

    Smucker, Allan and Carterette (2007). The observed signs count as one of the flips, so the
    smallest p is 1 / (flips + 1); users without a difference change nothing and are left out.

    Args:
        ours: one value per user, shape (users,).
        theirs: the same users in the same order.

    Raises:
        InputError: there are no users, or not the same number.
    """
    if ours.shape != theirs.shape:
        raise InputError(
            f"A paired test needs the same users: there are {len(ours)} and {len(theirs)} values."
        )
    _users(ours[:, None])
    differences = (ours - theirs)[ours != theirs]
    if not len(differences):
        return 1.0
    observed = abs(differences.sum()) * (1 - 1e-12)
    rng = np.random.default_rng(seed)
    extreme, done = 0, 0
    block = max(1, 4_000_000 // len(differences))
    while done < flips:
        size = min(block, flips - done)
        signs = rng.integers(0, 2, (size, len(differences)), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ differences) >= observed).sum())
        done += size
    return (extreme + 1) / (flips + 1)


def _users(values: np.ndarray) -> int:
    if not len(values):
        raise InputError("There are no users to average over. Evaluate at least one.")
    return len(values)
