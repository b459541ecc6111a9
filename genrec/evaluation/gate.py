"""Whether a model may take the place of the one it started from, on the same users."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from genrec.errors import InputError
from genrec.evaluation.significance import RESAMPLES, bootstrap


@dataclass(frozen=True)
class Decision:
    """What the gate found.

    Attributes:
        promoted: whether the new model takes the place of the old one.
        reason: in words.
        users: how many were asked.
        old: mean of the model in place.
        new: of the one that asks.
        difference: new - old, mean over users.
        low: lower end of its one-sided interval.
        most_lost: what the lower end may be at least.
        level: of the interval.
    """

    promoted: bool
    reason: str
    users: int
    old: float
    new: float
    difference: float
    low: float
    most_lost: float
    level: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def decide(
    old: np.ndarray,
    new: np.ndarray,
    *,
    margin: float,
    level: float,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Decision:
    """Promotes what is not worse: by its mean, and, surely enough, not by more than the margin.

    The interval is of users' differences, drawn with replacement (``bootstrap``); its lower end is
    that of a one-sided interval.

    Args:
        old: one value for each user, shape (users,); higher is better.
        new: the same users in the same order.
        margin: share of the old mean that the lower end may lie below 0.

    Raises:
        InputError: there are no users, or not the same number.
    """
    if old.shape != new.shape:
        raise InputError(
            f"A gate needs the same users: there are {len(old)} and {len(new)} values."
        )
    both_sides = 1 - 2 * (1 - level)
    differences = (new - old)[:, None]
    (found,) = bootstrap(differences, seed=seed, resamples=resamples, level=both_sides)
    most_lost = -margin * float(old.mean())
    # Sums of equal values may differ in the last bit.
    worse = found.mean < -1e-12
    unsure = found.low < most_lost - 1e-12
    reason = f"not worse: {found.mean:+.4f}, at least {found.low:+.4f} with {level:.0%} confidence"
    if worse:
        reason = f"worse than the model in place by {-found.mean:.4f}"
    elif unsure:
        reason = (
            f"may be worse by {-found.low:.4f} ({level:.0%} confidence), and {-most_lost:.4f} is "
            "the most that may be lost; ask more users, or widen the margin"
        )
    return Decision(
        not worse and not unsure,
        reason,
        len(old),
        float(old.mean()),
        float(new.mean()),
        found.mean,
        found.low,
        most_lost,
        level,
    )
