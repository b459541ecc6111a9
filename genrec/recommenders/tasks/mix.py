"""Several tasks in one stream of rows, each as often as its weight says."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genrec.data.dataset import Dataset
from genrec.errors import InputError
from genrec.llm.backbone import Backbone
from genrec.prompting import PromptLibrary
from genrec.recommenders.history_prompt import HistoryPrompt, HistoryRows
from genrec.recommenders.options import GenerativeConfig
from genrec.recommenders.tasks.catalogue import IdToTitle, ItemToItem, TitleToId
from genrec.recommenders.tasks.histories import Direct, MixedHistory, PreferenceSummary
from genrec.recommenders.tasks.material import Material
from genrec.recommenders.tasks.opinions import Explanation, Rating, ReviewSummary
from genrec.recommenders.tasks.task import Task
from genrec.training.packing import RowSource, TokenRow

log = logging.getLogger(__name__)

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        TitleToId,
        IdToTitle,
        MixedHistory,
        PreferenceSummary,
        ItemToItem,
        Rating,
        Direct,
        Explanation,
        ReviewSummary,
    )
}


@dataclass(frozen=True)
class LearntTasks:
    """What a recommender learned beside the next item.

    Attributes:
        prompts: hash of each task's template, by the task's name.
        stars: the most that there were in training; 0 without ratings.
        left_out: a line for each task that the data could not give.
        fingerprint: of what was learned from beside the events.
    """

    prompts: Mapping[str, str]
    stars: int = 0
    left_out: tuple[str, ...] = ()
    fingerprint: str = ""

    @staticmethod
    def of(values: Mapping[str, Any]) -> LearntTasks:
        """From what ``dataclasses.asdict`` gave, or from nothing."""
        left_out = tuple(values.get("left_out", ()))
        return LearntTasks(**{"prompts": {}, **values, "left_out": left_out})


class MixedRows:
    """Rows of several sources; a source may give fewer than it has, or the same ones again.

    Each row of the mix stands for a few rows of like length of its source and is another of them in
    each epoch. So lengths stay the same, as packing wants them, and nothing is left out for good.

    Args:
        parts: sources, none empty, and how many rows of each.
    """

    def __init__(self, parts: Sequence[tuple[RowSource, int]], *, seed: int) -> None:
        self._sources = [source for source, _ in parts]
        generator = np.random.default_rng((seed, 2))
        owners, orders, spans, counts = [], [], [], []
        for number, (source, rows) in enumerate(parts):
            lengths = source.token_counts
            order = np.arange(len(lengths))
            if rows != len(lengths):
                order = np.lexsort((generator.random(len(lengths)), lengths))
            slots = np.arange(rows)
            starts = slots * len(lengths) // rows
            ends = np.maximum(starts + 1, -(-(slots + 1) * len(lengths) // rows))
            owners.append(np.full(rows, number))
            orders.append(order)
            spans.append(np.stack([starts, ends, generator.integers(0, 1 << 30, rows)], axis=1))
            counts.append(lengths[order[ends - 1]])
        self._owners, self._spans = np.concatenate(owners), np.concatenate(spans)
        self._orders, self._counts = orders, np.concatenate(counts)

    @property
    def token_counts(self) -> np.ndarray:
        return self._counts

    def source(self, number: int) -> int:
        """Which source a row is of."""
        return int(self._owners[number])

    def row(self, number: int, epoch: int) -> TokenRow:
        """One row; the same number and epoch give the same."""
        start, end, first = (int(value) for value in self._spans[number])
        owner = self.source(number)
        chosen = self._orders[owner][start + (first + epoch) % (end - start)]
        return self._sources[owner].row(int(chosen), epoch)


def training_rows(
    prompt: HistoryPrompt,
    backbone: Backbone,
    dataset: Dataset,
    config: GenerativeConfig,
    summaries: Mapping[str, str] | None = None,
) -> tuple[RowSource, LearntTasks]:
    """What a recommender trains on, and what it learns by that.

    Args:
        summaries: see ``Material``.

    Raises:
        InputError: no task is left that the data can give.
    """
    seed, tasks = config.fit.seed, config.tasks
    windows = HistoryRows(prompt, dataset.sequences, seed=seed, windows=config.sft.windows)
    if tasks.plain:
        return windows, LearntTasks({})
    library = PromptLibrary()
    material = Material(dataset, backbone, prompt, tasks, summaries or {}, seed, library)
    left_out: list[str] = []
    parts: list[tuple[RowSource, int]] = []
    if tasks.next_item and windows.spans:
        parts.append((windows, _rows(tasks.next_item, windows)))
    prompts: dict[str, str] = {}
    for name in tasks.beside:
        lacking = [why for need in TASKS[name].needs if (why := material.lacks(need))]
        source = None if lacking else TASKS[name](material)
        if source is None or not len(source.token_counts):
            left_out.append(f"{name}: {lacking[0] if lacking else 'there are no examples'}")
            log.warning("The task %s is left out: %s", name, left_out[-1].partition(": ")[2])
            continue
        parts.append((source, _rows(tasks.weights[name], windows)))
        prompts[name] = library.hash(TASKS[name].prompt)
    if not parts:
        raise InputError("The data give none of the tasks that are to be learned.", left_out)
    stars = material.stars if "rating" in prompts else 0
    learnt = LearntTasks(prompts, stars, tuple(left_out), material.fingerprint)
    return MixedRows(parts, seed=seed), learnt


def _rows(weight: float, windows: HistoryRows) -> int:
    return max(1, round(weight * len(windows.spans)))
