"""Which validation cases choose the steps of a training, the weights of a hybrid, and the gate.

The cases come from the training part of the split. They are drawn once, by the seed of the
training, so that every stage of a run means the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.data.dataset import Holdout
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender


@dataclass(frozen=True)
class ValidationUsers:
    """Validation cases with the order in which they were drawn.

    Attributes:
        cases: all of them, as the split made them.
        rows: of ``cases``, in the order of the draw.
        wanted: how many of the first choose the number of steps; at least 1 where there are cases.
    """

    cases: Holdout
    rows: np.ndarray
    wanted: int

    @staticmethod
    def drawn(recipe: Recipe, cases: Holdout) -> ValidationUsers:
        """As many as the recipe asks for; ``evaluate.validation_users: 0`` asks for all."""
        rows = np.random.default_rng(recipe.train.seed).permutation(len(cases))
        return ValidationUsers(cases, rows, recipe.evaluate.validation_users or len(rows))

    def choosing(self, *, at_most: int | None = None) -> Holdout:
        """Those that choose the number of steps."""
        return self.cases.take(np.sort(self.rows[: self._first(at_most)]))

    def asked(self, users: int, *, after: int) -> Holdout:
        """So many others, at most, behind the first ``after`` that choose the steps."""
        start = self._first(after)
        return self.cases.take(np.sort(self.rows[start : start + users]))

    @property
    def in_order(self) -> Holdout:
        """All in the order of the draw."""
        return self.cases.take(self.rows)

    def _first(self, at_most: int | None) -> int:
        return self.wanted if at_most is None else min(self.wanted, at_most)


def weigh_signals(recommender: GenerativeRecommender, users: ValidationUsers) -> None:
    """Chooses a hybrid's weights on the validation cases, if it is one whose weights are chosen."""
    if recommender.hybrid is not None and recommender.hybrid.config.tune:
        # In the order of the draw, since large catalogues are weighed on the first of them alone.
        recommender.tune(users.in_order)
