"""How well a recommender answers what it learned beside the next item, each beside its control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import History, Sequences
from genrec.errors import InputError
from genrec.recommenders.counts import item_counts
from genrec.recommenders.tasks.answering import Answering
from genrec.recommenders.tasks.histories import other_choice
from genrec.recommenders.tasks.reviews import Reviews

# Reviews as an average one that a user's or an item's own are mixed with.
SMOOTHING = 5.0


@dataclass(frozen=True)
class RatingFigures:
    """Root mean squared errors in stars, over the same held-out ratings.

    Attributes:
        model: expected stars of the recommender.
        biases: control: the mean, and by how much the user and the item lie above it.
        mean: control: the mean of all training ratings.
        ratings: how many were judged.
    """

    model: float
    biases: float
    mean: float
    ratings: int

    def to_dict(self) -> dict[str, float]:
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
    """

    model: float
    popularity: float
    strangers: float
    cases: int

    def to_dict(self) -> dict[str, float]:
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
    return RatingFigures(
        _rmse(answering.stars(histories, items.tolist()), given),
        _rmse(biases, given),
        _rmse(np.full(len(given), mean), given),
        len(given),
    )


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
    counts = item_counts(training)
    return DirectFigures(
        area_under_curve(answering.chooses(Sequences.of(histories), asked), truth),
        area_under_curve(counts[asked], truth),
        area_under_curve(answering.chooses(Sequences.of(strangers), asked), truth),
        len(cases),
    )


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
