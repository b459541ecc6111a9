"""What can be chosen about learning from preference. Loads nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

from genrec.bounds import outside
from genrec.errors import ConfigError, nearest
from genrec.training.options import FIT_BOUNDS, SCHEDULES, FitConfig

METHODS = ("dpo", "sdpo", "grpo")
REJECTED_FROM = ("beams", "draws", "popular", "batch")
REWARDS = ("hit", "rank", "diversity", "value")
NDCG = "ndcg"
NORMALISED = ("legal", "level")
# Rejected items of S-DPO where nobody says how many, as in its paper's main figures.
SEVERAL = 3


@dataclass(frozen=True)
class DpoConfig:
    """Pairs of what was chosen and what was not.

    Attributes:
        beta: how strongly the model is held to its start; small values let it go further.
        rejected: items beside each chosen one; 0 takes 1 for ``dpo`` and 3 for ``sdpo``.
        rejected_from: ``beams`` (the model's own best items that miss), ``draws`` (drawn by its own
            probabilities), ``popular`` (by how often they were chosen) or ``batch`` (what others
            chose).
        normalise: probabilities of a code over the ``legal`` continuations, so that those of all
            items sum to 1, or over its whole ``level``, as beams are scored.
        anchor: weight of the log-probability of what was chosen, which DPO alone may lower.
        seen: whether items of the history may be rejected.
    """

    __pydantic_config__ = {"extra": "forbid"}

    beta: float = 0.1
    rejected: int = 0
    rejected_from: str = "beams"
    normalise: str = "legal"
    anchor: float = 0.0
    seen: bool = False

    def problems(self, method: str) -> Iterator[str]:
        """What does not fit, for ``dpo`` or ``sdpo``."""
        yield from outside(self, "dpo.", beta="(0, inf)", anchor="[0, inf)", rejected="[0, inf)")
        if self.rejected_from not in REJECTED_FROM:
            hint = nearest(self.rejected_from, REJECTED_FROM)
            yield f"dpo.rejected_from is '{self.rejected_from}'; {hint}"
        if self.normalise not in NORMALISED:
            yield f"dpo.normalise is '{self.normalise}'; {nearest(self.normalise, NORMALISED)}"
        if method == "dpo" and self.rejected > 1:
            yield f"dpo.rejected is {self.rejected}; dpo compares with one, sdpo with several"
        elif method == "sdpo" and self.rejected == 1:
            yield "dpo.rejected is 1; sdpo compares with several, dpo with one"

    def count(self, method: str) -> int:
        """Rejected items of each chosen one."""
        return self.rejected or (SEVERAL if method == "sdpo" else 1)


@dataclass(frozen=True)
class GrpoConfig:
    """Lists that the model draws, and what they earn.

    Attributes:
        group: distinct items drawn after each history.
        temperature: of the draws; above 1 explores more.
        rewards: weight of each: ``hit`` (the item was chosen next), ``rank`` (less for a miss that
            the model puts high, where the list has a hit), ``diversity`` (unlike the rest of the
            list) and ``value`` (what the item is worth to the shop).
        held_out: measured, never optimised: ``ndcg`` of the best ten, or a reward without weight.
        value_of: numeric column of the catalogue that ``value`` reads.
        diversity_by: column that ``diversity`` compares; empty compares first codes.
        divide_by_std: whether a group's advantages are divided by their standard deviation. Without
            (Dr. GRPO), groups that hardly differ weigh little.
        clip: how far a probability may move before it earns no more, where ``updates`` is above 1.
        updates: optimiser steps with each batch of cases and its draws, one after the other; 1 is
            strictly on-policy. More of them learn from fewer cases in as many steps.
        kl: weight of the divergence from the start; 0 needs no reference.
        seen: whether items of the history may be drawn. What was chosen next may be in any case.
    """

    __pydantic_config__ = {"extra": "forbid"}

    group: int = 8
    temperature: float = 1.0
    rewards: Mapping[str, float] = field(default_factory=lambda: {"hit": 1.0, "rank": 1.0})
    held_out: str = NDCG
    value_of: str = "price"
    diversity_by: str = ""
    divide_by_std: bool = True
    clip: float = 0.2
    updates: int = 1
    kl: float = 0.0
    seen: bool = True

    def problems(self) -> Iterator[str]:
        """What does not fit."""
        yield from outside(
            self,
            "grpo.",
            group="[2, inf)",
            updates="[1, inf)",
            kl="[0, inf)",
            temperature="(0, inf)",
            clip="(0, inf)",
        )
        for name, weight in self.rewards.items():
            if name not in REWARDS:
                yield f"grpo.rewards has '{name}'; {nearest(name, REWARDS)}"
            elif not math.isfinite(weight):
                yield f"grpo.rewards.{name} is {weight}; it must be a number"
            elif weight < 0 and name in ("hit", "rank"):
                yield f"grpo.rewards.{name} is {weight:g}, which teaches to miss; give 0 or more"
        if not any(self.rewards.values()):
            yield f"grpo.rewards weighs nothing; give one of {', '.join(REWARDS)} a weight"
        if self.held_out not in (NDCG, *REWARDS):
            yield f"grpo.held_out is '{self.held_out}'; {nearest(self.held_out, (NDCG, *REWARDS))}"
        elif self.rewards.get(self.held_out):
            yield (
                f"grpo.held_out is {self.held_out}, which is optimised with weight "
                f"{self.rewards[self.held_out]:g}; hold out what is not"
            )


@dataclass(frozen=True)
class GateConfig:
    """When a model takes the place of the one it started from.

    Attributes:
        users: whose validation cases are asked, where there are as many; others than those that
            chose the number of steps.
        margin: the most of the start's NDCG@10 that may be lost, as a share, by the lower end of
            the interval of the difference. With few users it is wide, and more is refused.
        level: of the one-sided interval.
    """

    __pydantic_config__ = {"extra": "forbid"}

    users: int = 2000
    margin: float = 0.1
    level: float = 0.95

    def problems(self) -> Iterator[str]:
        """What does not fit."""
        yield from outside(self, "gate.", users="[1, inf)", level="(0.5, 1)")
        if not 0 <= self.margin < 1:
            yield f"gate.margin is {self.margin}; it is a share from 0 to below 1, and .1 is 10 %"


@dataclass(frozen=True)
class PreferenceFitConfig(FitConfig):
    """``FitConfig`` with the small steps that a trained model can take."""

    steps: int = 200
    batch_size: int = 32
    learning_rate: float = 1e-4
    warmup_steps: int = 10
    schedule: str = "constant"
    validate_every: int = 50
    checkpoint_every: int = 50

    def __post_init__(self) -> None:
        # Told with the other problems of the section.
        return

    def problems(self) -> Iterator[str]:
        """What does not fit."""
        yield from outside(self, "fit.", **FIT_BOUNDS | {"validate_every": "[1, inf)"})
        if self.schedule not in SCHEDULES:
            yield f"fit.schedule is '{self.schedule}'; {nearest(self.schedule, SCHEDULES)}"

    @property
    def plain(self) -> FitConfig:
        """The same for the training driver."""
        return FitConfig(**{part.name: getattr(self, part.name) for part in fields(FitConfig)})


@dataclass(frozen=True)
class PreferenceConfig:
    """How a trained recommender learns from preference, and when it is kept.

    Attributes:
        method: ``dpo``, ``sdpo`` (with several rejected items) or ``grpo`` (draws and rewards).
        dpo: of ``dpo`` and ``sdpo``.
        grpo: of ``grpo``.
        fit: optimisation. Dropout is off, so that the model and its start are compared as they are.
        gate: when the result is promoted.
        windows: positions of each history that are learned from, counted from its end; 0 takes all.
        alarm: a validation that has the optimised reward above the start's by more than this share
            and the held-out one below it by as much warns of reward hacking.
    """

    __pydantic_config__ = {"extra": "forbid"}

    method: str = "sdpo"
    dpo: DpoConfig = field(default_factory=DpoConfig)
    grpo: GrpoConfig = field(default_factory=GrpoConfig)
    fit: PreferenceFitConfig = field(default_factory=PreferenceFitConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    windows: int = 0
    alarm: float = 0.05

    def __post_init__(self) -> None:
        problems = []
        if self.method not in METHODS:
            problems.append(f"No method '{self.method}'; {nearest(self.method, METHODS)}")
        problems += self.dpo.problems(self.method)
        problems += [*self.grpo.problems(), *self.fit.problems(), *self.gate.problems()]
        problems += outside(self, windows="[0, inf)", alarm="[0, inf]")
        every, updates = self.fit.checkpoint_every, self.grpo.updates
        if self.method == "grpo" and updates > 0 and every % updates:
            # A checkpoint between two updates would lose the draws that both are made with.
            problems.append(
                f"fit.checkpoint_every is {every} and grpo.updates {updates}; the first must be a "
                "multiple of the second"
            )
        if problems:
            raise ConfigError("\n".join(problems))
