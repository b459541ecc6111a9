"""One state, two heads: the backbone that generates semantic IDs also ranks whole items.

The state after a history gives the codes of the next item, one after the other, and beside them a
query that is compared with the vector of every item (Yang et al. 2024, "Unifying generative and
dense retrieval for sequential recommendation", is the idea). Items that nobody has chosen yet enter
there, by their content. What was chosen right after the last items can be a third signal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from genrec.data.allowed import AllowedItems
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.decoding.beam import Scorer, last_states
from genrec.encoders.base import ItemVectors
from genrec.errors import ConfigError
from genrec.llm.item_table import ItemTable
from genrec.recommenders.base import NO_ITEM, Ranking, top_n
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.counts import item_counts
from genrec.recommenders.options import HybridConfig
from genrec.recommenders.scored import CELLS_PER_BATCH
from genrec.recommenders.step_choice import ndcg_sum

TRANSITIONS = "transitions"
# Weights that are tried on validation cases.
GRID = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)
# What is added to the scores of new items, in the same way. Log-probabilities: 2 is a factor of 7.
BONUSES = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
# Cases times items whose signals are held at once while weights are chosen.
TUNING_CELLS = 50_000_000


class DenseBackbone(Scorer, Protocol):
    """What a hybrid needs of a backbone."""

    items: ItemTable | None


@dataclass(frozen=True)
class Signals:
    """Log-probabilities of every item for some users, each of shape (users, items), float32.

    Attributes:
        dense: by the query.
        codes: by the semantic ID; items that the beams lost have the worst kept one's.
        follow: by transitions; ``None`` where they take no part.
        new: which items nobody has chosen yet, bool, shape (items,).
    """

    dense: Tensor
    codes: Tensor
    follow: Tensor | None
    new: Tensor

    def fused(self, generate: float, follow: float, bonus: float = 0.0) -> Tensor:
        """One score for every item.

        Args:
            bonus: added to those of new items.
        """
        scores = self.dense + generate * self.codes + bonus * self.new
        return scores if self.follow is None else scores + follow * self.follow


class Hybrid:
    """What a generative recommender needs to rank whole items too.

    Attributes:
        generate: weight of codes, against 1 of the dense score.
        follow: weight of transitions.
        bonus: added to the scores of items that nobody has chosen yet.
    """

    def __init__(
        self, config: HybridConfig, transitions: Cooccurrence | None, *, window: int
    ) -> None:
        self.config, self.transitions, self.window = config, transitions, window
        self.generate, self.follow, self.bonus = config.generate, config.follow, 0.0

    @property
    def weights(self) -> tuple[float, float, float]:
        """All that was chosen on validation cases."""
        return self.generate, self.follow, self.bonus

    @weights.setter
    def weights(self, chosen: Sequence[float]) -> None:
        # Runs of before new items had a bonus kept two numbers.
        self.generate, self.follow, self.bonus = (*chosen, 0.0)[:3]

    @property
    def told(self) -> str:
        """The weights in words: ``dense + 0.2 codes + 0.4 transitions``."""
        bonus = f", new items {self.bonus:+g}" if self.bonus else ""
        return f"dense + {self.generate:g} codes + {self.follow:g} transitions{bonus}"

    @staticmethod
    def of(config: HybridConfig, dataset: Dataset, *, window: int) -> Hybrid:
        """Counts what a data set has to say.

        Args:
            window: events of a history that the backbone reads.
        """
        transitions = (
            Cooccurrence.train(dataset, decay=config.decay) if config.transitions else None
        )
        return Hybrid(config, transitions, window=window)

    def signals(
        self,
        backbone: DenseBackbone,
        prompts: Sequence[Sequence[int]],
        histories: Sequences,
        generated: Ranking,
    ) -> Signals:
        """All signals for some users.

        Args:
            prompts: of the histories, likewise ``generated``.
        """
        table = backbone.items
        assert table is not None
        states = last_states(backbone, prompts)
        with torch.inference_mode():
            dense = table.queries(states) @ table.unit_vectors().T
            for row, history in enumerate(histories):
                seen = torch.from_numpy(np.unique(history.items[-self.window :]).astype(np.int64))
                dense[row, seen.to(dense.device)] += table.repeat
            dense = dense.log_softmax(dim=1).float().cpu()
        codes = torch.from_numpy(_spread(generated, dense.shape[1]))
        follow = None
        if self.transitions is not None:
            follow = torch.from_numpy(log_floored(self.transitions.scores(histories)))
        return Signals(dense, codes, follow, ~table.trained.cpu())

    def rank(
        self,
        backbone: DenseBackbone,
        prompts: Sequence[Sequence[int]],
        histories: Sequences,
        generated: Ranking,
        n: int,
        rules: AllowedItems,
    ) -> Ranking:
        """The n best items by all signals together."""
        items = np.full((len(histories), n), NO_ITEM, np.int32)
        scores = np.full((len(histories), n), -np.inf, np.float32)
        for rows in parts(len(histories), rules.items):
            found = self.signals(
                backbone,
                [prompts[row] for row in rows],
                histories.take(rows),
                Ranking(generated.items[rows], generated.scores[rows]),
            )
            fused = found.fused(*self.weights).numpy()
            best = top_n(fused, n, rules.take(rows).dense())
            items[rows], scores[rows] = best.items, best.scores
        return Ranking(items, scores)

    def tune(
        self,
        backbone: DenseBackbone,
        prompts: Callable[[Sequences], Sequence[Sequence[int]]],
        generated: Callable[[Sequences], Ranking],
        cases: Holdout,
    ) -> float:
        """Chooses the weights by NDCG@10 on cases that were not trained on, nothing filtered.

        The bonus of new items is the largest that costs no more than ``new_item_cost``: so few of
        the cases end at one that the figure itself would never ask for them.

        Returns:
            The NDCG@10 of the chosen weights.
        """
        table = backbone.items
        assert table is not None
        items = len(table)
        cases = cases.take(np.arange(min(len(cases), max(100, TUNING_CELLS // max(1, items)))))

        def reached(tried: Sequence[tuple[float, float, float]]) -> dict[tuple[float, ...], float]:
            totals = dict.fromkeys(tried, 0.0)
            for rows in parts(len(cases), items):
                part = cases.take(rows)
                found = self.signals(
                    backbone, prompts(part.histories), part.histories, generated(part.histories)
                )
                for weights in tried:
                    totals[weights] += ndcg_sum(found.fused(*weights), part.targets)
            return {weights: total / max(1, len(cases)) for weights, total in totals.items()}

        follows = GRID if self.transitions is not None else (0.0,)
        without = reached([(one, other, 0.0) for one in GRID for other in follows])
        # The smallest weights among equals: no signal without a reason.
        best = min(without, key=lambda weights: (-without[weights], sum(weights)))
        self.weights = best
        allowed = without[best] * (1 - self.config.new_item_cost)
        if not self.config.new_item_cost or bool(table.trained.all()):
            return without[best]
        shown = reached([(self.generate, self.follow, bonus) for bonus in BONUSES])
        self.weights = max(
            (one for one in shown if shown[one] >= allowed), key=lambda weights: weights[2]
        )
        return shown[self.weights]

    def write(self, folder: Path) -> None:
        """Writes the counts into a folder that somebody else seals."""
        if self.transitions is not None:
            (folder / TRANSITIONS).mkdir()
            self.transitions.save(folder / TRANSITIONS)

    @staticmethod
    def read(
        folder: Path,
        config: HybridConfig,
        catalog: Catalog,
        *,
        window: int,
        weights: Sequence[float],
    ) -> Hybrid:
        """Reads what ``write`` wrote, with weights that were chosen before."""
        transitions = (
            Cooccurrence.load(folder / TRANSITIONS, catalog) if config.transitions else None
        )
        hybrid = Hybrid(config, transitions, window=window)
        hybrid.weights = weights
        return hybrid


def item_table(
    config: HybridConfig, dataset: Dataset, vectors: ItemVectors | None, width: int
) -> ItemTable:
    """The untrained table of a data set's items.

    Raises:
        ConfigError: there are no vectors, or those of other items.
    """
    if vectors is None:
        raise ConfigError("A hybrid reads items as vectors. Give GenerativeRecommender.train them.")
    if list(vectors.item_ids) != list(dataset.catalog.ids):
        raise ConfigError(
            f"The vectors are of {len(vectors):,} items and the catalogue has "
            f"{len(dataset.catalog):,}, or their order differs. Encode this catalogue."
        )
    trained = torch.from_numpy(item_counts(dataset) > 0)
    return ItemTable(torch.from_numpy(vectors.vectors), width, config.table, trained=trained)


def parts(users: int, items: int) -> Iterator[np.ndarray]:
    """Rows of users whose scores are held together."""
    step = max(1, min(256, CELLS_PER_BATCH // max(1, items)))
    for start in range(0, users, step):
        yield np.arange(start, min(start + step, users))


def log_floored(scores: np.ndarray) -> np.ndarray:
    """Logarithms; an item that nobody has chosen counts like the least of those that somebody has.

    Its place is then left to its content.
    """
    least = np.where(scores > 0, scores, np.inf).min(axis=1, keepdims=True, initial=1.0)
    logs: np.ndarray = np.log(np.maximum(scores, least))
    return logs


def _spread(generated: Ranking, items: int) -> np.ndarray:
    """Log-probabilities of the generated items in the place of each, shape (users, items)."""
    kept = generated.items != NO_ITEM
    worst = np.where(kept, generated.scores, np.inf).min(axis=1, initial=np.inf)
    worst[~np.isfinite(worst)] = 0.0
    spread = np.repeat(worst[:, None].astype(np.float32), items, axis=1)
    rows, columns = kept.nonzero()
    spread[rows, generated.items[rows, columns]] = generated.scores[rows, columns]
    return spread
