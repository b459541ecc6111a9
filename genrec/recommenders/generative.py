"""Recommendation as generation: an LLM writes the semantic ID of the next item."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genrec.data.allowed import AllowedItems
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.reading import reading
from genrec.data.sequences import Sequences
from genrec.decoding.batches import Search
from genrec.decoding.beam import beam_search, last_states
from genrec.decoding.folded import FoldedTrie
from genrec.decoding.options import DecodeConfig
from genrec.decoding.trie import Trie
from genrec.encoders.base import ItemVectors
from genrec.errors import ConfigError
from genrec.llm.adapt import in_use
from genrec.llm.backbone import Backbone
from genrec.llm.options import BackboneConfig
from genrec.llm.origin import base_content
from genrec.llm.side_features import SideFeatures
from genrec.recommenders.base import NO_ITEM, Ranking, Recommender
from genrec.recommenders.groups import NO_GROUP, HistoryGroups
from genrec.recommenders.history_prompt import HistoryPrompt, packed_windows
from genrec.recommenders.hybrid import Generated, Hybrid, item_table
from genrec.recommenders.options import GenerativeConfig
from genrec.recommenders.tasks.mix import LearntTasks, training_rows
from genrec.semantic_ids.index import SemanticIndex, code_words
from genrec.training.fit import Batch, FitResult, checkpoint_folder, fit
from genrec.training.options import FitConfig, SftConfig
from genrec.training.packing import PackedRows, collate_packed, target_counts
from genrec.training.sft import sft_loss
from genrec.workspace import open_artefact, write_artefact


class GenerativeRecommender(Recommender):
    """An LLM with semantic-ID tokens, decoded under the trie of the catalogue.

    Every recommendation is a real item: the trie has no other leaves.

    Args:
        catalog: in the order of the index.
        search: finds the best items after prompts; in transformers with ``backbone`` if left out.
        groups: which soft prefix or adapter a history gets; none if left out.
        hybrid: ranks whole items beside their codes; without it, semantic IDs alone decide.
    """

    name = "genrec"

    def __init__(
        self,
        backbone: Backbone,
        catalog: Catalog,
        index: SemanticIndex,
        config: GenerativeConfig,
        *,
        search: Search | None = None,
        groups: HistoryGroups | None = None,
        hybrid: Hybrid | None = None,
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
        if backbone.pictures is None:
            backbone.look(catalog)
        elif len(backbone.pictures.known) != len(catalog):
            raise ConfigError(
                f"The LLM has seen the pictures of {len(backbone.pictures.known):,} items and the "
                f"catalogue has {len(catalog):,}. Train again."
            )
        self.backbone, self.catalog, self.index, self.config = backbone, catalog, index, config
        self.seed = config.fit.seed
        self.decode_by(config.decode)
        self.search: Search = partial(beam_search, backbone) if search is None else search
        self.trie = FoldedTrie(Trie.build(index.codes), normalise=config.sft.normalise)
        self.prompt = HistoryPrompt(
            config.prompt,
            backbone,
            index,
            groups=groups,
            picture_dropout=config.sft.picture_dropout,
            spelled=config.sft.spelled,
            feature_dropout=config.sft.feature_dropout,
        )
        self.reads_events = backbone.features is not None
        self.learnt = LearntTasks({})
        self.hybrid = hybrid
        self.fitted: FitResult | None = None

    def decode_by(self, decode: DecodeConfig) -> None:
        """Changes how semantic IDs are chosen; nothing needs to be trained for it."""
        self.config = replace(self.config, decode=decode)
        self.beams = 0 if decode.exact else decode.beams

    @classmethod
    def train(
        cls,
        backbone: str | BackboneConfig,
        dataset: Dataset,
        index: SemanticIndex,
        *,
        folder: str | Path | None = None,
        config: GenerativeConfig | None = None,
        vectors: ItemVectors | None = None,
        summaries: Mapping[str, str] | None = None,
        validate: Callable[[GenerativeRecommender], float] | None = None,
        on_validation: Callable[[int, float], None] | None = None,
        progress: Callable[[int, int, float], None] | None = None,
        **options: Any,
    ) -> GenerativeRecommender:
        """Trains on every position of every history.

        Args:
            backbone: an LLM's name, or its whole configuration.
            folder: for checkpoints; a killed run of the same data and options continues there.
                A temporary one if not given.
            vectors: of the catalogue's items; a hybrid reads and ranks items by them.
            summaries: what is said in words of what users did before their last event, by user;
                the task ``preference_summary`` learns from them.
            validate: higher is better; looked at every ``validate_every`` steps.
            on_validation: told the step and what ``validate`` said; may end training by raising.
            options: any option of ``GenerativeConfig``'s parts, such as ``lora_rank=16``.

        Raises:
            ConfigError: an option that does not exist or fit.
        """
        chosen = (config or GenerativeConfig()).with_options(**options).on(backbone)
        groups = HistoryGroups.of(dataset, chosen.prompt.group_by)
        llm = Backbone.create(
            in_use(chosen.backbone),
            index.token_names,
            index.codebook_sizes,
            words=code_words(index, dataset.catalog),
            soft=soft_prefixes(chosen, groups),
            soft_text=chosen.prompt.soft_text,
            domains=groups.names if chosen.backbone.adapt == "mixture" else (),
        )
        hybrid = None
        if chosen.hybrid is not None:
            if chosen.hybrid.table is not None:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(chosen.fit.seed)
                    llm.items = item_table(chosen.hybrid.table, dataset, vectors, llm.width)
            hybrid = Hybrid.of(chosen.hybrid, dataset, window=chosen.prompt.history)
        if chosen.prompt.features:
            llm.features = SideFeatures.of(chosen.prompt.features, dataset, llm.width)
        if torch.cuda.is_available():
            llm.cuda()
        recommender = cls(llm, dataset.catalog, index, chosen, groups=groups, hybrid=hybrid)
        source, learnt = training_rows(recommender.prompt, llm, dataset, chosen, summaries)
        recommender.learnt = learnt
        recommender.fit(
            PackedRows(source, row_tokens=chosen.sft.row_tokens, seed=chosen.fit.seed),
            chosen.fit,
            folder=folder,
            validate=validate,
            on_validation=on_validation,
            progress=progress,
            job=f"{base_content(chosen.backbone)} {dataset.fingerprint} {index.fingerprint} "
            f"{groups.fingerprint} "
            f"{'' if vectors is None else vectors.fingerprint} {learnt}",
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
        validate: Callable[[GenerativeRecommender], float] | None = None,
        on_validation: Callable[[int, float], None] | None = None,
        progress: Callable[[int, int, float], None] | None = None,
        job: str = "",
    ) -> None:
        """Trains on rows, from the weights as they are.

        Args:
            folder: for checkpoints, as of ``train``; likewise what follows.
            job: names the data, so that no other's checkpoint is continued.
        """
        chosen = replace(self.config, fit=config, decode=DecodeConfig())
        trie = self.trie.to(self.backbone.device).trie
        with checkpoint_folder(folder) as place:
            self.fitted = fit(
                self.backbone,
                rows,
                collate=collate_packed,
                targets=target_counts,
                loss=partial(_loss, config=chosen.sft, trie=trie),
                config=config,
                folder=place,
                validate=None if validate is None else (lambda: validate(self)),
                on_validation=on_validation,
                progress=progress,
                warm=self.backbone.learn_new_rows_alone,
                new_rows=self.backbone.new_rows,
                job=f"{job} {self.prompt.template_hash} {asdict(chosen)}",
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
        """See ``Recommender.rank``; the scores are log-probabilities of the semantic IDs.

        Those of a hybrid are the sum of its signals.
        """
        if self.backbone.training:
            self.backbone.eval()
        rules = AllowedItems.of(histories, len(self.catalog), allowed, exclude_seen=exclude_seen)
        prompts = [self.prompt.tokens(history) for history in histories]
        wide = n if self.hybrid is None else self._beside(n)
        generated = self._generated(histories, prompts, wide, rules, progress)
        if self.hybrid is None:
            return generated.ranking
        return self.hybrid.rank(self.backbone.items, histories, generated, n, rules)

    def _generated(
        self,
        histories: Sequences,
        prompts: Sequence[Sequence[int]],
        n: int,
        rules: AllowedItems,
        progress: Callable[[int, int], None] | None = None,
    ) -> Generated:
        """The n most probable items under the trie, and the states that a hybrid reads."""
        self.trie = self.trie.to(self.backbone.device)
        items = np.full((len(histories), n), NO_ITEM, np.int32)
        scores = np.full((len(histories), n), -np.inf, np.float32)
        states: torch.Tensor | None = None
        if self.hybrid is not None and self.backbone.items is not None:
            # Said outright: loading a model elsewhere may change the default for a while.
            states = torch.zeros(len(histories), self.backbone.width, dtype=torch.float32)
        for group, rows in self._by_domain(histories):
            alone = len(rows) == len(histories)
            asked = [prompts[int(row)] for row in rows]
            with self.backbone.in_domains(torch.tensor([[group]])):
                found = self.search(
                    asked,
                    self.trie,
                    beams=min(max(self.config.decode.beams, n), len(self.catalog)),
                    allowed=rules if alone else rules.take(rows),
                    config=self.config.decode,
                    progress=progress,
                )
                if states is not None and asked:
                    read = found.states
                    states[rows] = last_states(self.backbone, asked) if read is None else read
            width = min(n, found.items.shape[1])
            items[rows, :width] = found.items[:, :width].numpy()
            scores[rows, :width] = found.scores[:, :width].numpy()
        return Generated(Ranking(items, scores), states)

    def tune(self, cases: Holdout) -> float:
        """Weighs a hybrid's signals by NDCG@10 on cases that follow the training data.

        Returns:
            The NDCG@10 of the weights that were chosen.

        Raises:
            ConfigError: it is no hybrid.
        """
        if self.hybrid is None:
            raise ConfigError("This recommender has one signal only; there is nothing to weigh.")
        self.backbone.eval()

        def generated(histories: Sequences) -> Generated:
            prompts = [self.prompt.tokens(history) for history in histories]
            rules = AllowedItems.of(histories, len(self.catalog))
            return self._generated(histories, prompts, self._beside(1), rules)

        return self.hybrid.tune(self.backbone.items, generated, cases)

    def _beside(self, n: int) -> int:
        """How many items a hybrid hears the codes of, where n are asked for: all, if exact."""
        return max(n, self.beams or len(self.catalog))

    def _by_domain(self, histories: Sequences) -> list[tuple[int, np.ndarray]]:
        """Histories that the same adapters of a mixture answer, with their domain."""
        if self.backbone.mixture is None or not len(histories):
            return [(NO_GROUP, np.arange(len(histories)))]
        numbers = np.array([self.prompt.group(history) for history in histories])
        return [(int(one), np.flatnonzero(numbers == one)) for one in np.unique(numbers)]

    def save(self, folder: Path, **about: Any) -> None:
        """Writes adapter, tokenizer, index and options, as a whole or not at all."""
        with write_artefact(folder, "recommender", **about) as temporary:
            self.write(temporary)

    def write(self, folder: Path) -> None:
        """Writes the bare files into a folder that somebody else seals."""
        self.backbone.write(folder)
        self.index.write(folder)
        if self.prompt.groups.names:
            self.prompt.groups.write(folder)
        about: dict[str, Any] = {
            "options": asdict(self.config),
            "template_hash": self.prompt.template_hash,
        }
        if self.hybrid is not None:
            self.hybrid.write(folder)
            about["weights"] = list(self.hybrid.weights)
        if self.learnt.prompts:
            about["learnt"] = asdict(self.learnt)
        if self.fitted is not None:
            about["fit"] = asdict(self.fitted)
        (folder / "generative.json").write_text(json.dumps(about, indent=1))

    @staticmethod
    def load(
        folder: Path,
        catalog: Catalog,
        *,
        backbone: Backbone | None = None,
        search: Search | None = None,
    ) -> GenerativeRecommender:
        """Reads what ``save`` wrote.

        Args:
            backbone: taken instead of the folder's own, when ``search`` has its weights elsewhere.
            search: see the class.

        Raises:
            ArtefactError: missing, truncated or changed.
            ConfigError: made for another catalogue, or with another prompt than the one here.
        """
        open_artefact(folder, "recommender")
        with reading(folder, "recommender", then="Train it again."):
            about = json.loads((folder / "generative.json").read_text())
            config = GenerativeConfig.of(about["options"])
        recommender = GenerativeRecommender(
            Backbone.read(folder) if backbone is None else backbone,
            catalog,
            SemanticIndex.read(folder),
            config,
            search=search,
            groups=HistoryGroups.read(folder, catalog) if config.prompt.group_by else None,
            hybrid=None
            if config.hybrid is None
            else Hybrid.read(
                folder,
                config.hybrid,
                catalog,
                window=config.prompt.history,
                weights=about["weights"],
            ),
        )
        recommender.prompt.check_unchanged(about["template_hash"])
        recommender.learnt = LearntTasks.of(about.get("learnt", {}))
        return recommender


def soft_prefixes(config: GenerativeConfig, groups: HistoryGroups) -> dict[str, list[str]]:
    """Names of the tokens of every soft prefix; none but with ``adapt: prompt``."""
    if config.backbone.adapt != "prompt":
        return {}
    prefixes = {"": "soft_"} | {name: f"soft_{name}_" for name in groups.names}
    numbers = range(config.prompt.soft_tokens)
    return {name: [f"<{start}{n}>" for n in numbers] for name, start in prefixes.items()}


def _loss(model: Any, batch: Batch, *, config: SftConfig, trie: Trie) -> torch.Tensor:
    with model.in_domains(batch["groups"]):
        return sft_loss(model, batch, config, trie)
