"""The training stage: validate to choose the number of steps, refit where the protocol says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from genrec.data.dataset import Dataset, Holdout
from genrec.data.left_out import told
from genrec.decoding.options import DecodeConfig
from genrec.encoders.base import ItemVectors
from genrec.encoders.loading import folder_hash
from genrec.evaluation.metrics import distinct_targets, hit_matrix, ndcg
from genrec.llm.adapt import earlier, in_use
from genrec.profiles.sensitive import SensitiveRules
from genrec.prompting import PromptLibrary
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.groups import HistoryGroups
from genrec.recommenders.tasks.mix import TASKS
from genrec.recommenders.tasks.reviews import TABLE
from genrec.semantic_ids.index import SemanticIndex
from genrec.stages.prepare import files_of
from genrec.stages.profile_words import profile_words
from genrec.stages.prompt_segments import with_segments
from genrec.stages.run import Run, Stage
from genrec.stages.validation import ValidationUsers, weigh_signals
from genrec.workspace import content_key, seal_of

SFT = "sft"
"""A trained recommender whose place is taken by what it learned from preference."""


def train(
    run: Run, training: Dataset, index: SemanticIndex, vectors: ItemVectors | None = None
) -> GenerativeRecommender:
    """The recipe's LLM, trained on ``training``; a killed run goes on from its checkpoint.

    Args:
        training: with the segments of its users, where the recipe groups by them.
        vectors: of the items, for a hybrid: those that the semantic IDs are made of.
    """
    recipe = run.recipe
    run.key(
        "recommender",
        training.fingerprint,
        run.keys["semantic_ids"],
        # How IDs are chosen later needs no training.
        asdict(replace(recipe.generative, decode=DecodeConfig())),
        *prompt_hashes(recipe),
        [recipe.evaluate.refit, recipe.evaluate.split, recipe.evaluate.validation_users],
        *further_inputs(run, training),
    )
    with run.stage(f"Train {recipe.llm.start_from or recipe.llm.name}", together=True) as stage:
        place = _trained_before(run)
        stage.reused = bool(place)
        if place:
            recommender = GenerativeRecommender.load(run.path(place), training.catalog)
            recommender.decode_by(recipe.decode)
            stage.note = f"{recommender.backbone.trained_parameters:,} trained numbers"
        else:
            recommender = _trained(run, training, index, vectors, stage)
            assert recommender.fitted is not None
            if run.company.main:
                with run.write("recommender", dataset=run.keys["dataset"]) as folder:
                    recommender.write(folder)
            fitted = recommender.fitted
            stage.note = fitted.told
            if fitted.losses:
                trained = recommender.backbone.trained_parameters
                stage.note += f", {trained:,} trained numbers, last loss {fitted.losses[-1]:.3f}"
            for line in recommender.learnt.left_out:
                stage.note += f"; left out {line}"
        if recommender.hybrid is not None:
            tuned = recipe.train.validate_every and recommender.hybrid.config.tune
            whence = "chosen on validation" if tuned else "as the recipe says"
            stage.note += f"; {recommender.hybrid.told}, {whence}"
        pictures = recommender.backbone.pictures
        if pictures is not None:
            stage.note += told(pictures.problems, run.path(place or "recommender"))
    return recommender


def _trained_before(run: Run) -> str:
    """The artefact that has the recommender already, or "".

    What has learned from preference takes its place; it lies in ``sft`` then.
    """
    if run.is_current("recommender"):
        return "recommender"
    key = run.keys["recommender"]
    if not run.workspace.is_current(SFT, key, kind="recommender"):
        return ""
    if run.recipe.preference is not None:
        return SFT
    run.workspace.copy(SFT, "recommender", kind="recommender")
    return "recommender"


def prompt_hashes(recipe: Recipe) -> list[str]:
    """Of the templates that the recommender is trained with."""
    names = [recipe.prompt.template, *(TASKS[task].prompt for task in recipe.tasks.beside)]
    return [PromptLibrary().hash(name) for name in names]


def further_inputs(run: Run, training: Dataset) -> list[str]:
    """What else the recommender is made from, where the recipe asks for it."""
    recipe, found = run.recipe, []
    if (folder := Path(recipe.llm.name)).is_dir():
        # A folder's name does not tell what is in it now.
        found.append(folder_hash(folder))
    if recipe.llm.pictures:
        found.append(files_of(training, "image"))
    if recipe.llm.start_from:
        found.append(seal_of(earlier(in_use(recipe.llm).start_from)))
    if recipe.prompt.group_by:
        found.append(HistoryGroups.of(training, recipe.prompt.group_by).fingerprint)
    if recipe.hybrid is not None and recipe.hybrid.table is not None:
        found.append(run.keys.get("item_vectors", ""))
    if recipe.tasks.preference_summary:
        rules = SensitiveRules.load(recipe.profiles.rules).version
        found.append(content_key(asdict(recipe.profiles), rules))
    if recipe.tasks.beside and (reviews := training.extras.get(TABLE)) is not None:
        found.append(content_key(reviews.to_dict(as_series=False)))
    return found


def _trained(
    run: Run,
    training: Dataset,
    index: SemanticIndex,
    vectors: ItemVectors | None,
    stage: Stage,
) -> GenerativeRecommender:
    recipe, config = run.recipe, run.recipe.generative
    checkpoints = run.workspace.folder / "checkpoints"
    if not config.fit.validate_every:
        return GenerativeRecommender.train(
            config.backbone,
            training,
            index,
            config=config,
            vectors=vectors,
            summaries=_summaries(recipe, training),
            folder=checkpoints / "fit",
            progress=stage.training(),
        )
    chosen = train_validated(run, training, index, stage, vectors=vectors)
    if not recipe.evaluate.refit:
        return chosen
    assert chosen.fitted is not None
    steps = chosen.fitted.best_step or config.fit.steps
    fit = replace(config.fit, steps=steps, validate_every=0, patience=0)
    final = GenerativeRecommender.train(
        config.backbone,
        training,
        index,
        config=replace(config, fit=fit),
        vectors=vectors,
        summaries=_summaries(recipe, training),
        folder=checkpoints / "refit",
        progress=stage.training("refit,"),
    )
    if final.hybrid is not None and chosen.hybrid is not None:
        # Chosen on cases that the refit has trained on.
        final.hybrid.weights = chosen.hybrid.weights
    return final


def train_validated(
    run: Run,
    training: Dataset,
    index: SemanticIndex,
    stage: Stage,
    *,
    vectors: ItemVectors | None = None,
    on_validation: Callable[[int, float], None] | None = None,
) -> GenerativeRecommender:
    """The recipe's LLM at its best step on validation cases, which are split off ``training``.

    Args:
        vectors: of the items, for a hybrid; its signals are weighed on the same cases.
        on_validation: told the step and NDCG@10 of each validation; may end training by raising.
    """
    recipe, config = run.recipe, run.recipe.generative
    fitting, validation = training.split(recipe.evaluate.split)
    fitting = with_segments(run, fitting)
    users = ValidationUsers.drawn(recipe, validation)
    cases = users.choosing()
    chosen = GenerativeRecommender.train(
        config.backbone,
        fitting,
        index,
        config=config,
        vectors=vectors,
        summaries=_summaries(recipe, fitting),
        folder=run.workspace.folder / "checkpoints" / "fit",
        validate=lambda recommender: float(ndcg10(recommender, cases).mean()),
        on_validation=on_validation,
        progress=stage.training(),
    )
    weigh_signals(chosen, users)
    return chosen


def _summaries(recipe: Recipe, training: Dataset) -> dict[str, str] | None:
    """What profiles say in words, where a task learns from it."""
    if not recipe.tasks.preference_summary:
        return None
    return profile_words(training, recipe.profiles)


def ndcg10(recommender: GenerativeRecommender, cases: Holdout) -> np.ndarray:
    """NDCG@10 of each case, shape (cases,)."""
    hits = hit_matrix(recommender.rank(cases.histories, 10).items, cases.targets)
    return ndcg(hits, distinct_targets(cases.targets), 10)
