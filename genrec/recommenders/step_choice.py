"""How long to train a network that scores items: chosen on held-out cases, then on everything."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.errors import InputError
from genrec.training.fit import FitResult, checkpoint_folder
from genrec.training.options import FitConfig

log = logging.getLogger(__name__)


class Trained(Protocol):
    """What came of a training.

    Attributes:
        name: of the recommender.
        trained: what each training run did.
    """

    name: str
    trained: list[FitResult]


T = TypeVar("T", bound=Trained)


def choose_steps(
    train: Callable[[Dataset, Holdout | None, FitConfig, Path], T],
    dataset: Dataset,
    validation: Holdout | None,
    fit_config: FitConfig,
    folder: Path | None,
) -> T:
    """A recommender trained on all events of ``dataset``.

    Args:
        train: one training: data, cases that choose its best step, options, folder.
        validation: cases that follow ``dataset`` and are not trained on. Without them, each user's
            last event (or basket) is set aside to choose the number of steps, and a second
            training from the start takes that many steps on everything.
        fit_config: with ``validate_every=0`` all its steps are taken once, without choosing.
        folder: for checkpoints and logs; a temporary one if not given.
    """
    with checkpoint_folder(folder) as place:
        if validation is not None or not fit_config.validate_every:
            return train(dataset, validation, fit_config, place / "fit")
        protocol = "last-basket" if "basket" in dataset.events.columns else "last-out"
        rest, held_out = dataset.split(protocol)
        chosen = train(rest, held_out, fit_config, place / "fit")
        steps = chosen.trained[0].best_step or fit_config.steps
        log.info("%s: %d steps were best; training so long on everything", chosen.name, steps)
        again = replace(fit_config, steps=steps, validate_every=0, patience=0)
        final = train(dataset, None, again, place / "refit")
        final.trained = [*chosen.trained, *final.trained]
        return final


def validation_ndcg(
    score: Callable[[Sequences], Tensor], cases: Holdout, users_per_batch: int
) -> Callable[[], float]:
    """A function that gives the mean NDCG@10 over the cases, nothing filtered.

    Args:
        score: a score for every item, shape (users, items).
    """

    def validate() -> float:
        total = 0.0
        for start in range(0, len(cases), users_per_batch):
            part = cases.take(np.arange(start, min(start + users_per_batch, len(cases))))
            total += ndcg_sum(score(part.histories), part.targets)
        return total / max(1, len(cases))

    return validate


def ndcg_sum(scores: Tensor, targets: Sequences) -> float:
    """The sum over users of NDCG@10 of these scores, shape (users, items), nothing filtered.

    Among equals the first items stand first, as ``top_n`` ranks them.
    """
    rows = np.repeat(np.arange(len(targets)), targets.lengths)
    pairs = np.unique(np.stack([rows, targets.items.astype(np.int64)]), axis=1)
    row, item = torch.from_numpy(pairs).to(scores.device)
    # Of what stands above a target, ten are all that matter.
    best = scores.topk(min(10, scores.shape[1])).values
    own = scores[row, item][:, None]
    above = (best[row] > own).sum(1)
    near = above < 10
    equal = scores[row[near]] == own[near]
    before = torch.arange(scores.shape[1], device=row.device) < item[near][:, None]
    above[near] += (equal & before).sum(1)
    gains = torch.where(above < 10, 1 / torch.log2(above + 2.0), 0.0)
    counts = torch.bincount(row, minlength=len(targets))
    ideal = torch.cumsum(1 / torch.log2(torch.arange(10, device=row.device) + 2.0), 0)
    dcg = torch.zeros(len(targets), device=row.device).index_add_(0, row, gains)
    return float((dcg / ideal[counts.clamp(1, 10) - 1]).sum())


def sample_cases(validation: Holdout, users: int, seed: int) -> Holdout:
    """At most so many of the cases, drawn by the seed.

    Raises:
        InputError: there are no cases.
    """
    if not len(validation):
        raise InputError("The validation split has no cases. Pass one with at least one user.")
    if len(validation) <= users:
        return validation
    rows = np.random.default_rng(seed).permutation(len(validation))[:users]
    return validation.take(np.sort(rows))
