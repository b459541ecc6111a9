"""Learning from preference after training, and the gate before what came of it.

``recommender/`` always holds what is served and judged: the trained model, or, when the gate lets
it through, the one that learned from preference. The other of the two is kept in ``sft/`` or in
``refused/``. ``preference/`` has the decision and its figures.

The weights of a hybrid are chosen again for what has learned, on the validation cases that chose
those of the trained model, where it did not train on them; see ``trained_on_validation``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from genrec.data.dataset import Dataset, Holdout
from genrec.errors import InputError
from genrec.evaluation.gate import Decision, decide
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.preferring import Measured, Preferred
from genrec.recommenders.preferring import prefer as learn
from genrec.stages.run import Run, Stage
from genrec.stages.train import SFT, ndcg10
from genrec.stages.validation import ValidationUsers, weigh_signals
from genrec.training.preference_options import PreferenceConfig

ARTEFACT, REFUSED, DECISION = "preference", "refused", "decision.json"
RECOMMENDER = "recommender"


def prefer(run: Run, trained: GenerativeRecommender, training: Dataset) -> GenerativeRecommender:
    """The recommender that is kept: what learned from preference, or what it started from.

    Args:
        trained: as the training stage left it.
    """
    recipe = run.recipe
    assert recipe.preference is not None
    start = run.keys[RECOMMENDER]
    key = run.key(
        ARTEFACT,
        start,
        asdict(recipe.preference),
        asdict(recipe.decode),
        [recipe.evaluate.split, recipe.evaluate.validation_users, recipe.train.seed],
    )
    with run.stage(f"Learn by {recipe.preference.method}") as stage:
        kept = _kept_before(run, start, key)
        stage.reused = kept is not None
        if kept is None:
            kept = _taught(run, trained, training, start, key, stage)
        found = read_decision(run)
        decision = found["gate"]
        stage.note = _in_words(found)
        run.keys[RECOMMENDER] = kept
        if stage.reused and not decision["promoted"]:
            return trained
        recommender = GenerativeRecommender.load(run.path(RECOMMENDER), training.catalog)
        recommender.decode_by(recipe.decode)
    return recommender


def _in_words(found: Mapping[str, Any]) -> str:
    """The decision and both rewards, from the start to the step that was kept."""
    gate, looks = found["gate"], found["course"]["measured"]
    first = looks[0]
    kept = next((one for one in looks if one["step"] == found["best_step"]), looks[-1])
    verdict = "promoted" if gate["promoted"] else "refused"
    return (
        f"{verdict}: NDCG@10 of {gate['users']:,} users {gate['old']:.4f} to {gate['new']:.4f}, "
        f"{gate['reason']}; step {kept['step']}: optimised {first['optimised']:.4f} to "
        f"{kept['optimised']:.4f}, held out {first['held_out']:.4f} to {kept['held_out']:.4f}"
    )


def read_decision(run: Run) -> dict[str, Any]:
    """What ``preference/decision.json`` says.

    Raises:
        ArtefactError: it is missing or damaged.
    """
    folder = run.workspace.open(ARTEFACT)
    return dict(json.loads((folder / DECISION).read_text(encoding="utf-8")))


def _kept_before(run: Run, start: str, key: str) -> str | None:
    """The key of the recommender in place, if it follows from a decision on these very inputs."""
    if not run.is_current(ARTEFACT):
        return None
    kept = key if read_decision(run)["gate"]["promoted"] else start
    return kept if run.workspace.is_current(RECOMMENDER, kept) else None


def _taught(
    run: Run,
    trained: GenerativeRecommender,
    training: Dataset,
    start: str,
    key: str,
    stage: Stage,
) -> str:
    """Learns, decides and puts both models in their places; returns the key of the one in place."""
    recipe, workspace = run.recipe, run.workspace
    options = recipe.preference
    assert options is not None
    fitting, validation = training.split(recipe.evaluate.split)
    users = ValidationUsers.drawn(recipe, validation)
    watched, asked = users_of_the_gate(users, options)
    before = ndcg10(trained, asked)
    place = RECOMMENDER if workspace.is_current(RECOMMENDER, start) else SFT
    # From the disk, where a resumed run finds it too.
    learner = GenerativeRecommender.load(run.path(place), training.catalog)
    learner.decode_by(recipe.decode)
    told: list[str] = []

    def on_measured(one: Measured, warning: str) -> None:
        told[:] = [f"{one}{' (!)' if warning else ''}"]
        stage.progress(one.step, options.fit.steps, told[0])

    preferred = learn(
        learner,
        fitting,
        options,
        watched=watched,
        ndcg=lambda recommender, cases: float(ndcg10(recommender, cases).mean()),
        folder=workspace.folder / "checkpoints" / ARTEFACT,
        on_measured=on_measured,
        progress=lambda step, steps, loss: stage.progress(
            step, steps, f"loss {loss:.3f}, {told[0] if told else ''}"
        ),
    )
    if not trained_on_validation(recipe):
        weigh_signals(learner, users)
    gate = options.gate
    decision = decide(
        before,
        ndcg10(learner, asked),
        margin=gate.margin,
        level=gate.level,
        seed=recipe.train.seed,
    )
    about = {"dataset": run.keys["dataset"]}
    # Each step is whole or absent, and the decision comes last: a run killed between two of them
    # goes on from the last checkpoint to the same end.
    if decision.promoted:
        if place == RECOMMENDER:
            workspace.copy(RECOMMENDER, SFT, kind=RECOMMENDER)
        with workspace.write(RECOMMENDER, key, **about) as folder:
            learner.write(folder)
    else:
        if place == SFT:
            workspace.copy(SFT, RECOMMENDER, kind=RECOMMENDER)
        with workspace.write(REFUSED, key, kind=RECOMMENDER, **about) as folder:
            learner.write(folder)
    with run.write(ARTEFACT) as folder:
        values = _decision_values(recipe, learner, decision, preferred, options)
        values = {"in_words": _in_words(values), **values}
        (folder / DECISION).write_text(json.dumps(values, indent=1), encoding="utf-8")
    return key if decision.promoted else start


def users_of_the_gate(users: ValidationUsers, options: PreferenceConfig) -> tuple[Holdout, Holdout]:
    """Cases to watch while learning, and others to ask at the gate.

    Those that are watched chose the trained model's steps too, and all chose the weights of either
    model, if it is a hybrid: at the gate neither has an advantage. They are at most half of all.

    Raises:
        InputError: there are fewer than two cases.
    """
    if len(users.cases) < 2:
        raise InputError(
            f"There are {len(users.cases)} validation cases; learning from preference needs some "
            "to watch and others to decide by. More users with two events or more are needed."
        )
    half = len(users.cases) // 2
    return users.choosing(at_most=half), users.asked(options.gate.users, after=half)


def trained_on_validation(recipe: Recipe) -> bool:
    """Whether the trained model has learned the validation cases by heart.

    Then the gate favours it, and a hybrid keeps the weights that were chosen before.
    """
    return recipe.evaluate.refit or not recipe.train.validate_every


def _decision_values(
    recipe: Recipe,
    learner: GenerativeRecommender,
    decision: Decision,
    preferred: Preferred,
    options: PreferenceConfig,
) -> dict[str, Any]:
    return {
        "gate": decision.to_dict(),
        "metric": "ndcg@10",
        "in_place": "the model that learned from preference"
        if decision.promoted
        else "the trained model",
        "trained_on_validation": trained_on_validation(recipe),
        "weights": None if learner.hybrid is None else list(learner.hybrid.weights),
        "options": asdict(options),
        "course": preferred.course.to_dict(),
        "best_step": preferred.fitted.best_step,
        "steps": preferred.fitted.steps,
        "invalid_draws": preferred.invalid,
    }
