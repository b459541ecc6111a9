"""How well a recommender answers what it learned beside the next item, each beside its control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import History, Sequences
from genrec.errors import InputError
from genrec.evaluation.significance import RESAMPLES
from genrec.recommenders.counts import item_counts
from genrec.recommenders.tasks.answering import Answering
from genrec.recommenders.tasks.histories import other_choice
from genrec.recommenders.tasks.reviews import Reviews

# Reviews as an average one that a user's or an item's own are mixed with.
SMOOTHING = 5.0


@dataclass(frozen=True)
class Sureness:
    """How sure figures over the same cases are: percentile intervals, cases drawn anew.

    Attributes:
        intervals: low and high of each figure, 95 %.
        differences: model minus each control, and the low and high of that.
    """

    intervals: dict[str, tuple[float, float]]
    differences: dict[str, tuple[float, float, float]]

    @staticmethod
    def of(
        figures: Callable[[np.ndarray], dict[str, float]], cases: int, *, seed: int = 0
    ) -> Sureness:
        """Draws cases with replacement; all figures share the draws.

        Args:
            figures: of some cases, by their numbers; ``model`` is among them.
        """
        generator = np.random.default_rng(seed)
        whole = figures(np.arange(cases))
        draws = [figures(generator.integers(0, cases, cases)) for _ in range(RESAMPLES)]
        drawn = {name: np.array([one[name] for one in draws]) for name in whole}

        def ends(values: np.ndarray, middle: float) -> tuple[float, float]:
            low, high = np.quantile(values, (0.025, 0.975))
            return min(float(low), middle), max(float(high), middle)

        apart = {
            name: (whole["model"] - whole[name], drawn["model"] - drawn[name])
            for name in whole
            if name != "model"
        }
        return Sureness(
            {name: ends(drawn[name], value) for name, value in whole.items()},
            {name: (by, *ends(values, by)) for name, (by, values) in apart.items()},
        )


@dataclass(frozen=True)
class RatingFigures:
    """Root mean squared errors in stars, over the same held-out ratings.

    Attributes:
        model: expected stars of the recommender.
        biases: control: the mean, and by how much the user and the item lie above it.
        mean: control: the mean of all training ratings.
        ratings: how many were judged.
        sureness: intervals of all three, and of the model's differences.
    """

    model: float
    biases: float
    mean: float
    ratings: int
    sureness: Sureness

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class DirectFigures:
    """Areas under the curve: how often the item chosen stands above one that somebody else chose.

    Attributes:
        model: by the log-odds of yes.
        popularity: control: by how often items were chosen in training.
        strangers: control: the same questions to the same model with other users' histories.
        cases: how many items were chosen; as many were not.
        sureness: intervals of all three, and of the model's differences.
    """

    model: float
    popularity: float
    strangers: float
    cases: int
    sureness: Sureness

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def judge_ratings(
    answering: Answering, training: Dataset, cases: Holdout, *, most: int = 1000, seed: int = 0
) -> RatingFigures:
    """Errors on the ratings of held-out choices.

    Args:
        training: what the recommender was trained on; ``extras`` may hold later reviews too.
        most: ratings that are judged at most, drawn by the seed.

    Raises:
        InputError: no held-out choice was rated, or none in training.
    """
    # A review belongs to the first event of its pair: that of training, if there is one.
    both = Sequences.of(
        [
            History(np.append(history.items, targets.items), user=targets.user)
            for history, targets in zip(cases.histories, cases.targets, strict=True)
        ]
    )
    said, known = Reviews.of(training, both), Reviews.of(training, training.sequences)
    later = np.zeros(0, np.int64)
    if said is not None:
        later = said.rated[
            said.places[said.rated] >= cases.histories.lengths[said.users[said.rated]]
        ]
    if said is None or known is None or not len(later) or not len(known.rated):
        raise InputError("There are no ratings to judge by: training and test both need some.")
    rows = np.random.default_rng(seed).permutation(len(later))[:most]
    later = later[np.sort(rows)]
    given, items = said.ratings[later], said.items[later]
    histories = cases.histories.take(said.users[later])
    mean = float(known.ratings[known.rated].mean())
    biases = _by_biases(known, training, histories.users, items, mean)
    said_of = {
        "model": np.asarray(answering.stars(histories, items.tolist())),
        "biases": biases,
        "mean": np.full(len(given), mean),
    }

    def errors(rows: np.ndarray) -> dict[str, float]:
        return {name: _rmse(stars[rows], given[rows]) for name, stars in said_of.items()}

    whole = errors(np.arange(len(given)))
    sureness = Sureness.of(errors, len(given), seed=seed)
    return RatingFigures(**whole, ratings=len(given), sureness=sureness)


def judge_direct(
    answering: Answering, training: Dataset, cases: Holdout, *, most: int = 500, seed: int = 0
) -> DirectFigures:
    """Whether held-out choices are told from items that others chose, drawn as often as chosen."""
    generator = np.random.default_rng(seed)
    cases = cases.take(np.sort(generator.permutation(len(cases))[:most]))
    chosen = [int(targets.items[0]) for targets in cases.targets]
    all_items = training.sequences.items
    others = [other_choice(all_items, item, generator) for item in chosen]
    asked, histories = [*chosen, *others], [*cases.histories, *cases.histories]
    strangers = [histories[(row + 1) % len(cases)] for row in range(len(cases))] * 2
    truth = np.repeat([True, False], len(cases))
    scores = {
        "model": np.asarray(answering.chooses(Sequences.of(histories), asked)),
        "popularity": item_counts(training)[asked],
        "strangers": np.asarray(answering.chooses(Sequences.of(strangers), asked)),
    }

    def areas(rows: np.ndarray) -> dict[str, float]:
        # A case is the item that was chosen and the one beside it that was not.
        both = np.concatenate([rows, rows + len(cases)])
        return {name: area_under_curve(given[both], truth) for name, given in scores.items()}

    whole = areas(np.arange(len(cases)))
    sureness = Sureness.of(areas, len(cases), seed=seed)
    return DirectFigures(**whole, cases=len(cases), sureness=sureness)


def area_under_curve(scores: Sequence[float] | np.ndarray, truth: np.ndarray) -> float:
    """The chance that a true one scores above a false one, ties counted half (Mann and Whitney)."""
    scores = np.asarray(scores, np.float64)
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Ranks from 1; equal scores share the mean of theirs.
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[places]
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        raise InputError("An area under the curve needs true and false cases.")
    surplus = ranks[truth].sum() - positives * (positives + 1) / 2
    return float(surplus / (positives * negatives))


def _by_biases(
    known: Reviews, training: Dataset, users: np.ndarray, items: np.ndarray, mean: float
) -> np.ndarray:
    """The mean, plus what is left of the item's and then of the user's own ratings above it."""
    rated = known.rated
    above = known.ratings[rated] - mean
    of_item = _shrunk(known.items[rated], above, len(training.catalog))
    rest = above - of_item[known.items[rated]]
    of_user = _shrunk(known.users[rated], rest, len(training.users))
    rows = {str(user): row for row, user in enumerate(training.users)}
    own = np.array([of_user[rows[str(user)]] if str(user) in rows else 0.0 for user in users])
    return mean + of_item[items] + own


def _shrunk(groups: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    totals = np.bincount(groups, values, minlength=count)
    return totals / (np.bincount(groups, minlength=count) + SMOOTHING)


def _rmse(said: np.ndarray, given: np.ndarray) -> float:
    return float(np.sqrt(np.mean((said - given) ** 2)))
