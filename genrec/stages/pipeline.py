"""The way from tables to recommendations, one stage after the other."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np

from genrec.data.dataset import Dataset, Holdout
from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.one_pass import OnePassRecommender, check_options
from genrec.stages.collaborate import vectors_of_ids
from genrec.stages.engines import ENGINES
from genrec.stages.fused import check_fused
from genrec.stages.judge import Judgement, check_held_out, judge
from genrec.stages.prefer import prefer
from genrec.stages.prepare import build_ids, encode, load_data
from genrec.stages.prompt_segments import with_segments
from genrec.stages.recommend import Shown, open_llm, recommend, typical_user
from genrec.stages.run import Engine, Observer, Run
from genrec.stages.run_folder import check_recipe
from genrec.stages.train import train
from genrec.stages.train_one_pass import train_one_pass
from genrec.training.company import Company
from genrec.training.rewards import check_grpo
from genrec.workspace import Workspace

_JUDGED = "the evaluation"
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
    recipe: Recipe,
    workspace: Workspace,
    observer: Observer | None = None,
    *,
    until: str = "",
    engine: Engine | None = None,
) -> Outcome | None:
    """Runs a recipe in a workspace; what is up to date there is used again.

    Where several processes were launched, they train together; all else is the main one's.

    Args:
        until: the last stage to run, one of ``STAGES``; empty runs all.
        engine: who encodes items; this process if left out.

    Returns:
        ``None`` in all but the main process, or when told to end before the evaluation.

    Raises:
        ConfigError: there is no such engine; the processes do not find each other, or cannot share
            the batches.
    """
    _refuse_updated(workspace)
    check_recipe(recipe, workspace)
    ENGINES.entry((engine or Engine()).name)
    company = Company.of_environment()
    company.check_batch(recipe.train.batch_size)
    company.join()
    watched = observer if observer is not None and company.main else Observer()
    run = Run(recipe, workspace, watched, company=company, engine=engine or Engine())
    with workspace.lock() if company.main else nullcontext():
        check_fused(recipe)
        if recipe.one_pass is not None:
            check_options(recipe.generative)
        dataset = load_data(run)
        if until not in ("load_data", "encode"):
            # Before the items are encoded, not behind it.
            dataset.require_events("a recommender")
        if recipe.preference is not None and recipe.preference.method == "grpo":
            # Before hours of training, not behind them.
            check_grpo(dataset.catalog, recipe.preference.grpo)
        if company.main:
            # What was refused so far leaves the run that lies here with the recipe that made it.
            workspace.record("recipe", recipe.model_dump(mode="json"))
        if until == "load_data":
            return None
        if until not in ("encode", "build_ids"):
            # Data that cannot be split, or users without segments, are told before encoding too.
            training, test = dataset.split(recipe.evaluate.split)
            training = with_segments(run, training)
        vectors = encode(run, dataset)
        if until == "encode":
            return None
        index = build_ids(run, dataset, vectors)
        if until == "build_ids":
            return None
        recommender: GenerativeRecommender | OnePassRecommender
        if recipe.one_pass is None:
            recommender = train(run, training, index, vectors_of_ids(run, vectors))
        else:
            recommender = train_one_pass(run, training, index)
        if until == "train":
            return None
        if not company.main:
            # Who leaves a cluster's job early may end it for all.
            company.wait_for(_JUDGED)
            return None
        company.leave()
        if recipe.preference is not None and isinstance(recommender, GenerativeRecommender):
            recommender = prefer(run, recommender, training)
        outcome = None if until == "prefer" else _outcome(run, recommender, training, test)
        company.tell(_JUDGED, last=True)
        return outcome


def evaluate_again(
    recipe: Recipe, workspace: Workspace, observer: Observer | None = None
) -> Outcome:
    """Judges a workspace's recommender on its stored data; nothing is read or trained anew.

    Raises:
        ArtefactError: the workspace has no data set or no recommender, or they are damaged.
    """
    run = Run(recipe, workspace, observer or Observer())
    check_held_out(run)
    with workspace.lock():
        dataset, recommender = open_llm(run)
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
