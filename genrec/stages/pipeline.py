"""The way from tables to recommendations, one stage after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from genrec.data.dataset import Dataset, Holdout
from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.one_pass import OnePassRecommender
from genrec.stages.collaborate import vectors_of_ids
from genrec.stages.judge import Judgement, judge
from genrec.stages.prefer import prefer
from genrec.stages.prepare import build_ids, encode, load_data
from genrec.stages.recommend import Shown, open_recommender, recommend, typical_user
from genrec.stages.run import Observer, Run
from genrec.stages.train import train
from genrec.stages.train_one_pass import train_one_pass
from genrec.workspace import Workspace

STAGES = ("load_data", "encode", "build_ids", "train", "prefer", "evaluate")


@dataclass(frozen=True)
class Outcome:
    """What a whole run leaves in hand.

    Attributes:
        report: the figures beside the controls.
        shown: recommendations for one user, from everything before the test.
    """

    report: Judgement
    shown: Shown


def run_recipe(
    recipe: Recipe, workspace: Workspace, observer: Observer | None = None, *, until: str = ""
) -> Outcome | None:
    """Runs a recipe in a workspace; what is up to date there is used again.

    Args:
        until: the last stage to run, one of ``STAGES``; empty runs all.

    Returns:
        ``None`` when the run was told to end before the evaluation.
    """
    _refuse_updated(workspace)
    run = Run(recipe, workspace, observer or Observer())
    with workspace.lock():
        workspace.record("recipe", recipe.model_dump(mode="json"))
        dataset = load_data(run)
        if until == "load_data":
            return None
        vectors = encode(run, dataset)
        if until == "encode":
            return None
        index = build_ids(run, dataset, vectors)
        if until == "build_ids":
            return None
        training, test = dataset.split(recipe.evaluate.split)
        recommender: GenerativeRecommender | OnePassRecommender
        if recipe.one_pass is None:
            recommender = train(run, training, index, vectors_of_ids(run, vectors))
            if recipe.preference is not None and until != "train":
                recommender = prefer(run, recommender, training)
        else:
            recommender = train_one_pass(run, training, index)
        if until in ("train", "prefer"):
            return None
        return _outcome(run, recommender, training, test)


def evaluate_again(
    recipe: Recipe, workspace: Workspace, observer: Observer | None = None
) -> Outcome:
    """Judges a workspace's recommender on its stored data; nothing is read or trained anew.

    Raises:
        ArtefactError: the workspace has no data set or no recommender, or they are damaged.
    """
    if workspace.place != workspace.root and recipe.evaluate.split == "global-time":
        raise ConfigError(
            f"{workspace.folder} was updated, and its version in use was trained on events of the "
            "last tenth, by which this recipe judges. Its own held-out cases are in "
            f"{workspace.path('update') / 'report.txt'}."
        )
    run = Run(recipe, workspace, observer or Observer())
    with workspace.lock():
        dataset, recommender = open_recommender(run)
        run.keys["recommender"] = workspace.run["artefacts"]["recommender"]["key"]
        training, test = dataset.split(recipe.evaluate.split)
        return _outcome(run, recommender, training, test)


def _outcome(
    run: Run,
    recommender: GenerativeRecommender | OnePassRecommender,
    training: Dataset,
    test: Holdout,
) -> Outcome:
    recipe = run.recipe
    report = judge(run, recommender, training, judged_cases(recipe, test))
    user = recipe.evaluate.show_user or typical_user(training)
    shown = recommend(
        recommender,
        training.history(user),
        n=10,
        user=user,
        exclude_seen=recipe.evaluate.exclude_seen,
    )
    return Outcome(report, replace(shown, before_test=True))


def _refuse_updated(workspace: Workspace) -> None:
    # Its data are those of the recipe no more, and trained anew it would lack what came since.
    if workspace.place != workspace.folder:
        raise ConfigError(
            f"{workspace.folder} is at version {workspace.place.name}, which an update made of "
            "further events. Go back first (genrec update "
            f"{workspace.folder} --rollback), or choose another folder with --into."
        )


def judged_cases(recipe: Recipe, test: Holdout) -> Holdout:
    """The test cases, or a seeded draw of as many as the recipe asks for."""
    wanted = recipe.evaluate.test_users
    if not 0 < wanted < len(test):
        return test
    rows = np.random.default_rng(recipe.train.seed).permutation(len(test))[:wanted]
    return test.take(np.sort(rows))
