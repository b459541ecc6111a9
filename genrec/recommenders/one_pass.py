"""Recommendation in one pass: an LLM's state predicts all codes of the next item at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from genrec.data.allowed import AllowedItems
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.reading import reading
from genrec.data.sequences import Sequences
from genrec.decoding.code_graph import CodeGraph
from genrec.decoding.options import DecodeConfig
from genrec.decoding.parallel import parallel_search
from genrec.errors import ConfigError, InputError
from genrec.llm.adapt import in_use
from genrec.llm.backbone import Backbone
from genrec.llm.options import BackboneConfig
from genrec.llm.origin import base_content
from genrec.recommenders.base import NO_ITEM, Ranking, Recommender
from genrec.recommenders.history_prompt import HistoryPrompt, packed_windows
from genrec.recommenders.one_pass_network import OnePassNetwork
from genrec.recommenders.options import GenerativeConfig, OnePassConfig
from genrec.semantic_ids.index import SemanticIndex, code_words
from genrec.training.fit import Batch, FitResult, checkpoint_folder, fit
from genrec.training.options import FitConfig, SftConfig
from genrec.training.packing import PackedRows, collate_packed, target_count
from genrec.workspace import open_artefact, write_artefact

ABOUT, HEADS = "one_pass.json", "heads.safetensors"


class OnePassRecommender(Recommender):
    """An LLM that reads one token for each item and predicts all codes of the next at once.

    An item's score is the sum over levels of log p(code), so every item has one from a single pass
    over the history. There is no beam that could lose an item, as long as the catalogue is small
    enough to be scored whole.

    Args:
        catalog: in the order of the index.
        config: of backbone, prompt, packing, training and decoding.
        one_pass: of the heads and the search.
    """

    name = "one-pass"

    def __init__(
        self,
        backbone: Backbone,
        catalog: Catalog,
        index: SemanticIndex,
        config: GenerativeConfig,
        one_pass: OnePassConfig,
    ) -> None:
        if index.item_ids != catalog.ids:
            raise ConfigError(
                f"The index has {len(index):,} items and the catalogue {len(catalog):,}, or their "
                "order differs. Make the semantic IDs of this catalogue."
            )
        if tuple(backbone.codebook_sizes) != tuple(index.codebook_sizes):
            raise ConfigError(
                f"The LLM was trained on semantic IDs of {backbone.codebook_sizes} codes, the "
                f"index has {index.codebook_sizes}. Train again, or load the index it came with."
            )
        check_options(config)
        self.catalog, self.index, self.config = catalog, index, config
        self.one_pass, self.seed = one_pass, config.fit.seed
        self.network = OnePassNetwork(backbone, index.codes, one_pass).to(backbone.device)
        # To the prompt, an item is one token: an ID of one level with a code for each item.
        items = np.arange(len(catalog), dtype=np.int32)[:, None]
        single = SemanticIndex(catalog.ids, items, (len(catalog),))
        self.prompt = HistoryPrompt(config.prompt, self.network, single)
        self.decode_by(config.decode)
        self.fitted: FitResult | None = None
        self._graph: CodeGraph | None = None

    @property
    def backbone(self) -> Backbone:
        return self.network.backbone

    def decode_by(self, decode: DecodeConfig) -> None:
        """Changes how wide large catalogues are searched; nothing needs to be trained for it.

        Raises:
            ConfigError: a strategy other than ``best``.
        """
        if decode.strategy != "best":
            raise ConfigError(
                f"decode.strategy is '{decode.strategy}'; one pass has no branches to spread over. "
                "Take 'best'."
            )
        self.config = replace(self.config, decode=decode)
        small = len(self.catalog) <= self.one_pass.exact_items
        self.beams = 0 if decode.exact or small else decode.beams

    @classmethod
    def train(
        cls,
        backbone: str | BackboneConfig,
        dataset: Dataset,
        index: SemanticIndex,
        *,
        one_pass: OnePassConfig | None = None,
        folder: str | Path | None = None,
        config: GenerativeConfig | None = None,
        validate: Callable[[OnePassRecommender], float] | None = None,
        progress: Callable[[int, int, float], None] | None = None,
        **options: Any,
    ) -> OnePassRecommender:
        """Trains on every position of every history.

        Args:
            backbone: an LLM's name, or its whole configuration.
            one_pass: of the heads and the search.
            folder: for checkpoints; a killed run of the same data and options continues there.
                A temporary one if not given.
            validate: higher is better; looked at every ``validate_every`` steps.
            options: any option of ``GenerativeConfig``'s parts.

        Raises:
            ConfigError: an option that does not exist or fit.
        """
        chosen = (config or GenerativeConfig()).with_options(**options).on(backbone)
        check_options(chosen)
        llm = Backbone.create(
            in_use(chosen.backbone),
            index.token_names,
            index.codebook_sizes,
            words=code_words(index, dataset.catalog),
        )
        if torch.cuda.is_available():
            llm.cuda()
        recommender = cls(llm, dataset.catalog, index, chosen, one_pass or OnePassConfig())
        recommender.fit(
            recommender.rows(dataset.sequences, chosen.sft.windows),
            chosen.fit,
            folder=folder,
            validate=validate,
            progress=progress,
            job=f"{base_content(chosen.backbone)} {dataset.fingerprint} {index.fingerprint}",
        )
        return recommender

    def rows(self, sequences: Sequences, windows: int) -> PackedRows:
        """Histories as training rows.

        Args:
            windows: of each history, counted from its end; 0 takes all.
        """
        return packed_windows(self.prompt, sequences, self.config, windows)

    def fit(
        self,
        rows: PackedRows,
        config: FitConfig,
        *,
        folder: str | Path | None = None,
        validate: Callable[[OnePassRecommender], float] | None = None,
        progress: Callable[[int, int, float], None] | None = None,
        job: str = "",
    ) -> None:
        """Trains on rows, from the weights as they are.

        Args:
            folder: for checkpoints, as of ``train``; likewise what follows.
            job: names the data, so that no other's checkpoint is continued.
        """
        chosen = replace(self.config, fit=config, decode=DecodeConfig())
        with checkpoint_folder(folder) as place:
            self.fitted = fit(
                self.network,
                rows,
                collate=collate_packed,
                targets=target_count,
                loss=partial(_loss, config=chosen.sft),
                config=config,
                folder=place,
                validate=None if validate is None else (lambda: validate(self)),
                progress=progress,
                job=f"one-pass {job} {self.prompt.template_hash} {asdict(self.one_pass)} "
                f"{asdict(chosen)}",
            )

    def rank(
        self,
        histories: Sequences,
        n: int,
        *,
        allowed: np.ndarray | AllowedItems | None = None,
        exclude_seen: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Ranking:
        """See ``Recommender.rank``; the scores are summed log-probabilities of the codes."""
        if n < 1:
            raise InputError(f"n is {n}; ask for at least 1 item.")
        self.network.eval()
        rules = AllowedItems.of(histories, len(self.catalog), allowed, exclude_seen=exclude_seen)
        items = np.full((len(histories), n), NO_ITEM, np.int32)
        scores = np.full((len(histories), n), -np.inf, np.float32)
        if not len(histories):
            return Ranking(items, scores)
        width = min(n, len(self.catalog))
        found = parallel_search(
            self.network,
            [self.prompt.tokens(history) for history in histories],
            self.index.codes,
            beams=width,
            allowed=rules,
            graph=self._search_graph(),
            explored=max(self.config.decode.beams, width),
            progress=progress,
        )
        items[:, :width], scores[:, :width] = found.items.numpy(), found.scores.numpy()
        return Ranking(items, scores)

    def _search_graph(self) -> CodeGraph | None:
        """What large catalogues are searched along; ``None`` where every item is scored."""
        if not self.beams:
            return None
        if self._graph is None:
            with torch.inference_mode():
                rows = self.network.head_rows().cpu().numpy()
            self._graph = CodeGraph.build(
                self.index.codes, self.index.codebook_sizes, rows, self.one_pass.neighbours
            )
        return self._graph

    def save(self, folder: Path, **about: Any) -> None:
        """Writes adapter, heads, tokenizer, index and options, as a whole or not at all."""
        with write_artefact(folder, "recommender", **about) as temporary:
            self.write(temporary)

    def write(self, folder: Path) -> None:
        """Writes the bare files into a folder that somebody else seals."""
        self.backbone.write(folder)
        self.index.write(folder)
        heads = {"heads": self.network.heads, "offsets": self.network.offsets}
        save_file(
            {name: p.detach().cpu().contiguous() for name, p in heads.items()}, folder / HEADS
        )
        about: dict[str, Any] = {
            "options": asdict(self.config),
            "one_pass": asdict(self.one_pass),
            "template_hash": self.prompt.template_hash,
        }
        if self.fitted is not None:
            about["fit"] = asdict(self.fitted)
        (folder / ABOUT).write_text(json.dumps(about, indent=1))

    @staticmethod
    def load(folder: Path, catalog: Catalog) -> OnePassRecommender:
        """Reads what ``save`` wrote.

        Raises:
            ArtefactError: missing, truncated or changed.
            ConfigError: made for another catalogue, or with another prompt than the one here.
        """
        open_artefact(folder, "recommender")
        with reading(folder, "one-pass recommender", then="Train it again."):
            about = json.loads((folder / ABOUT).read_text())
            config = GenerativeConfig.of(about["options"])
            one_pass = OnePassConfig(**about["one_pass"])
            heads = load_file(folder / HEADS)
        backbone, index = Backbone.read(folder), SemanticIndex.read(folder)
        recommender = OnePassRecommender(backbone, catalog, index, config, one_pass)
        with torch.no_grad():
            recommender.network.heads.copy_(heads["heads"])
            recommender.network.offsets.copy_(heads["offsets"])
        recommender.prompt.check_unchanged(about["template_hash"])
        return recommender


def check_options(config: GenerativeConfig) -> None:
    """Refuses what only generation in order can do.

    Raises:
        ConfigError: there are such options; all are named.
    """
    problems = []
    if config.backbone.adapt in ("prompt", "mixture"):
        problems.append(f"llm.adapt is {config.backbone.adapt}; take lora, full or frozen")
    if config.backbone.pictures:
        problems.append(f"llm.pictures is {config.backbone.pictures}; one pass shows none, take 0")
    if config.prompt.group_by:
        problems.append(f"prompt.group_by is '{config.prompt.group_by}'; leave it out")
    if config.prompt.features:
        problems.append(f"prompt.features is {config.prompt.features}; one pass reads none")
    if config.sft.normalise != "level":
        problems.append(
            f"packing.normalise is {config.sft.normalise}; codes come all at once, take level"
        )
    problems += [
        f"train.{name} is {getattr(config.fit, name)}; it trains no rows apart, take 0"
        for name in ("warm_rows_steps", "rows_learning_rate")
        if getattr(config.fit, name)
    ]
    if config.tasks.beside:
        problems.append(f"tasks has {', '.join(config.tasks.beside)}; it learns next_item alone")
    if problems:
        raise ConfigError("One pass for all codes cannot do this: " + "; ".join(problems))


def _loss(model: Any, batch: Batch, *, config: SftConfig) -> torch.Tensor:
    loss: torch.Tensor = model.loss(batch, config)
    return loss
