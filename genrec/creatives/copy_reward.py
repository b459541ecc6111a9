"""The click model as a reward of texts that a model writes: what copy earns while it is learned.

Only differences between texts for the same place mean something, so a reward is what a text earns
against the others of its group. Teasing is held back, and a text that the guard refuses earns less
than any that it lets through. In the form that trl's trainers ask for, and without trl.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from genrec.creatives.cues import withheld
from genrec.errors import ConfigError

Completion = str | Sequence[Mapping[str, str]]


class TextScores(Protocol):
    """What scores texts; ``RewardModel`` does."""

    def scores(self, texts: Sequence[str]) -> np.ndarray: ...


class CopyReward:
    """Log odds of a click against the mean of the group, less for teasing and for what is refused.

    Args:
        model: of clicks.
        group: texts of one place, which stand together.
        restraint: log odds taken for each cue that withholds information.
        allowed: whether a text may be shown in answer to a prompt, such as what a guard says of
            it; ``None`` allows all.
        refusal: log odds that a refused text stands below the worst of its group.

    Raises:
        ConfigError: a group of fewer than two texts, or negative costs.
    """

    # Under which trl logs it.
    __name__ = "clicks"

    def __init__(
        self,
        model: TextScores,
        *,
        group: int,
        restraint: float = 0.1,
        allowed: Callable[[Any, str], bool] | None = None,
        refusal: float = 1.0,
    ) -> None:
        problems = []
        if group < 2:
            problems.append(f"group is {group}; one text has nothing to be compared with")
        for name, cost in (("restraint", restraint), ("refusal", refusal)):
            if not (cost >= 0 and math.isfinite(cost)):
                problems.append(f"{name} is {cost}; it must be a number from 0")
        if problems:
            raise ConfigError("The reward of copy does not fit: " + "; ".join(problems))
        self.model, self.group, self.restraint = model, group, restraint
        self.allowed, self.refusal = allowed, refusal

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Completion], **_: Any
    ) -> list[float]:
        """What each text earns.

        Args:
            prompts: of the texts, which ``allowed`` is told.
            completions: texts, or chats whose last message is one; groups stand together.

        Raises:
            ConfigError: their number is no multiple of the group's size.
        """
        if len(completions) % self.group or len(prompts) != len(completions):
            raise ConfigError(
                f"There are {len(completions)} texts for {len(prompts)} prompts in groups of "
                f"{self.group}. Let the trainer draw num_generations={self.group} for each prompt."
            )
        texts = [one if isinstance(one, str) else one[-1]["content"] for one in completions]
        plain = [" ".join(text.split()) for text in texts]
        scores = np.asarray(self.model.scores(plain), np.float64)
        scores = scores - self.restraint * np.array([withheld(text) for text in plain])
        groups = scores.reshape(-1, self.group)
        earned = groups - groups.mean(axis=1, keepdims=True)
        if self.allowed is not None:
            pairs = zip(prompts, texts, strict=True)
            shown = np.array([self.allowed(*pair) for pair in pairs]).reshape(groups.shape)
            lowest = earned.min(axis=1, keepdims=True) - self.refusal
            earned = np.where(shown, earned, lowest)
        return [float(one) for one in earned.ravel()]
