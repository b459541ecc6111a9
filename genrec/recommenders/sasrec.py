"""SASRec with a softmax loss: the control that counts. Knows items by position only."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import History, Sequences
from genrec.errors import ArtefactError, InputError
from genrec.recommenders.baskets import basket_ranks
from genrec.recommenders.card import read_card, write_card
from genrec.recommenders.counts import item_counts
from genrec.recommenders.sasrec_network import (
    START_RANK,
    SASRecConfig,
    SASRecNetwork,
    batch_of,
    windows,
)
from genrec.recommenders.scored import ScoredRecommender
from genrec.training.fit import FitResult, Progress, fit
from genrec.training.options import FitConfig

log = logging.getLogger(__name__)

WEIGHTS = "weights.safetensors"
FIT = FitConfig(
    steps=3450,
    batch_size=256,
    learning_rate=2e-3,
    schedule="constant",
    warmup_steps=50,
    validate_every=150,
    patience=4,
    log_every=50,
)


class SASRec(ScoredRecommender):
    """Self-attention over the history, scored against every item.

    Baskets are read as sets: an event sees its whole basket, and each event is trained to predict
    an item drawn from the next basket.

    Attributes:
        trained: what each training run did: the one that chose the number of steps and, where
            there was one, the refit.
    """

    name = "sasrec"

    def __init__(self, catalog: Catalog, network: SASRecNetwork) -> None:
        self.catalog, self.network = catalog, network.eval()
        self.trained: list[FitResult] = []

    @classmethod
    def train(
        cls,
        dataset: Dataset,
        *,
        validation: Holdout | None = None,
        network: SASRecConfig | None = None,
        fit_config: FitConfig | None = None,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> SASRec:
        """A network trained on all events of ``dataset``.

        Args:
            validation: cases that follow ``dataset``; they choose the number of steps and are not
                trained on. Without them, each user's last event (or basket) is set aside to choose
                the number of steps, and a second training from the start takes that many steps on
                everything.
            network: size and loss.
            fit_config: the training driver's options. ``validate_every=0`` takes all its steps
                once, without choosing.
            folder: for checkpoints and logs; a temporary one if not given.
            progress: called with step, steps and loss.
        """
        network = network or SASRecConfig()
        fit_config = fit_config or FIT
        place = nullcontext(str(folder)) if folder else tempfile.TemporaryDirectory()
        with place as name:
            if validation is not None or not fit_config.validate_every:
                return cls._fit(
                    dataset, validation, network, fit_config, Path(name) / "fit", progress
                )
            protocol = "last-basket" if "basket" in dataset.events.columns else "last-out"
            rest, held_out = dataset.split(protocol)
            chosen = cls._fit(rest, held_out, network, fit_config, Path(name) / "fit", progress)
            steps = chosen.trained[0].best_step or fit_config.steps
            log.info("sasrec: %d steps were best; training so long on everything", steps)
            again = replace(fit_config, steps=steps, validate_every=0, patience=0)
            final = cls._fit(dataset, None, network, again, Path(name) / "refit", progress)
            final.trained = [*chosen.trained, *final.trained]
            return final

    @classmethod
    def _fit(
        cls,
        dataset: Dataset,
        validation: Holdout | None,
        config: SASRecConfig,
        fit_config: FitConfig,
        folder: Path,
        progress: Progress | None,
    ) -> SASRec:
        # The weights are drawn from the seed alone, and the caller's random state is left as it is.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(fit_config.seed)
            network = SASRecNetwork(len(dataset.catalog), config, counts=item_counts(dataset))
            recommender = cls(dataset.catalog, network)
            cases = None if validation is None else _sample(validation, config, fit_config.seed)
            result = fit(
                recommender.network,
                windows(dataset.sequences, config.max_history),
                collate=batch_of,
                loss=lambda model, batch: model(**batch),
                config=fit_config,
                folder=folder,
                validate=None if cases is None else lambda: recommender._validate(cases),
                progress=progress,
                job=f"sasrec {dataset.fingerprint} {asdict(config)}",
            )
        recommender.trained = [result]
        return recommender

    def scores(self, histories: Sequences) -> np.ndarray:
        """A score for every item, shape (users, items), float32."""
        with torch.inference_mode():
            scores: np.ndarray = self._scores(histories).float().cpu().numpy()
        return scores

    def _scores(self, histories: Sequences) -> torch.Tensor:
        self.network.eval()
        device = self.network.start.device
        items, ranks, last = _inputs(histories, self.network.settings.max_history)
        hidden = self.network.encode(items.to(device), ranks.to(device))
        weights = last.to(device, hidden.dtype)
        pooled = (hidden * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
        return self.network.logits(pooled)

    def _validate(self, cases: Holdout) -> float:
        """Mean NDCG@10 over the cases, nothing filtered."""
        total = 0.0
        for start in range(0, len(cases), self.users_per_batch):
            part = cases.take(np.arange(start, min(start + self.users_per_batch, len(cases))))
            scores = self._scores(part.histories)
            rows = np.repeat(np.arange(len(part)), part.targets.lengths)
            pairs = np.unique(np.stack([rows, part.targets.items.astype(np.int64)]), axis=1)
            row, item = torch.from_numpy(pairs).to(scores.device)
            above = (scores[row] > scores[row, item][:, None]).sum(1)
            gains = torch.where(above < 10, 1 / torch.log2(above + 2.0), 0.0)
            counts = torch.bincount(row, minlength=len(part))
            ideal = torch.cumsum(1 / torch.log2(torch.arange(10, device=row.device) + 2.0), 0)
            dcg = torch.zeros(len(part), device=row.device).index_add_(0, row, gains)
            total += float((dcg / ideal[counts.clamp(1, 10) - 1]).sum())
        return total / max(1, len(cases))

    def save(self, folder: Path) -> None:
        """Writes ``recommender.json`` and ``weights.safetensors``."""
        write_card(folder, self.name, self.catalog, asdict(self.network.settings))
        weights = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        save_file(weights, folder / WEIGHTS)

    @classmethod
    def load(cls, folder: Path, catalog: Catalog) -> SASRec:
        """What ``save`` wrote.

        Raises:
            ArtefactError: a file is missing or damaged, or belongs to another catalogue.
        """
        options = read_card(folder, cls.name, catalog)
        try:
            network = SASRecNetwork(len(catalog), SASRecConfig(**options))
            network.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, SafetensorError, RuntimeError, TypeError) as error:
            raise ArtefactError(
                f"{folder / WEIGHTS} cannot be used: {error}. Train SASRec again."
            ) from error
        return cls(catalog, network)


def _inputs(
    histories: Sequences, max_history: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Items, ranks and a mask of the last basket, each of shape (users, 1 + events)."""
    rows: Sequence[History] = list(histories.last(max_history))
    width = 1 + max((len(row) for row in rows), default=0)
    items = torch.zeros(len(rows), width, dtype=torch.long)
    ranks = torch.full((len(rows), width), width, dtype=torch.long)
    ranks[:, 0] = START_RANK
    for number, row in enumerate(rows):
        items[number, 1 : len(row) + 1] = torch.from_numpy(row.items.astype(np.int64))
        ranks[number, 1 : len(row) + 1] = torch.from_numpy(basket_ranks(row))
    newest = ranks.masked_fill(ranks == width, START_RANK).amax(1, keepdim=True)
    return items, ranks, ranks == newest


def _sample(validation: Holdout, config: SASRecConfig, seed: int) -> Holdout:
    if not len(validation):
        raise InputError("The validation split has no cases. Pass one with at least one user.")
    if len(validation) <= config.validation_users:
        return validation
    rows = np.random.default_rng(seed).permutation(len(validation))[: config.validation_users]
    return validation.take(np.sort(rows))
