"""The evaluation stage: the recommender beside its controls under one protocol."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from genrec.data.dataset import Dataset, Holdout
from genrec.errors import ConfigError, nearest
from genrec.evaluation.controls import train_control
from genrec.evaluation.evaluate import evaluate
from genrec.evaluation.protocol import Protocol
from genrec.recommenders.base import Recommender
from genrec.stages.prepare import stored_modalities
from genrec.stages.run import Run, Stage


@dataclass(frozen=True)
class Judgement:
    """A report as it lies in a workspace.

    Attributes:
        text: the tables.
        values: the same as JSON values.
        page: the HTML page; of towers it has no plots.
    """

    text: str
    values: dict[str, Any]
    page: Path

    @staticmethod
    def read(folder: Path) -> Judgement:
        """The judgement in a report's folder."""
        text = (folder / "report.txt").read_text(encoding="utf-8").rstrip()
        return Judgement(
            text, json.loads((folder / "report.json").read_text()), folder / "report.html"
        )


def judge(
    run: Run,
    recommender: Recommender,
    training: Dataset,
    test: Holdout,
    *,
    made: str = "recommender",
) -> Judgement:
    """Figures, slices, intervals and tests, beside those of the controls.

    Args:
        made: the artefact that holds the recommender.
    """
    options = run.recipe.evaluate
    run.key("report", run.keys[made], asdict(options), asdict(run.recipe.decode))
    with run.stage("Evaluate") as stage:
        stage.reused = run.is_current("report")
        if not stage.reused:
            rules = protocol(run)
            if not recommender.beams:
                rules = replace(rules, beam=0)
            if options.test_users == len(test):
                rules = replace(rules, drawn_users=len(test))
            controls = [
                train_control(name, training, rules, control_options(run, name, stage))
                for name in options.against
            ]
            report = evaluate(
                recommender,
                test,
                against=controls,
                protocol=rules,
                train=training,
                progress=lambda name, done, total: stage.progress(done, total, f"ranking: {name}"),
            )
            with run.write("report") as folder:
                report.save(folder, title=f"{run.recipe.name}, on {training.name}")
        judgement = Judgement.read(run.path("report"))
        ours = judgement.values["recommenders"][recommender.name]
        stage.note = (
            f"{judgement.values['users']:,} test users, "
            f"{ours['invalid_generations']} invalid generations"
        )
    return judgement


def check_held_out(run: Run) -> None:
    """Sees that what the recipe's split holds out was not trained on.

    Raises:
        ConfigError: an update trained on it.
    """
    workspace = run.workspace
    if workspace.place != workspace.root and run.recipe.evaluate.split == "global-time":
        raise ConfigError(
            f"{workspace.folder} was updated, and its version in use was trained on events of the "
            "last tenth, by which this recipe judges. Its own held-out cases are in "
            f"{workspace.path('update') / 'report.txt'}."
        )


def protocol(run: Run) -> Protocol:
    """The recipe's protocol, as it is printed beside the figures."""
    options, recipe = run.recipe.evaluate, run.recipe
    return Protocol(
        name=recipe.name,
        split=options.split,
        refit=options.refit or not recipe.train.validate_every,
        exclude_seen=options.exclude_seen,
        drop_seen_targets=options.drop_seen_targets,
        drop_cold_targets=options.drop_cold_targets,
        beam=0 if recipe.decode.exact else recipe.decode.beams,
        seeds=(recipe.train.seed,),
    )


def control_options(run: Run, name: str, stage: Stage) -> dict[str, Any]:
    """What the recipe says of a control, as arguments of its ``train``.

    Raises:
        ConfigError: an option that the control does not have.
    """
    options = dict(run.recipe.evaluate.control_options.get(name, {}))
    if name not in ("sasrec", "content"):
        return options
    given: dict[str, Any]
    network: Any
    if name == "sasrec":
        from genrec.recommenders.sasrec import FIT as FITTING
        from genrec.recommenders.sasrec_network import SASRecConfig

        place, network, given = "network", SASRecConfig(), {}
    else:
        from genrec.recommenders.content import FIT as FITTING
        from genrec.training.content_options import ContentConfig

        place, network = "config", ContentConfig()
        given = {"modalities": stored_modalities(run)}
    known = {f.name for f in (*fields(network), *fields(FITTING))}
    unknown = [option for option in options if option not in known]
    if unknown:
        raise ConfigError(f"{name} has no option '{unknown[0]}'; {nearest(unknown[0], known)}")

    def chosen(config: Any) -> Any:
        own = {f.name for f in fields(config)}
        return replace(config, **{k: v for k, v in options.items() if k in own})

    return {
        **given,
        place: chosen(network),
        "fit_config": chosen(FITTING),
        "folder": run.workspace.folder / "checkpoints" / name,
        "progress": stage.training(f"training the control {name},"),
    }
