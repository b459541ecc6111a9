"""A search over a recipe's options, judged on validation cases; the test cases are never opened."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genrec.bounds import outside
from genrec.data.dataset import Dataset
from genrec.encoders.base import ItemVectors
from genrec.errors import ConfigError, InputError
from genrec.llm.origin import base_content
from genrec.recipe import Recipe
from genrec.search_space import Choice
from genrec.semantic_ids.index import SemanticIndex
from genrec.stages.collaborate import vectors_of_ids
from genrec.stages.fused import check_fused
from genrec.stages.prepare import build_ids, encode, load_data
from genrec.stages.prompt_segments import with_segments
from genrec.stages.run import STAGE_VERSIONS, Observer, Run
from genrec.stages.run_folder import check_recipe
from genrec.stages.train import further_inputs, prompt_hashes, train_validated
from genrec.stages.tune_results import best_trial, with_values, write_results
from genrec.stages.tune_study import Ended, Study, Trial, check_pruner
from genrec.workspace import Workspace, content_key

TRIALS = "trials"


@dataclass(frozen=True)
class Search:
    """How long to search, and how impatiently.

    Attributes:
        trials: in all, those of earlier calls and those that were pruned included.
        minutes: after which no training goes on; 0 sets no limit. What is then under way is taken
            up by the next call.
        pruner: ``median``, ``hyperband`` or ``none``.
    """

    trials: int = 20
    minutes: float = 0.0
    pruner: str = "median"

    def __post_init__(self) -> None:
        if problems := outside(self, trials="[1, inf)", minutes="[0, inf)"):
            raise ConfigError("The search cannot run so: " + "; ".join(problems))
        check_pruner(self.pruner)


@dataclass(frozen=True)
class Outcome:
    """What a search leaves.

    Attributes:
        trials: those that are over, in their order.
        best: the one with the highest figure; ``None`` when no trial has one.
        recipe: the file of the recipe with the best values; ``None`` likewise.
        table: the file with all figures.
    """

    trials: Sequence[Ended]
    best: Ended | None
    recipe: Path | None
    table: Path


def tune(
    content: dict[str, Any],
    workspace: Workspace,
    search: Search,
    observer: Observer | None = None,
) -> Outcome:
    """Trains the recipe with other values until trials or time are used up.

    The first trial is the recipe as it stands, where its values lie in the ranges. The figure of a
    trial is NDCG@10 at its best step on the validation cases, all of which come from the training
    part of the split.

    Args:
        content: the recipe as its file has it, overrides included.

    Raises:
        ConfigError: the recipe declares no ranges or does not validate, the folder holds another
            search, or every trial failed.
        MissingExtra: optuna is not installed.
    """
    recipe = Recipe.parse(content)
    space = recipe.search_space
    if recipe.pretrain is not None or recipe.finetune is not None:
        raise ConfigError(f"{recipe.name} trains no recommender; a search needs one that does.")
    if not recipe.train.validate_every:
        raise ConfigError(
            "train.validate_every is 0, so nothing is validated and trials cannot be told apart. "
            "Set it, such as train.validate_every=50."
        )
    check_recipe(recipe, workspace)
    deadline = time.monotonic() + 60 * search.minutes if search.minutes else None
    run = Run(recipe, workspace, observer or Observer())
    with workspace.lock():
        check_fused(recipe)
        shared = _Shared.make(run, list(space.ranges))
        study = Study(
            workspace.folder,
            space,
            identity=_identity(run, shared.training),
            seed=recipe.train.seed,
            pruner=search.pruner,
            steps=(recipe.train.steps, recipe.train.validate_every),
        )
        workspace.record("recipe", recipe.model_dump(mode="json"))
        first = {path: recipe.option(path) for path in space.ranges}
        while len(study.ended()) < search.trials and not _is_late(deadline):
            trial = study.begin(first)
            if not _try(run, content, trial, shared, deadline):
                break
            write_results(workspace.folder, content, study.ended())
        ended = study.ended()
        if ended and all(one.best is None for one in ended):
            raise ConfigError(
                f"None of {len(ended)} trials has a figure:\n"
                + "\n".join(f"  - {problem}" for problem in dict.fromkeys(o.problem for o in ended))
            )
        table, made = write_results(workspace.folder, content, ended, plot=True)
    return Outcome(ended, best_trial(ended), made, table)


@dataclass(frozen=True)
class _Shared:
    """The training part, and what is made of the items where no range changes it."""

    dataset: Dataset
    training: Dataset
    vectors: ItemVectors | None
    index: SemanticIndex | None

    @staticmethod
    def make(run: Run, paths: Sequence[str]) -> _Shared:
        sections = {path.partition(".")[0] for path in paths}
        dataset = load_data(run)
        training = with_segments(run, dataset.split(run.recipe.evaluate.split)[0])
        vectors = None if "encode" in sections else encode(run, dataset)
        index = None
        if vectors is not None and "semantic_ids" not in sections:
            index = build_ids(run, dataset, vectors)
            vectors = vectors_of_ids(run, vectors)
        return _Shared(dataset, training, vectors, index)


class _Over(Exception):
    """Ends a training from within: ``pruned``, or ``late``."""


def _try(
    run: Run, content: dict[str, Any], trial: Trial, shared: _Shared, deadline: float | None
) -> bool:
    """Trains one trial; whether there was time for it."""
    folder = run.workspace.folder / TRIALS / f"{trial.folder:04d}"
    started = time.perf_counter()

    def look(step: int, figure: float) -> None:
        if trial.is_hopeless(step, figure):
            raise _Over("pruned")
        if _is_late(deadline):
            raise _Over("late")

    said = ", ".join(f"{path}={value}" for path, value in trial.values.items())
    try:
        own = Run(_with(content, trial.values), Workspace(folder), run.observer, dict(run.keys))
        vectors, index = shared.vectors, shared.index
        if index is None:
            vectors = encode(own, shared.dataset) if vectors is None else vectors
            index = build_ids(own, shared.dataset, vectors)
            vectors = vectors_of_ids(own, vectors)
        with own.stage(f"Trial {trial.number + 1}: {said}") as stage:
            state = "complete"
            facts: dict[str, Any] = {}
            try:
                made = train_validated(
                    own, shared.training, index, stage, vectors=vectors, on_validation=look
                )
                assert made.fitted is not None
                facts = {
                    "best_step": made.fitted.best_step,
                    "steps": made.fitted.steps,
                    "trained_numbers": made.backbone.trained_parameters,
                }
                stage.note = f"NDCG@10 {made.fitted.best_metric:.4f} on validation cases"
            except _Over as over:
                state = stage.note = str(over)
        if state == "late":
            return False
        trial.end(state, seconds=round(time.perf_counter() - started, 1), **facts)
    except (ConfigError, InputError) as error:
        # Values that fit one by one may not fit together; that is a figure of the search too.
        trial.end("failed", problem=str(error))
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _with(content: dict[str, Any], values: dict[str, Any]) -> Recipe:
    return Recipe.parse({k: v for k, v in with_values(content, values).items() if k != "tune"})


def _is_late(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline


def _identity(run: Run, training: Dataset) -> str:
    """A hash of all that makes the figures of trials comparable."""
    recipe = run.recipe
    values = recipe.model_dump(mode="json", exclude={"name", "data", "profiles", "segments"})
    values["evaluate"] = [recipe.evaluate.split, recipe.evaluate.validation_users]
    made_from = [*prompt_hashes(recipe), *further_inputs(run, training)]
    # An LLM may be drawn too, and the folder of each may change.
    made_from += [
        base_content(replace(recipe.llm, **{name: value}))
        for name in ("name", "start_from")
        if isinstance(drawn := recipe.search_space.ranges.get(f"llm.{name}"), Choice)
        for value in drawn.values
    ]
    return content_key("tune", STAGE_VERSIONS, values, training.fingerprint, made_from)
