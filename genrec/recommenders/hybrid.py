"""One state, two heads: the backbone that generates semantic IDs also ranks whole items.

The state after a history gives the codes of the next item, one after the other, and beside them a
query that is compared with the vector of every item (Yang et al. 2024, "Unifying generative and
dense retrieval for sequential recommendation", is the idea). Items that nobody has chosen yet enter
there, by their content. What was chosen right after the last items can be a third signal, and how
often the user chose an item before a fourth: where people buy the same things again, no other says
more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genrec.data.allowed import AllowedItems
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.encoders.base import ItemVectors
from genrec.errors import ConfigError
from genrec.llm.item_table import ItemTable
from genrec.llm.options import ItemTableConfig
from genrec.recommenders.base import NO_ITEM, Ranking, top_n
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.counts import item_counts
from genrec.recommenders.habit import own_counts
from genrec.recommenders.options import HybridConfig
from genrec.recommenders.scored import CELLS_PER_BATCH
from genrec.recommenders.step_choice import ndcg_sum

TRANSITIONS = "transitions"
# Weights that are tried on validation cases.
GRID = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)
# Weights of own counts. A logarithm of a count spans little, so they go higher.
HABITS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0)
# What is added to the scores of new items, in the same way. Log-probabilities: 2 is a factor of 7.
BONUSES = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
# Cases times items whose signals are held at once while weights are chosen.
TUNING_CELLS = 50_000_000
# Of codes, transitions, the bonus of new items, own counts.
Weights = tuple[float, float, float, float]


@dataclass(frozen=True)
class Generated:
    """What the LLM makes of some histories.

    Attributes:
        ranking: items by their semantic IDs.
        states: after each history, shape (histories, hidden size), float32, on the CPU; ``None``
            where whole items are not learned.
    """

    ranking: Ranking
    states: Tensor | None

    def take(self, rows: np.ndarray) -> Generated:
        """Of some of the histories."""
        return Generated(
            Ranking(self.ranking.items[rows], self.ranking.scores[rows]),
            None if self.states is None else self.states[torch.from_numpy(rows)],
        )


@dataclass(frozen=True)
class Signals:
    """Log-probabilities of every item for some users, each of shape (users, items), float32.

    Attributes:
        dense: by the query; zeros where whole items are not learned.
        codes: by the semantic ID; items that the beams lost have the worst kept one's.
        follow: by transitions; ``None`` where they take no part.
        counts: how often each user chose each item before, as the logarithm of 1 more than the
            decayed number of times; no probability.
        new: which items nobody has chosen yet, bool, shape (items,).
    """

    dense: Tensor
    codes: Tensor
    follow: Tensor | None
    counts: Tensor
    new: Tensor

    def fused(
        self, generate: float, follow: float, bonus: float = 0.0, habit: float = 0.0
    ) -> Tensor:
        """One score for every item.

        Args:
            bonus: added to those of new items.
            habit: weight of own counts.
        """
        scores = self.dense + generate * self.codes + bonus * self.new
        if habit:
            scores += habit * self.counts
        return scores if self.follow is None else scores + follow * self.follow


class Hybrid:
    """What a generative recommender needs to rank whole items too.

    Args:
        window: events of a history that the backbone reads.
        items: of the catalogue.

    Attributes:
        generate: weight of codes, against 1 of the dense score; 1 where there is none.
        follow: weight of transitions.
        bonus: added to the scores of items that nobody has chosen yet.
        habit: weight of how often the user chose an item before.
    """

    def __init__(
        self, config: HybridConfig, transitions: Cooccurrence | None, *, window: int, items: int
    ) -> None:
        self.config, self.transitions = config, transitions
        self.window, self.items = window, items
        self.generate = 1.0 if config.table is None else config.generate
        self.follow = config.follow
        self.bonus, self.habit = 0.0, config.habit

    @property
    def weights(self) -> Weights:
        """All that was chosen on validation cases, as ``Signals.fused`` takes them."""
        return self.generate, self.follow, self.bonus, self.habit

    @weights.setter
    def weights(self, chosen: Sequence[float]) -> None:
        # Runs of before new items had a bonus kept two numbers, those of before habits three.
        self.generate, self.follow, self.bonus, self.habit = (*chosen, 0.0, 0.0)[:4]

    @property
    def told(self) -> str:
        """The weights in words: ``dense + 0.2 codes + 0.4 transitions``."""
        habit = f" + {self.habit:g} own counts" if self.habit else ""
        bonus = f", new items {self.bonus:+g}" if self.bonus else ""
        first = "codes" if self.config.table is None else f"dense + {self.generate:g} codes"
        return f"{first} + {self.follow:g} transitions{habit}{bonus}"

    @staticmethod
    def of(config: HybridConfig, dataset: Dataset, *, window: int) -> Hybrid:
        """Counts what a data set has to say."""
        transitions = (
            Cooccurrence.train(dataset, decay=config.decay) if config.transitions else None
        )
        return Hybrid(config, transitions, window=window, items=len(dataset.catalog))

    def signals(
        self, table: ItemTable | None, histories: Sequences, generated: Generated
    ) -> Signals:
        """All signals for some users.

        Args:
            table: of whole items, if they are learned.
            generated: what the LLM makes of the histories.
        """
        new = torch.zeros(self.items, dtype=torch.bool) if table is None else ~table.trained.cpu()
        dense = torch.zeros(len(histories), self.items, dtype=torch.float32)
        if table is not None:
            assert generated.states is not None
            dense = self._dense(table, generated.states, histories)
        codes = torch.from_numpy(_spread(generated.ranking, self.items))
        follow = None
        if self.transitions is not None:
            follow = torch.from_numpy(log_floored(self.transitions.scores(histories)))
        counts = torch.from_numpy(own_counts(histories, self.items, self.config.habit_decay))
        return Signals(dense, codes, follow, counts, new)

    def _dense(self, table: ItemTable, states: Tensor, histories: Sequences) -> Tensor:
        """Log-probabilities by the query, shape (users, items), float32."""
        with torch.inference_mode():
            items = table.unit_vectors()
            dense = table.queries(states.to(items.device)) @ items.T
            for row, history in enumerate(histories):
                seen = torch.from_numpy(np.unique(history.items[-self.window :]).astype(np.int64))
                dense[row, seen.to(dense.device)] += table.repeat
            return dense.log_softmax(dim=1).float().cpu()

    def rank(
        self,
        table: ItemTable | None,
        histories: Sequences,
        generated: Generated,
        n: int,
        rules: AllowedItems,
    ) -> Ranking:
        """The n best items by all signals together."""
        items = np.full((len(histories), n), NO_ITEM, np.int32)
        scores = np.full((len(histories), n), -np.inf, np.float32)
        for rows in parts(len(histories), rules.items):
            found = self.signals(table, histories.take(rows), generated.take(rows))
            fused = found.fused(*self.weights).numpy()
            best = top_n(fused, n, rules.take(rows).dense())
            items[rows], scores[rows] = best.items, best.scores
        return Ranking(items, scores)

    def tune(
        self,
        table: ItemTable | None,
        generated: Callable[[Sequences], Generated],
        cases: Holdout,
    ) -> float:
        """Chooses the weights by NDCG@10 on cases that were not trained on, nothing filtered.

        Those of codes and transitions first; then, where any of the cases ends at an item that its
        user had chosen before, that of own counts, and the first two again beside it. The bonus of
        new items is the largest that costs no more than ``new_item_cost``: so few of the cases end
        at one that the figure itself would never ask for them.

        Returns:
            The NDCG@10 of the chosen weights.
        """
        most = max(100, TUNING_CELLS // max(1, self.items))
        cases = cases.take(np.arange(min(len(cases), most)))
        shares = [cases.take(rows) for rows in parts(len(cases), self.items)]
        # Generated once: only the weights differ from one trial to the next.
        known = [(generated(share.histories), share) for share in shares]

        def reached(tried: Sequence[Weights]) -> dict[Weights, float]:
            totals = dict.fromkeys(tried, 0.0)
            for one, share in known:
                found = self.signals(table, share.histories, one)
                for weights in tried:
                    totals[weights] += ndcg_sum(found.fused(*weights), share.targets)
            return {weights: total / max(1, len(cases)) for weights, total in totals.items()}

        def choose(tried: Sequence[Weights]) -> float:
            figures = reached(tried)
            # The smallest weights among equals: no signal without a reason.
            best = min(tried, key=lambda weights: (-figures[weights], sum(weights)))
            self.weights = best
            return figures[best]

        follows = GRID if self.transitions is not None else (0.0,)
        generates = GRID if table is not None else (1.0,)
        best = choose([(one, other, 0.0, 0.0) for one in generates for other in follows])
        if any(chosen_again(share) for share in shares):
            best = choose([(self.generate, self.follow, 0.0, habit) for habit in HABITS])
            if self.habit:
                beside = [(one, other, 0.0, self.habit) for one in generates for other in follows]
                best = choose(beside)
        if not self.config.new_item_cost or table is None or bool(table.trained.all()):
            return best
        shown = reached([(self.generate, self.follow, bonus, self.habit) for bonus in BONUSES])
        allowed = best * (1 - self.config.new_item_cost)
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
        hybrid = Hybrid(config, transitions, window=window, items=len(catalog))
        hybrid.weights = weights
        return hybrid


def item_table(
    config: ItemTableConfig, dataset: Dataset, vectors: ItemVectors | None, width: int
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
    return ItemTable(torch.from_numpy(vectors.vectors), width, config, trained=trained)


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


def chosen_again(cases: Holdout) -> bool:
    """Whether any target stands in the history before it."""
    return any(
        np.isin(target.items, history.items).any()
        for history, target in zip(cases.histories, cases.targets, strict=True)
    )


def _spread(generated: Ranking, items: int) -> np.ndarray:
    """Log-probabilities of the generated items in the place of each, shape (users, items)."""
    kept = generated.items != NO_ITEM
    worst = np.where(kept, generated.scores, np.inf).min(axis=1, initial=np.inf)
    worst[~np.isfinite(worst)] = 0.0
    spread = np.repeat(worst[:, None].astype(np.float32), items, axis=1)
    rows, columns = kept.nonzero()
    spread[rows, generated.items[rows, columns]] = generated.scores[rows, columns]
    return spread
