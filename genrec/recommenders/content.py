"""A recommender whose items are their fused vectors, so that new items work at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.encoders.base import ItemVectors
from genrec.encoders.fusion_options import FusionConfig
from genrec.encoders.modality_vectors import Modalities
from genrec.encoders.text import TextEncoder
from genrec.errors import ArtefactError, ConfigError, InputError, StorageError
from genrec.recommenders.card import read_card, write_card
from genrec.recommenders.content_network import ContentNetwork
from genrec.recommenders.content_rows import asked, masking, stretches
from genrec.recommenders.counts import item_counts
from genrec.recommenders.sasrec_network import batch_of, inputs_of, windows
from genrec.recommenders.scored import ScoredRecommender
from genrec.recommenders.step_choice import choose_steps, sample_cases, validation_ndcg
from genrec.training.content_options import ContentConfig
from genrec.training.fit import FitResult, Progress, fit
from genrec.training.options import FitConfig

WEIGHTS = "weights.safetensors"
VECTORS = "modalities"
FIT = FitConfig(
    steps=1500,
    batch_size=128,
    learning_rate=2e-3,
    warmup_steps=50,
    weight_decay=0.01,
    validate_every=100,
    patience=4,
    log_every=50,
)


class ContentRecommender(ScoredRecommender):
    """Reads a history of item vectors and scores all items by theirs.

    Items without any modality are never recommended; in a history they count as something unknown.

    Attributes:
        modalities: what is known of each item.
        trained: what each training run did: the one that chose the number of steps and, where
            there was one, the refit.
    """

    name = "content"

    def __init__(self, catalog: Catalog, network: ContentNetwork, modalities: Modalities) -> None:
        _check(catalog, modalities)
        self.catalog, self.network, self.modalities = catalog, network.eval(), modalities
        self.trained: list[FitResult] = []
        self._table: tuple[torch.Tensor, torch.Tensor] | None = None

    @classmethod
    def train(
        cls,
        dataset: Dataset,
        *,
        validation: Holdout | None = None,
        modalities: Mapping[str, ItemVectors] | None = None,
        config: ContentConfig | None = None,
        fit_config: FitConfig | None = None,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> ContentRecommender:
        """A network trained on all events of ``dataset``.

        Args:
            validation: as for ``choose_steps``.
            modalities: item vectors by name, in the catalogue's order; text by MiniLM if left out.
            config: fusion, network and objective.
            fit_config: the training driver's options. ``validate_every=0`` takes all its steps
                once, without choosing.
            folder: for checkpoints and logs; a temporary one if not given.
            progress: called with step, steps and loss.

        Raises:
            InputError: the modalities are of other items than the catalogue's.
        """
        chosen = config or ContentConfig()
        known = Modalities(modalities or {"text": TextEncoder().encode(dataset.catalog)})
        _check(dataset.catalog, known)

        def once(
            data: Dataset, cases: Holdout | None, fitting: FitConfig, place: Path
        ) -> ContentRecommender:
            return cls._fit(data, cases, known, chosen, fitting, place, progress)

        return choose_steps(once, dataset, validation, fit_config or FIT, folder)

    @classmethod
    def _fit(
        cls,
        dataset: Dataset,
        validation: Holdout | None,
        modalities: Modalities,
        config: ContentConfig,
        fit_config: FitConfig,
        folder: Path,
        progress: Progress | None,
    ) -> ContentRecommender:
        # The weights are drawn from the seed alone, and the caller's random state is left as it is.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(fit_config.seed)
            sold = np.flatnonzero(item_counts(dataset))
            network = ContentNetwork(modalities, config, chosen=sold)
            recommender = cls(dataset.catalog, network, modalities)
            validate = None
            if validation is not None:
                cases = sample_cases(validation, config.validation_users, fit_config.seed)
                validate = validation_ndcg(recommender._scores, cases, recommender.users_per_batch)
            rows: Any = windows(dataset.sequences, config.max_history)
            if masked := config.objective == "masked-item":
                rows = stretches(dataset.sequences, config.max_history)
            result = fit(
                network,
                rows,
                collate=masking(config.masked_share) if masked else batch_of,
                loss=lambda model, batch: model(**batch),
                config=fit_config,
                folder=folder,
                validate=validate,
                progress=progress,
                job=f"content {dataset.fingerprint} {modalities.fingerprint} {asdict(config)}",
            )
        recommender.trained = [result]
        return recommender

    def scores(self, histories: Sequences) -> np.ndarray:
        """A score for every item, shape (users, items), float32; -inf for items of no modality."""
        with torch.inference_mode():
            if self._table is None:
                self._table = self.network.eval().table()
            scores: np.ndarray = self._scores(histories, self._table).float().cpu().numpy()
        return scores

    def _scores(
        self, histories: Sequences, table: tuple[torch.Tensor, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """As ``scores``; without a table, with item vectors of the weights as they are now."""
        network, most = self.network.eval(), self.network.settings.max_history
        masked = network.settings.objective == "masked-item"
        items, ranks, read = (asked if masked else inputs_of)(histories, most)
        vectors, known = table or network.table()
        device = vectors.device
        read = read.to(device)
        wanted = network.encode(
            vectors[items.to(device)], ranks.to(device), read if masked else None
        )
        weights = read.to(wanted.dtype)
        pooled = (wanted * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
        return network.logits(pooled, vectors).masked_fill(~known, float("-inf"))

    def item_vectors(self) -> ItemVectors:
        """Fused vectors of the catalogue, of length 1: for semantic IDs, probes and retrieval."""
        with torch.inference_mode():
            vectors, known = self.network.eval().table()
            vectors = torch.nn.functional.normalize(vectors, dim=-1) * known[:, None]
        digest = hashlib.sha256(self.modalities.fingerprint.encode())
        for name, value in sorted(self.network.state_dict().items()):
            digest.update(name.encode() + value.float().cpu().numpy().tobytes())
        return ItemVectors(
            tuple(self.catalog.ids),
            vectors.float().cpu().numpy(),
            known.cpu().numpy(),
            digest.hexdigest()[:16],
        )

    def seeing(self, modalities: Modalities, catalog: Catalog | None = None) -> ContentRecommender:
        """The same weights over other items, or over the same ones with something hidden.

        Args:
            catalog: whose items the modalities are; this recommender's own if left out.

        Raises:
            InputError: the modalities are of other items than the catalogue's, or are not those
                that the weights were trained on.
        """
        if modalities.dimensions != self.modalities.dimensions:
            raise InputError(
                f"The modalities are {modalities.dimensions}; this recommender was trained on "
                f"{self.modalities.dimensions}. Give the same ones, hidden where missing."
            )
        network = ContentNetwork(modalities, self.network.settings)
        network.load_state_dict(self.network.state_dict())
        network.to(self.network.start.device)
        return ContentRecommender(catalog or self.catalog, network, modalities)

    def save(self, folder: Path) -> None:
        """Writes ``recommender.json``, the weights, and what is known of each item."""
        settings = asdict(self.network.settings)
        about = {"config": settings, "modalities": list(self.modalities.names)}
        write_card(folder, self.name, self.catalog, about)
        weights = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        try:
            save_file(weights, folder / WEIGHTS)
            for number, one in enumerate(self.modalities.vectors.values()):
                place = folder / VECTORS / str(number)
                place.mkdir(parents=True, exist_ok=True)
                one.write(place)
        except OSError as error:
            raise StorageError(
                f"{folder} cannot be written: {error}. Free some space or choose another folder."
            ) from error

    @classmethod
    def load(cls, folder: Path, catalog: Catalog) -> ContentRecommender:
        """What ``save`` wrote.

        Raises:
            ArtefactError: a file is missing or damaged, or belongs to another catalogue.
        """
        about = read_card(folder, cls.name, catalog)
        try:
            modalities = Modalities(
                {
                    name: ItemVectors.read(folder / VECTORS / str(number), catalog)
                    for number, name in enumerate(about["modalities"])
                }
            )
            network = ContentNetwork(modalities, config_of(about["config"]))
            network.load_state_dict(load_file(folder / WEIGHTS))
        except (
            OSError,
            SafetensorError,
            RuntimeError,
            TypeError,
            KeyError,
            ConfigError,
            InputError,
        ) as error:
            raise ArtefactError(
                f"{folder} cannot be used: {error}. Train the content recommender again."
            ) from error
        return cls(catalog, network, modalities)


def config_of(values: Mapping[str, Any]) -> ContentConfig:
    """Options from their JSON values."""
    plain = json.loads(json.dumps(values))
    return ContentConfig(**{**plain, "fusion": FusionConfig(**plain.get("fusion", {}))})


def _check(catalog: Catalog, modalities: Modalities) -> None:
    if modalities.item_ids != tuple(catalog.ids):
        raise InputError(
            f"The modalities hold {len(modalities)} items, the catalogue {len(catalog)}, or they "
            "stand in another order. Encode this catalogue."
        )
