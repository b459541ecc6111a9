"""Which candidate to show next: linear bandits that log the probability of what they chose.

A choice is always drawn from the probabilities that are logged, so they are exact and off-policy
estimates can rest on them. Rewards may come late, in any order, or never. Knows feature vectors,
no texts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from safetensors.numpy import load_file, save_file

from genrec.bounds import SEED, outside
from genrec.data.reading import reading
from genrec.errors import ConfigError, InputError, nearest
from genrec.workspace import open_artefact, write_artefact

KIND = "bandit"
POLICIES = ("linucb", "thompson", "softmax", "uniform")


@dataclass(frozen=True)
class BanditConfig:
    """How a bandit chooses.

    Attributes:
        policy: ``linucb`` (Li et al. 2010: highest mean + exploration x deviation), ``thompson``
            (Agrawal and Goyal 2013: best in a draw of the weights), ``softmax`` (of the means) or
            ``uniform``.
        exploration: of ``linucb`` and ``thompson``: how many posterior deviations.
        temperature: of ``softmax``, in units of reward.
        floor: part of all choices that is made uniformly. Without it ``linucb`` never shows what
            it does not prefer, and nothing can be estimated of that later.
        draws: of ``thompson``: weights drawn for a choice. The candidate is then drawn by how
            many of them it is best in: that is the policy whose probabilities are logged.
        penalty: precision of the weights' prior around 0.
        noise: standard deviation of a reward around its mean.
        seed: of all choices; the n-th choice of equal bandits is equal.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    policy: str = "thompson"
    exploration: float = 1.0
    temperature: float = 0.05
    floor: float = 0.05
    draws: int = 500
    penalty: float = 1.0
    noise: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        problems = outside(
            self,
            exploration="[0, inf)",
            temperature="(0, inf)",
            floor="[0, 1]",
            draws="[1, inf)",
            penalty="(0, inf)",
            noise="(0, inf)",
            seed=SEED,
        )
        if self.policy not in POLICIES:
            problems.append(f"there is no policy '{self.policy}'; {nearest(self.policy, POLICIES)}")
        if problems:
            raise ConfigError(f"The bandit cannot choose so: {'; '.join(problems)}.")


@dataclass(frozen=True)
class Decision:
    """One choice, as it is to be logged.

    Attributes:
        number: of the choice, from 0; rewards are reported under it.
        chosen: position of the candidate.
        propensities: the probability of each candidate, which ``chosen`` was drawn from.
        policy: the bandit's.
        error: of ``thompson``: the largest standard error of ``propensities`` as estimates of
            unlimited draws; as probabilities of this choice they are exact. Else 0.
    """

    number: int
    chosen: int
    propensities: tuple[float, ...]
    policy: str
    error: float = 0.0

    @property
    def propensity(self) -> float:
        """The probability of what was chosen."""
        return self.propensities[self.chosen]

    def record(self) -> dict[str, object]:
        """JSON values for a log."""
        return asdict(self) | {"propensity": self.propensity}


def crossed(context: Sequence[float], candidates: np.ndarray) -> np.ndarray:
    """Features of candidates in a context, shape (candidates, (1 + context) x (1 + features)).

    A constant and the candidate, by themselves and times each part of the context: which copy does
    well may depend on who sees it.
    """
    rows = np.atleast_2d(np.asarray(candidates, np.float64))
    left = np.concatenate([[1.0], np.asarray(context, np.float64)])
    right = np.hstack([np.ones((len(rows), 1)), rows])
    return (left[None, :, None] * right[:, None, :]).reshape(len(rows), -1)


class LinearBandit:
    """Rewards as a linear function of features, with a normal posterior of its weights.

    Args:
        dimensions: of a candidate's features.
    """

    def __init__(self, dimensions: int, config: BanditConfig | None = None) -> None:
        if dimensions < 1:
            raise ConfigError(f"dimensions is {dimensions}; a candidate needs at least 1 feature.")
        self.config = config or BanditConfig()
        self.dimensions = dimensions
        self.choices = 0
        # Precision of the weights x noise^2, and features x rewards.
        self._precision = np.eye(dimensions) * self.config.penalty * self.config.noise**2
        self._moment = np.zeros(dimensions)
        self._pending: dict[int, np.ndarray] = {}

    @property
    def pending(self) -> tuple[int, ...]:
        """Choices whose reward is not known yet, the oldest first."""
        return tuple(self._pending)

    def estimate(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each candidate's expected reward."""
        rows = self._checked(features)
        spread = rows @ np.linalg.inv(self._precision)
        variance = np.maximum((spread * rows).sum(axis=1), 0)
        return spread @ self._moment, self.config.noise * np.sqrt(variance)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """How probably the next choice falls on each candidate, shape (candidates,)."""
        return self._probabilities(self._checked(features), self._generator())

    def choose(self, features: np.ndarray) -> Decision:
        """One of the candidates, drawn; its reward is awaited from now on.

        Args:
            features: of each candidate, shape (candidates, dimensions).

        Raises:
            InputError: no candidates, another number of features, or NaN among them.
        """
        rows = self._checked(features)
        generator = self._generator()
        odds = self._probabilities(rows, generator)
        chosen = int(generator.choice(len(rows), p=odds))
        error = 0.0
        if self.config.policy == "thompson":
            best = (odds - self.config.floor / len(rows)) / max(1 - self.config.floor, 1e-12)
            best = np.clip(best, 0, 1)
            error = float(np.sqrt(best * (1 - best) / self.config.draws).max())
            error *= 1 - self.config.floor
        decision = Decision(self.choices, chosen, tuple(odds.tolist()), self.config.policy, error)
        self._pending[self.choices] = rows[chosen].copy()
        self.choices += 1
        return decision

    def reward(self, number: int, value: float) -> None:
        """Learns from the reward of a choice, whenever it comes.

        Raises:
            InputError: no such choice is awaited, or the value is not finite.
        """
        if number not in self._pending:
            made = (
                f"the choices made are 0 to {self.choices - 1}" if self.choices else "none is made"
            )
            raise InputError(
                f"Choice {number} awaits no reward: {made}, and each is rewarded once."
            )
        if not np.isfinite(value):
            raise InputError(f"The reward of choice {number} is {value}. Give a finite number.")
        row = self._pending.pop(number)
        self._precision += np.outer(row, row)
        self._moment += value * row

    def close(self, before: int, *, value: float = 0.0) -> int:
        """Gives choices older than number ``before`` this reward: their time for a click is over.

        Returns:
            How many there were.
        """
        late = [number for number in self._pending if number < before]
        for number in late:
            self.reward(number, value)
        return len(late)

    def save(self, folder: Path) -> None:
        """Writes everything that decides later choices, as a whole or not at all."""
        card = {
            "config": asdict(self.config),
            "dimensions": self.dimensions,
            "choices": self.choices,
            "pending": list(self._pending),
        }
        waiting = np.array(list(self._pending.values())).reshape(-1, self.dimensions)
        with write_artefact(folder, KIND) as inside:
            tensors = {"precision": self._precision, "moment": self._moment, "pending": waiting}
            save_file(tensors, inside / "bandit.safetensors")
            (inside / "bandit.json").write_text(json.dumps(card, indent=1))

    @staticmethod
    def open(folder: Path) -> LinearBandit:
        """A saved bandit; it goes on as if it had never stopped.

        Raises:
            ArtefactError: it is missing or damaged.
        """
        open_artefact(folder, KIND)
        with reading(folder, "bandit", then="Start a new one."):
            card = json.loads((folder / "bandit.json").read_text(encoding="utf-8"))
            tensors = load_file(folder / "bandit.safetensors")
            bandit = LinearBandit(int(card["dimensions"]), BanditConfig(**card["config"]))
            bandit.choices = int(card["choices"])
            bandit._precision = _like(bandit._precision, tensors["precision"])
            bandit._moment = _like(bandit._moment, tensors["moment"])
            numbers = [int(number) for number in card["pending"]]
            waiting = [_like(bandit._moment, one) for one in tensors["pending"]]
            bandit._pending = dict(zip(numbers, waiting, strict=True))
        return bandit

    def _generator(self) -> np.random.Generator:
        """Of the next choice; needs no state beyond its number."""
        return np.random.default_rng([self.config.seed, self.choices])

    def _probabilities(self, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        best = getattr(self, f"_{self.config.policy}")(rows, generator)
        odds = (1 - self.config.floor) * best + self.config.floor / len(rows)
        return np.asarray(odds / odds.sum())

    def _linucb(self, rows: np.ndarray, _: np.random.Generator) -> np.ndarray:
        mean, deviation = self.estimate(rows)
        bound = mean + self.config.exploration * deviation
        # Rounding must not choose between equals.
        top = bound >= bound.max() - 1e-9 * (1 + abs(bound.max()))
        return top / top.sum()

    def _thompson(self, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        inverse = np.linalg.inv(self._precision)
        root = np.linalg.cholesky((inverse + inverse.T) / 2)
        width = self.config.exploration * self.config.noise
        drawn = generator.normal(size=(self.config.draws, self.dimensions)) @ root.T * width
        values = (inverse @ self._moment + drawn) @ rows.T
        top = values >= values.max(axis=1, keepdims=True) - 1e-12
        return np.asarray((top / top.sum(axis=1, keepdims=True)).mean(axis=0))

    def _softmax(self, rows: np.ndarray, _: np.random.Generator) -> np.ndarray:
        mean, _deviation = self.estimate(rows)
        weight = np.exp((mean - mean.max()) / self.config.temperature)
        return np.asarray(weight / weight.sum())

    def _uniform(self, rows: np.ndarray, _: np.random.Generator) -> np.ndarray:
        return np.full(len(rows), 1 / len(rows))

    def _checked(self, features: np.ndarray) -> np.ndarray:
        rows = np.asarray(features, np.float64)
        if rows.ndim != 2 or not len(rows) or rows.shape[1] != self.dimensions:
            raise InputError(
                f"Features of candidates have shape {rows.shape}; "
                f"(candidates, {self.dimensions}) with at least one candidate is needed."
            )
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            raise InputError(
                "Features must be finite.", [f"candidate {n}: NaN or infinity" for n in bad]
            )
        return rows


def _like(own: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """What was stored, if it can stand where ``own`` stands."""
    if stored.shape != own.shape or stored.dtype != own.dtype or not np.isfinite(stored).all():
        raise ValueError(f"values of shape {stored.shape}, where {own.shape} is needed, all finite")
    return stored
