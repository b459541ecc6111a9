"""Learning from pairs: what was chosen over what the model would have shown instead.

Rafailov et al. 2023, "Direct Preference Optimization" (DPO), and, with several rejected items,
Chen et al. 2024, "On Softmax Direct Preference Optimization for Recommendation" (S-DPO).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrec.data.allowed import AllowedItems
from genrec.decoding.frontier import NEVER
from genrec.training.candidates import (
    NO_CANDIDATE,
    CandidateScores,
    Draw,
    prompts_of,
    ragged,
)
from genrec.training.fit import Batch
from genrec.training.preference_options import PreferenceConfig
from genrec.training.reference import Reference


def dpo_loss(chosen: Tensor, rejected: Tensor, *, beta: float, known: Tensor) -> Tensor:
    """The loss of each case, shape (cases,); log(1 + rejected) while policy and reference agree.

    Args:
        chosen: log-ratio of policy and reference of what was chosen, shape (cases,).
        rejected: likewise of what was not, shape (cases, rejected).
        known: which rejected items there are; a case without any costs nothing.
    """
    margins = beta * (rejected - chosen[:, None])
    # -log sigmoid(-log sum exp(margins)); with one rejected item that is DPO's own loss.
    worst = margins.masked_fill(~known, NEVER)
    some = known.any(dim=1)
    worst = torch.where(some[:, None], worst, torch.zeros_like(worst))
    costs = functional.softplus(torch.logsumexp(worst, dim=1))
    return torch.where(some, costs, torch.zeros_like(costs))


class DpoLearner:
    """The loss of one batch of cases, and how often the model has come to prefer what was chosen.

    Args:
        draw: the model's own items, for rejected ones.
        counts: how often each item was chosen, shape (items,), for popular ones.
        reference: the model as it was at the start.
    """

    def __init__(
        self,
        config: PreferenceConfig,
        scores: CandidateScores,
        draw: Draw,
        counts: np.ndarray,
        reference: Reference,
    ) -> None:
        self.config, self.scores, self.draw = config, scores, draw
        self.reference = reference
        self.log_counts = torch.log(torch.from_numpy(counts).double())
        self.rejected = config.dpo.count(config.method)

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Scalar to minimise; rejected items are of the model as it is now."""
        model.eval()
        options = self.config.dpo
        chosen, rejected = self.pairs(batch)
        policy, start = self._both(model, batch, torch.cat([chosen[:, None], rejected], dim=1))
        ratios = policy - start
        known = (rejected != NO_CANDIDATE).to(ratios.device)
        costs = dpo_loss(ratios[:, 0], ratios[:, 1:], beta=options.beta, known=known)
        return (costs - options.anchor * policy[:, 0]).mean()

    def measure(self, model: Any, batch: Batch) -> np.ndarray:
        """Share of rejected items that moved below what was chosen, shape (cases,).

        Half while policy and reference agree; not a number where there is nothing to reject.
        """
        chosen, rejected = self.pairs(batch, seed=0)
        with torch.no_grad():
            policy, start = self._both(model, batch, torch.cat([chosen[:, None], rejected], dim=1))
        ratios = (policy - start).cpu().numpy()
        gap = ratios[:, :1] - ratios[:, 1:]
        won = np.where(rejected.numpy() != NO_CANDIDATE, (np.sign(gap) + 1) / 2, np.nan)
        held = np.isfinite(won).sum(axis=1)
        share: np.ndarray = np.where(held > 0, np.nansum(won, axis=1) / np.maximum(held, 1), np.nan)
        return share

    def pairs(self, batch: Batch, *, seed: int | None = None) -> tuple[Tensor, Tensor]:
        """What was chosen, shape (cases,), and rejected items, shape (cases, rejected).

        Never rejected are targets and, unless asked for, items of the history.

        Args:
            seed: of everything that is drawn; torch's own state if left out.
        """
        generator = torch.Generator().manual_seed(_fresh_seed() if seed is None else seed)
        targets = ragged(batch["targets"])
        chosen = torch.tensor(
            [int(own[int(torch.randint(len(own), (), generator=generator))]) for own in targets]
        )
        off = targets
        if not self.config.dpo.seen:
            off = [np.union1d(*both) for both in zip(targets, ragged(batch["seen"]), strict=True)]
        source = self.config.dpo.rejected_from
        if source == "popular":
            found = self._popular(off, generator)
        elif source == "batch":
            found = _of_others(targets, off, self.rejected, generator)
        else:
            items = len(self.log_counts)
            rules = AllowedItems(items, [], [], np.full(len(off), -1), off)
            drawn = self.draw(
                prompts_of(batch),
                batch["groups"].cpu().numpy(),
                self.rejected,
                rules,
                temperature=1.0 if source == "draws" else None,
                seed=int(torch.randint(2**31, (), generator=generator)),
            )
            found = torch.from_numpy(drawn)
        return chosen, found

    def _both(self, model: Any, batch: Batch, items: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of policy and reference, shape (cases, candidates)."""
        how = self.config.dpo.normalise
        with model.in_domains(batch["groups"][:, None]):
            with torch.no_grad(), self.reference.in_place():
                start = self.scores(model, batch, items, normalise=how).sum(dim=2)
            policy = self.scores(model, batch, items, normalise=how).sum(dim=2)
        return policy, start

    def _popular(self, off: list[np.ndarray], generator: torch.Generator) -> Tensor:
        """Drawn without replacement by how often items were chosen: the largest of Gumbels."""
        found = torch.full((len(off), self.rejected), NO_CANDIDATE)
        for row, closed in enumerate(off):
            noise = torch.empty(len(self.log_counts), dtype=torch.double)
            keys = self.log_counts - noise.exponential_(generator=generator).log()
            keys[torch.from_numpy(closed.astype(np.int64))] = NEVER
            best = keys.topk(min(self.rejected, len(keys)))
            held = best.indices[best.values > NEVER]
            found[row, : len(held)] = held
        return found


def _of_others(
    targets: list[np.ndarray], off: list[np.ndarray], count: int, generator: torch.Generator
) -> Tensor:
    """What other cases of the batch chose, in a drawn order."""
    found = torch.full((len(targets), count), NO_CANDIDATE)
    pool = np.unique(np.concatenate(targets))
    for row, closed in enumerate(off):
        order = pool[torch.randperm(len(pool), generator=generator).numpy()]
        held = order[~np.isin(order, closed)][:count]
        found[row, : len(held)] = torch.from_numpy(held.astype(np.int64))
    return found


def _fresh_seed() -> int:
    # From the state that checkpoints keep, so that a resumed run draws the same.
    return int(torch.randint(2**31, ()))
