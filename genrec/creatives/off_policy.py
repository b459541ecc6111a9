"""What another policy would have earned, from the log of the one that ran.

Estimates with intervals, and what stands against believing them. Knows probabilities and rewards,
not how either came about.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from genrec.errors import ConfigError, InputError, nearest

INTERVALS = ("bootstrap", "normal", "bernstein")
RESAMPLES = 2000
SMALL_PROPENSITY = 0.01
FEW_EFFECTIVE = 50
# Standard errors that the mean weight may lie from 1.
_FAR = 4.0


@dataclass(frozen=True)
class Log:
    """Choices that were made, and how another policy would have chosen.

    Attributes:
        rewards: of each choice, shape (choices,).
        chosen: position of the candidate, int64, shape (choices,).
        propensities: probability of the chosen one when it was chosen, shape (choices,).
        target: the other policy's probability of every candidate, shape (choices, candidates);
            0 where a choice had fewer.
        logging: the probability of every candidate when the choice was made, where it is known:
            then candidates that could never have been chosen are noticed.
    """

    rewards: np.ndarray
    chosen: np.ndarray
    propensities: np.ndarray
    target: np.ndarray
    logging: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.rewards)
        shapes = {
            "chosen": self.chosen.shape == (n,),
            "propensities": self.propensities.shape == (n,),
            "target": self.target.ndim == 2 and len(self.target) == n,
            "logging": self.logging is None or self.logging.shape == self.target.shape,
        }
        problems = [f"{name} does not fit {n} rewards" for name, fits in shapes.items() if not fits]
        if n < 2 or self.rewards.ndim != 1:
            problems.append(f"rewards has shape {self.rewards.shape}; at least 2 are needed")
        if not problems:
            problems = self._faults()
        if problems:
            raise InputError("The log cannot be used for an estimate.", problems)

    def _faults(self) -> list[str]:
        candidates = self.target.shape[1]
        rows = {
            "the reward is not finite": ~np.isfinite(self.rewards),
            f"chosen is not among {candidates} candidates": (self.chosen < 0)
            | (self.chosen >= candidates),
            "the propensity is not above 0 and at most 1": ~(
                (self.propensities > 0) & (self.propensities <= 1 + 1e-9)
            ),
            "the target's probabilities are not from 0 with the sum 1": ~(
                (self.target >= 0).all(axis=1) & (np.abs(self.target.sum(axis=1) - 1) < 1e-6)
            ),
        }
        problems = [
            f"choice {row}: {what}" for what, bad in rows.items() for row in np.flatnonzero(bad)
        ]
        if self.logging is not None and not problems:
            told = self.logging[np.arange(len(self.chosen)), self.chosen]
            problems = [
                f"choice {row}: propensity {self.propensities[row]:.4g}, but logging says "
                f"{told[row]:.4g}"
                for row in np.flatnonzero(np.abs(told - self.propensities) > 1e-6)
            ]
        return problems

    @property
    def weights(self) -> np.ndarray:
        """How much more probable each choice is under the target."""
        return self.target[np.arange(len(self.chosen)), self.chosen] / self.propensities


@dataclass(frozen=True)
class OffPolicyEstimate:
    """The target's mean reward, as far as the log tells.

    Attributes:
        value: the estimate.
        low, high: its interval.
        method: ``ips``, ``snips`` or ``dr``.
        interval: how the interval was made.
        choices: in the log.
        effective: (sum of weights)^2 / sum of squared weights: how many choices of the target
            itself would tell as much (Kish).
        warnings: what stands against believing it; empty when nothing does.
    """

    value: float
    low: float
    high: float
    method: str
    interval: str
    choices: int
    effective: float
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def ips(
    log: Log,
    *,
    interval: str = "bootstrap",
    level: float = 0.95,
    range_of_rewards: tuple[float, float] = (0.0, 1.0),
    smallest_propensity: float | None = None,
    seed: int = 0,
) -> OffPolicyEstimate:
    """Inverse propensity scoring: the mean of weight x reward (Horvitz and Thompson 1952).

    Unbiased where every candidate that the target may choose could have been chosen.

    Args:
        interval: ``bootstrap`` (percentiles), ``normal``, or ``bernstein``: the empirical bound of
            Maurer and Pontil (2009, theorem 4), which holds for every number of choices.
        range_of_rewards: least and greatest reward there can be, for ``bernstein``.
        smallest_propensity: that the logging policy ever gives, for ``bernstein``: with a floor f
            among k candidates f / k. Without it the smallest in the log, which is no guarantee.
    """
    terms = log.weights * log.rewards
    warnings = _doubts(log)
    largest, more = _largest_weight(log, interval, smallest_propensity)
    low, high = range_of_rewards
    _within(log.rewards, low, high, interval)
    bounds = (min(low * largest, 0.0), max(high * largest, 0.0))
    return _mean_estimate("ips", terms, bounds, log, interval, level, seed, warnings + more)


def snips(
    log: Log, *, interval: str = "bootstrap", level: float = 0.95, seed: int = 0
) -> OffPolicyEstimate:
    """Self-normalised IPS: sum of weight x reward over sum of weights (Swaminathan, Joachims 2015).

    Slightly biased, usually less noisy, and never outside the rewards seen. ``normal`` is by the
    delta method; a Bernstein bound does not apply to a ratio.
    """
    if interval == "bernstein":
        raise ConfigError("snips is a ratio and has no Bernstein bound. Take bootstrap or normal.")
    _known(interval, level)
    weights, rewards = log.weights, log.rewards
    if weights.sum() == 0:
        raise InputError("The target would have made none of the logged choices. Log more of them.")
    value = float((weights * rewards).sum() / weights.sum())
    if interval == "normal":
        terms = weights * (rewards - value) / weights.mean()
        reach = NormalDist().inv_cdf(0.5 + level / 2) * terms.std(ddof=1) / np.sqrt(len(terms))
        low, high = value - reach, value + reach
    else:
        low, high = _resampled(weights * rewards, weights, level, seed)
    return _answer("snips", value, (low, high), interval, log, _doubts(log))


def doubly_robust(
    log: Log,
    predicted: np.ndarray,
    *,
    interval: str = "bootstrap",
    level: float = 0.95,
    range_of_rewards: tuple[float, float] = (0.0, 1.0),
    smallest_propensity: float | None = None,
    seed: int = 0,
) -> OffPolicyEstimate:
    """The mean predicted reward, corrected by IPS of what the prediction missed.

    Dudík, Langford and Li (2011). Unbiased if the propensities are right, whatever the
    predictions are, as long as they were not learned from this log (or were cross-fitted); less
    noisy than IPS if they are good.

    Args:
        predicted: reward of every candidate, shape (choices, candidates).
        interval, range_of_rewards, smallest_propensity: as in ``ips``.
    """
    if predicted.shape != log.target.shape or not np.isfinite(predicted).all():
        raise InputError(
            f"predicted has shape {predicted.shape}; finite rewards of shape {log.target.shape} "
            "are needed, one for each candidate of each choice."
        )
    told = predicted[np.arange(len(log.chosen)), log.chosen]
    terms = (log.target * predicted).sum(axis=1) + log.weights * (log.rewards - told)
    largest, more = _largest_weight(log, interval, smallest_propensity)
    low, high = range_of_rewards
    _within(log.rewards, low, high, interval)
    _within(predicted, low, high, interval)
    reach = largest * (high - low)
    bounds = (low - reach, high + reach)
    return _mean_estimate("dr", terms, bounds, log, interval, level, seed, _doubts(log) + more)


def _mean_estimate(
    method: str,
    terms: np.ndarray,
    bounds: tuple[float, float],
    log: Log,
    interval: str,
    level: float,
    seed: int,
    warnings: tuple[str, ...],
) -> OffPolicyEstimate:
    _known(interval, level)
    value, count = float(terms.mean()), len(terms)
    if interval == "bootstrap":
        ends = _resampled(terms, np.ones(count), level, seed)
    elif interval == "normal":
        reach = NormalDist().inv_cdf(0.5 + level / 2) * terms.std(ddof=1) / np.sqrt(count)
        ends = (value - reach, value + reach)
    else:
        # Both sides, so half of the error each: ln(2 / (alpha / 2)).
        term = np.log(4 / (1 - level))
        reach = np.sqrt(2 * terms.var(ddof=1) * term / count)
        reach += 7 * (bounds[1] - bounds[0]) * term / (3 * (count - 1))
        ends = (value - reach, value + reach)
    return _answer(method, value, ends, interval, log, warnings)


def _answer(
    method: str,
    value: float,
    ends: tuple[float, float],
    interval: str,
    log: Log,
    warnings: tuple[str, ...],
) -> OffPolicyEstimate:
    low, high = min(float(ends[0]), value), max(float(ends[1]), value)
    return OffPolicyEstimate(
        value, low, high, method, interval, len(log.rewards), _effective(log.weights), warnings
    )


def _effective(weights: np.ndarray) -> float:
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _doubts(log: Log) -> tuple[str, ...]:
    """What stands against an estimate from this log."""
    weights, count = log.weights, len(log.rewards)
    doubts = []
    small = log.propensities < SMALL_PROPENSITY
    if small.any():
        doubts.append(
            f"{int(small.sum())} of {count} propensities are below {SMALL_PROPENSITY}; the "
            f"largest weight is {weights.max():.4g}. Raise the floor of the logging policy."
        )
    effective = _effective(weights)
    if effective < FEW_EFFECTIVE:
        doubts.append(
            f"The log tells as much as {effective:.1f} choices of the target; its interval is not "
            "to be trusted. Log more, or a policy closer to the target."
        )
    error = weights.std(ddof=1) / np.sqrt(count)
    if abs(weights.mean() - 1) > _FAR * error + 1e-9:
        doubts.append(
            f"The mean weight is {weights.mean():.3f}, not 1 as it must be within {_FAR:.0f} "
            f"standard errors ({error:.3f}): the target chooses what was never shown, or the "
            "propensities are not those of the choices."
        )
    if log.logging is not None:
        beyond = np.where(log.logging > 0, 0.0, log.target).sum(axis=1)
        if (beyond > 0).any():
            doubts.append(
                f"The target gives {beyond.mean():.1%} of its choices to candidates that the "
                "logging policy never shows; the log says nothing about those."
            )
    return tuple(doubts)


def _largest_weight(
    log: Log, interval: str, smallest: float | None
) -> tuple[float, tuple[str, ...]]:
    if interval != "bernstein":
        return float(log.weights.max()), ()
    if smallest is None:
        return 1 / float(log.propensities.min()), (
            "The bound takes the smallest propensity in the log for the smallest there is; name "
            "smallest_propensity for a guarantee.",
        )
    if not 0 < smallest <= float(log.propensities.min()) + 1e-12:
        raise ConfigError(
            f"smallest_propensity is {smallest}; the log has {log.propensities.min():.4g}, and it "
            "must be above 0 and not above that."
        )
    return 1 / smallest, ()


def _within(values: np.ndarray, low: float, high: float, interval: str) -> None:
    if interval == "bernstein" and not (values >= low).all() & (values <= high).all():
        raise InputError(
            f"Rewards lie from {values.min():.4g} to {values.max():.4g}, outside "
            f"range_of_rewards ({low}, {high}). A Bernstein bound needs the true range."
        )


def _known(interval: str, level: float) -> None:
    if interval not in INTERVALS:
        raise ConfigError(f"There is no interval '{interval}'; {nearest(interval, INTERVALS)}")
    if not 0 < level < 1:
        raise ConfigError(f"level is {level}; it must lie between 0 and 1, such as 0.95.")


def _resampled(top: np.ndarray, bottom: np.ndarray, level: float, seed: int) -> tuple[float, float]:
    """Percentiles of sum of ``top`` over sum of ``bottom``, choices drawn with replacement."""
    count = len(top)
    generator = np.random.default_rng(seed)
    ratios = np.empty(RESAMPLES)
    for row in range(RESAMPLES):
        drawn = generator.integers(0, count, count)
        ratios[row] = top[drawn].sum() / max(bottom[drawn].sum(), 1e-300)
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
