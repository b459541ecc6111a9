"""A run's answers to what it learned beside the next item, judged on the test cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genrec.errors import ConfigError
from genrec.evaluation.task_figures import (
    DirectFigures,
    RatingFigures,
    judge_direct,
    judge_ratings,
)
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.tasks.answering import Answering
from genrec.stages.judge import check_held_out
from genrec.stages.recommend import open_llm
from genrec.stages.run import Observer
from genrec.stages.shop import stored_run

STAGE = "Judge tasks"


@dataclass(frozen=True)
class TaskJudgement:
    """Figures of the tasks that were learned; ``None`` for one that was not."""

    rating: RatingFigures | None
    direct: DirectFigures | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        parts = {"rating": self.rating, "direct": self.direct}
        return {name: part.to_dict() for name, part in parts.items() if part is not None}


def judge_tasks(
    folder: Path, *, most: int = 500, observer: Observer | None = None
) -> TaskJudgement:
    """Stars and yes or no on a run's test cases, each beside its controls.

    Args:
        most: cases that are judged at most.

    Raises:
        ArtefactError: the run has no recommender.
        ConfigError: it has learned neither, or an update trained on the test cases.
        InputError: no test case was rated.
    """
    run = stored_run(folder)
    run.observer = observer or Observer()
    check_held_out(run)
    dataset, recommender = open_llm(run)
    learnt = getattr(recommender, "learnt", None)
    if not isinstance(recommender, GenerativeRecommender) or not (
        learnt and {"rating", "direct"} & set(learnt.prompts)
    ):
        raise ConfigError(
            f"The recommender in {folder} has learned neither 'rating' nor 'direct'. Give them "
            "weights in the recipe's section tasks, and run it again."
        )
    training, test = dataset.split(run.recipe.evaluate.split)
    answering, seed = Answering(recommender), recommender.seed
    with run.stage(STAGE) as stage:
        rating = direct = None
        if "rating" in recommender.learnt.prompts:
            rating = judge_ratings(answering, training, test, most=most, seed=seed)
        if "direct" in recommender.learnt.prompts:
            direct = judge_direct(answering, training, test, most=most, seed=seed)
        stage.note = ", ".join(TaskJudgement(rating, direct).to_dict())
    return TaskJudgement(rating, direct)
