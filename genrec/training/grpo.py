"""Learning from lists that the model draws itself: group-relative advantages of their rewards.

Shao et al. 2024, "DeepSeekMath" (GRPO); without division by the deviation, Liu et al. 2025,
"Understanding R1-Zero-like training" (Dr. GRPO). Draws come from the trie without replacement, so
every one is a real item and no list holds one twice. They are therefore not independent: items of
little probability are drawn more often than by chance, and the gradient is that of the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrec.data.allowed import AllowedItems
from genrec.training.candidates import (
    FLOOR,
    NO_CANDIDATE,
    CandidateScores,
    Draw,
    prompts_of,
    ragged,
)
from genrec.training.fit import Batch
from genrec.training.preference_options import NDCG, GrpoConfig
from genrec.training.reference import Reference
from genrec.training.rewards import ItemFacts, Lists, total_reward

TINY = 1e-6


def advantages(rewards: np.ndarray, known: np.ndarray, *, divide_by_std: bool) -> np.ndarray:
    """How much better each item of a group is than the group's mean, shape (cases, group).

    Args:
        known: which places hold an item; the others have 0.
        divide_by_std: measure it in the group's standard deviations; equal rewards give 0.
    """
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, rewards, 0.0).sum(axis=1, keepdims=True) / count
    centred = np.where(known, rewards - mean, 0.0)
    if not divide_by_std:
        return centred
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / count)
    scaled: np.ndarray = np.where(deviation > TINY, centred / np.maximum(deviation, TINY), 0.0)
    return scaled


def clipped_loss(policy: Tensor, old: Tensor, advantage: Tensor, *, clip: float) -> Tensor:
    """The loss of each code: minus its clipped gain. All of shape (cases, group, levels).

    Args:
        policy: log-probabilities, with gradients.
        old: those that the draws were made with.
        advantage: of the item; broadcasts.
    """
    ratio = torch.exp(policy - old)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage)


def divergence(policy: Tensor, reference: Tensor) -> Tensor:
    """An estimate of KL(policy, reference) that is never below 0, of the same shape.

    Schulman 2020, "Approximating KL divergence", k3: exp(r) - r - 1 with r = reference - policy.
    """
    gap = reference - policy
    return torch.exp(gap) - gap - 1


@dataclass
class _Rollout:
    """One batch of draws, for as many updates as it serves."""

    batch: Batch
    items: Tensor
    rules: AllowedItems
    advantage: Tensor | None = None
    old: Tensor | None = None


class GrpoLearner:
    """The loss of one batch of cases, and what the model's draws earn.

    Args:
        draw: the model's own items under the trie.
        reference: the model as it was at the start, where ``kl`` asks for it.
    """

    def __init__(
        self,
        config: GrpoConfig,
        scores: CandidateScores,
        draw: Draw,
        facts: ItemFacts,
        reference: Reference | None,
    ) -> None:
        self.config, self.scores, self.draw, self.facts = config, scores, draw, facts
        self.reference = reference
        self.held: _Rollout | None = None
        self.calls = 0
        self.invalid = 0

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Scalar to minimise; ``updates`` calls bring one batch, and share what is drawn for it."""
        # Without dropout: the model that is trained is the one that drew.
        model.eval()
        options = self.config
        if self.held is None or self.calls % options.updates == 0:
            # From the state that checkpoints keep, so that a resumed run draws the same.
            self.held = self._draw_for(batch, seed=int(torch.randint(2**31, ())))
        self.calls += 1
        held = self.held
        assert torch.equal(held.batch["targets"], batch["targets"]), "a batch came out of turn"
        policy = self._log_probabilities(model, held)
        if held.old is None or held.advantage is None:
            # The first pass is over the draws of this very model, so its ratio is 1.
            held.old = policy.detach()
            lists = _lists(held, policy)
            gain = advantages(
                total_reward(lists, self.facts, options.rewards),
                lists.items != NO_CANDIDATE,
                divide_by_std=options.divide_by_std,
            )
            held.advantage = torch.from_numpy(gain).float().to(policy.device)[..., None]
        losses = clipped_loss(policy, held.old, held.advantage, clip=options.clip)
        if options.kl:
            assert self.reference is not None
            with torch.no_grad(), self.reference.in_place():
                start = self._log_probabilities(model, held)
            losses = losses + options.kl * divergence(policy, start)
        known = (held.items != NO_CANDIDATE).to(losses.device)[..., None]
        return (losses * known).sum() / (known.sum() * losses.shape[2]).clamp(min=1)

    def measure(self, model: Any, batch: Batch) -> np.ndarray:
        """What one of the drawn items earns by the model's chances, shape (cases,).

        Equal models draw the same here.
        """
        return self._mean(model, batch, self.config.rewards)

    def measure_held_out(self, model: Any, batch: Batch) -> np.ndarray | None:
        """The same of the reward that is not optimised; ``None`` where that is NDCG."""
        if self.config.held_out == NDCG:
            return None
        return self._mean(model, batch, {self.config.held_out: 1.0})

    def lists(self, model: Any, batch: Batch, *, seed: int) -> Lists:
        """What the model draws after each prompt, and which of it was chosen."""
        drawn = self._draw_for(batch, seed=seed)
        with torch.no_grad():
            return _lists(drawn, self._log_probabilities(model, drawn))

    def _draw_for(self, batch: Batch, *, seed: int) -> _Rollout:
        targets = ragged(batch["targets"])
        closed = [np.zeros(0, np.int64)] * len(targets)
        if not self.config.seen:
            seen = ragged(batch["seen"])
            closed = [np.setdiff1d(*both) for both in zip(seen, targets, strict=True)]
        items = len(self.facts.kinds)
        rules = AllowedItems(items, [], [], np.full(len(targets), -1), closed)
        drawn = self.draw(
            prompts_of(batch),
            batch["groups"].cpu().numpy(),
            self.config.group,
            rules,
            temperature=self.config.temperature,
            seed=seed,
        )
        self.invalid += invalid_places(drawn, items)
        return _Rollout(batch, torch.from_numpy(drawn), rules)

    def _log_probabilities(self, model: Any, held: _Rollout) -> Tensor:
        with model.in_domains(held.batch["groups"][:, None]):
            return self.scores(
                model,
                held.batch,
                held.items,
                rules=held.rules,
                temperature=self.config.temperature,
            )

    def _mean(self, model: Any, batch: Batch, weights: Mapping[str, float]) -> np.ndarray:
        lists = self.lists(model, batch, seed=0)
        mean: np.ndarray = (total_reward(lists, self.facts, weights) * lists.chances).sum(axis=1)
        return mean


def _lists(held: _Rollout, log_probabilities: Tensor) -> Lists:
    drawn = held.items.numpy()
    total = log_probabilities.detach().sum(dim=2).double().cpu().numpy()
    total = np.where(drawn != NO_CANDIDATE, total, FLOOR)
    weights = np.exp(total - total.max(axis=1, keepdims=True)) * (drawn != NO_CANDIDATE)
    targets = ragged(held.batch["targets"])
    hits = np.stack([np.isin(row, own) for row, own in zip(drawn, targets, strict=True)])
    return Lists(drawn, hits, weights / np.maximum(weights.sum(axis=1, keepdims=True), TINY))


def invalid_places(drawn: np.ndarray, items: int) -> int:
    """Places that hold no item of the catalogue, or one that the list holds already."""
    ordered = np.sort(drawn, axis=1)
    repeats = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NO_CANDIDATE)
    outside = (drawn != NO_CANDIDATE) & ((drawn < 0) | (drawn >= items))
    return int(repeats.sum() + outside.sum())
