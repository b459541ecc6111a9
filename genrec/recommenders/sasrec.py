"""SASRec with a softmax loss: the control that counts. Knows items by position only."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.reading import reading
from genrec.data.sequences import Sequences
from genrec.recommenders.card import read_card, write_card
from genrec.recommenders.counts import item_counts
from genrec.recommenders.sasrec_network import (
    SASRecConfig,
    SASRecNetwork,
    batch_of,
    inputs_of,
    windows,
)
from genrec.recommenders.scored import ScoredRecommender
from genrec.recommenders.step_choice import choose_steps, sample_cases, validation_ndcg
from genrec.training.fit import FitResult, Progress, fit
from genrec.training.options import FitConfig

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
        config = network or SASRecConfig()

        def once(data: Dataset, cases: Holdout | None, fitting: FitConfig, place: Path) -> SASRec:
            return cls._fit(data, cases, config, fitting, place, progress)

        return choose_steps(once, dataset, validation, fit_config or FIT, folder)

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
            validate = (
                None
                if validation is None
                else validation_ndcg(
                    recommender._scores,
                    sample_cases(validation, config.validation_users, fit_config.seed),
                    recommender.users_per_batch,
                )
            )
            result = fit(
                recommender.network,
                windows(dataset.sequences, config.max_history),
                collate=batch_of,
                loss=lambda model, batch: model(**batch),
                config=fit_config,
                folder=folder,
                validate=validate,
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
        items, ranks, last = inputs_of(histories, self.network.settings.max_history)
        hidden = self.network.encode(items.to(device), ranks.to(device))
        weights = last.to(device, hidden.dtype)
        pooled = (hidden * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
        return self.network.logits(pooled)

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
        with reading(folder / WEIGHTS, "SASRec", then="Train SASRec again."):
            network = SASRecNetwork(len(catalog), SASRecConfig(**options))
            network.load_state_dict(load_file(folder / WEIGHTS))
        return cls(catalog, network)
