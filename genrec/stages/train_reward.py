"""A click model from a table of randomised tests, judged on the tests that it never saw."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genrec.creatives.reward import RewardModel
from genrec.creatives.reward_figures import Interval, accuracy, pairs_of, rank_correlation
from genrec.creatives.reward_options import RewardConfig
from genrec.creatives.reward_training import train_reward
from genrec.data.copy_tests import CopyTests, read_copy_tests
from genrec.data.sources import upworthy
from genrec.encoders.text import TextEncoder
from genrec.errors import InputError

log = logging.getLogger(__name__)

UPWORTHY = "upworthy"


@dataclass(frozen=True)
class RewardRun:
    """What training left behind.

    Attributes:
        held_out: tests that were judged on.
        figures: by name and by who scored (``model``, ``longer``); empty where ``why_not`` says
            why nothing could be judged.
        best, worst: held-out texts by how far the model puts them over the others of their test.
    """

    model: RewardModel
    tests: CopyTests
    held_out: int
    figures: dict[str, dict[str, Interval]]
    why_not: str
    best: list[str]
    worst: list[str]


def train_reward_model(
    source: str | Path,
    folder: Path,
    *,
    columns: Mapping[str, str] | None = None,
    config: RewardConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RewardRun:
    """Trains a click model, saves it and judges it on held-out tests.

    Args:
        source: a file with one row for each arm (``read_copy_tests``), or ``upworthy``.
        progress: of the encoder, then of training.

    Raises:
        InputError: every problem of the file, or too few tests.
    """
    config = config or RewardConfig()
    same = str(source) == UPWORTHY
    tests = upworthy.load() if same else read_copy_tests(source, columns=columns)
    encoder = TextEncoder.from_config(config.encode)
    encoder.encode_texts(tests.texts, progress)
    model = train_reward(tests, encoder, config, progress=progress)
    model.save(folder)
    held = tests.take((tests.part == "test") & tests.fair)
    figures, why_not, best, worst = _judged(model, held)
    count = len(np.unique(held.test_numbers)) if len(held) else 0
    return RewardRun(model, tests, count, figures, why_not, best, worst)


def _judged(
    model: RewardModel, held: CopyTests
) -> tuple[dict[str, dict[str, Interval]], str, list[str], list[str]]:
    if not len(held):
        return {}, "no test fell to the held-out part", [], []
    scores = model.scores(held.texts)
    length = np.array([float(len(text)) for text in held.texts])
    figures: dict[str, dict[str, Interval]] = {}
    why_not = ""
    try:
        pairs = pairs_of(held)
        for name, by in {"model": scores, "longer": length}.items():
            figures[name] = {"all pairs": accuracy(pairs, by, significant=False)}
            if pairs.significant.any():
                figures[name]["significant pairs"] = accuracy(pairs, by, significant=True)
            figures[name]["rank correlation"] = rank_correlation(held, by)
    except InputError as error:
        why_not = str(error)
    means = np.bincount(held.groups, scores) / np.maximum(np.bincount(held.groups), 1)
    several = np.flatnonzero(np.bincount(held.groups)[held.groups] > 1)
    order = several[np.argsort((means[held.groups] - scores)[several], kind="stable")].tolist()
    texts = held.texts
    return figures, why_not, [texts[n] for n in order[:5]], [texts[n] for n in order[-5:]]
