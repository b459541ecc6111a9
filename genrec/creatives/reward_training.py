"""A click model from randomised tests: penalties by validation tests, then scale and spread."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from genrec.creatives.cues import CUES, words_of
from genrec.creatives.listwise import Evidence, fit, loss_per_click, spread_beyond_chance
from genrec.creatives.reward import RewardModel, TextVectors, raw_features
from genrec.creatives.reward_options import RewardConfig
from genrec.data.copy_tests import CopyTests
from genrec.errors import InputError

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
FEWEST_VALIDATION_GROUPS = 10
# A constant feature has no spread to divide by.
_SMALL = 1e-6


@dataclass(frozen=True)
class _Blocks:
    """How many features are of each kind."""

    vectors: int
    words: int

    def spread(self, vector: float, word: float, cue: float) -> np.ndarray:
        sizes = [self.vectors, self.words, len(CUES)]
        return np.repeat([vector, word, cue], sizes).astype(np.float64)


def train_reward(
    tests: CopyTests,
    encoder: TextVectors,
    config: RewardConfig | None = None,
    *,
    progress: Progress | None = None,
) -> RewardModel:
    """A click model of the training tests; test tests are never looked at.

    Arms are compared where they differ in their words alone. Uneven tests (``CopyTests.fair``)
    train with the others, but neither choose penalties nor say how sure the model is.

    Args:
        progress: called with fits done and fits in all.

    Raises:
        InputError: too few tests to train on or to choose by.
    """
    config = config or RewardConfig()
    words = common_words(tests.take(tests.part == "train"), config.words)
    vectors = encoder.encode_texts(tests.texts)
    blocks = _Blocks(vectors.shape[1], len(words))
    raw = raw_features(tests.texts, vectors, words)
    training = raw[tests.part == "train"]
    if not len(training):
        raise InputError("None of the tests is for training. More tests are needed.")
    mean, scale = training.mean(axis=0), training.std(axis=0)
    # One scale for all of a vector's dimensions keeps its angles; presence of a word needs none.
    scale[: blocks.vectors] = max(float(np.sqrt((scale[: blocks.vectors] ** 2).mean())), _SMALL)
    scale[blocks.vectors : blocks.vectors + blocks.words] = 1.0
    scale[scale < _SMALL] = 1.0
    scaled = (raw - mean) / scale
    learn = _evidence(tests, scaled, tests.part == "train")
    check = _evidence(tests, scaled, (tests.part == "validation") & tests.fair)
    groups = int(check.groups.max()) + 1
    if groups < FEWEST_VALIDATION_GROUPS:
        raise InputError(
            f"Only {groups} validation test(s) compare texts, {FEWEST_VALIDATION_GROUPS} are "
            f"needed; a tenth of all tests is for validation. Bring more tests."
        )
    variance = spread_beyond_chance(learn, np.zeros(len(learn.clicks)))
    chosen = _choose(learn, check, blocks, config, variance, progress)
    first = fit(learn, blocks.spread(*chosen), variance=variance)
    scores = check.features @ first.weights
    slope = _slope(check, scores, variance)
    spread = spread_beyond_chance(check, slope * scores)
    if config.refit:
        both = _evidence(tests, scaled, tests.part != "test")
        first = fit(both, blocks.spread(*chosen), variance=variance)
    about = {
        "tests": len(np.unique(tests.test_numbers)),
        "arms": len(tests),
        "data": tests.fingerprint,
        "penalties": dict(zip(("vectors", "words", "cues"), chosen, strict=True)),
        "slope": slope,
        "variance": variance,
        "config": asdict(config),
    }
    log.info("click model: %s", about)
    return RewardModel(
        encoder,
        words=words,
        mean=mean,
        scale=scale,
        weights=slope * first.weights,
        factor=slope * np.linalg.cholesky(first.covariance),
        spread=spread,
        about=about,
    )


def common_words(tests: CopyTests, count: int) -> list[str]:
    """The words of the most tests, the commonest first, equal ones in the alphabet's order.

    A word that only one test has says nothing about others.
    """
    seen: Counter[str] = Counter()
    for _, table in tests.table.group_by("test", maintain_order=True):
        seen.update({word for text in table["text"].to_list() for word in words_of(text)})
    several = [(word, tests_with) for word, tests_with in seen.items() if tests_with > 1]
    return [word for word, _ in sorted(several, key=lambda one: (-one[1], one[0]))[:count]]


def _evidence(tests: CopyTests, features: np.ndarray, rows: np.ndarray) -> Evidence:
    return Evidence(
        features[rows], tests.impressions[rows], tests.clicks[rows], tests.groups[rows]
    ).compared()


def _choose(
    learn: Evidence,
    check: Evidence,
    blocks: _Blocks,
    config: RewardConfig,
    variance: float,
    progress: Progress | None,
) -> tuple[float, float, float]:
    """The penalties that do best on validation tests, one kind of feature after the other."""
    grids = [config.vector_penalties, config.word_penalties, config.cue_penalties]
    total, done = sum(map(len, grids)), 0
    chosen = [grid[len(grid) // 2] for grid in grids]
    for kind, grid in enumerate(grids):
        losses = {}
        for value in grid:
            tried = [*chosen[:kind], value, *chosen[kind + 1 :]]
            found = fit(learn, blocks.spread(*tried), variance=variance)
            losses[value] = loss_per_click(check, check.features @ found.weights, variance=variance)
            done += 1
            if progress is not None:
                progress(done, total)
        chosen[kind] = min(losses, key=lambda value: losses[value])
        log.info("penalties of kind %d: %s", kind, losses)
    return chosen[0], chosen[1], chosen[2]


def _slope(check: Evidence, scores: np.ndarray, variance: float) -> float:
    """What scores are multiplied by so that differences of one are differences of one log odds.

    Never turned round: a model that is wrong on validation tests is worth 0.
    """
    alone = Evidence(scores[:, None], check.impressions, check.clicks, check.groups)
    return max(float(fit(alone, np.array([1e-3]), variance=variance).weights[0]), 0.0)
