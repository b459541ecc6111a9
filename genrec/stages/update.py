"""A run continued on new events: a further version of it, put into use if it is no worse.

The version in use is read and never written to. The next one grows beside it, artefact by artefact,
and one small file says at the end that it is in use; a kill at any moment leaves the old one there,
and the same command goes on from what was finished.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from genrec.data.growth import Growth, grow
from genrec.data.growth_files import Choices
from genrec.data.storage import write_dataset
from genrec.errors import ArtefactError, ConfigError
from genrec.evaluation.drift import drift
from genrec.evaluation.evaluate import MAIN_METRIC
from genrec.evaluation.report import Result
from genrec.evaluation.update_options import DriftConfig, UpdateConfig
from genrec.evaluation.update_report import Contrast, UpdateReport, fresh_shown, measured
from genrec.profiles.storage import Tombstones
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.growth import check_can_grow, grown
from genrec.recommenders.one_pass import OnePassRecommender
from genrec.stages.judge import protocol
from genrec.stages.prepare import stored_data
from genrec.stages.recommend import open_llm
from genrec.stages.run import Observer, Run
from genrec.stages.shop import stored_run
from genrec.stages.update_cases import OTHERS, Material, divided, with_steps
from genrec.stages.update_items import GrownIds, check_new_items, grown_ids, grown_vectors
from genrec.versions import Versions
from genrec.workspace import Workspace, content_key, open_artefact

ARTEFACT = "update"
Trained = GenerativeRecommender | OnePassRecommender


@dataclass(frozen=True)
class Updated:
    """What an update came to.

    Attributes:
        report: before, after, and what changed.
        version: the new one's name; empty where nothing was made.
        promoted: whether it is in use now.
        page: its report; ``None`` where nothing was made.
    """

    report: UpdateReport
    version: str = ""
    promoted: bool = False
    page: Path | None = None


def update(
    folder: Path,
    events: Path,
    *,
    items: Path | None = None,
    overrides: Sequence[str] = (),
    choices: Choices | None = None,
    dry_run: bool = False,
    observer: Observer | None = None,
) -> Updated:
    """Adds new events and items to a run, trains on, and promotes the result if it is no worse.

    Args:
        folder: of the run.
        events: see ``grow``, likewise ``items``.
        overrides: options of the recipe's section ``update``, such as ``update.replay=0.3``.
        choices: how the files are read; what the recipe says of its own files if left out.
        dry_run: says what changed, and writes nothing.

    Raises:
        InputError: every problem of the files, or too few events to train on or to judge by.
        ConfigError: the run cannot be updated, or an option does not fit.
        ArtefactError: the version in use is not whole.
    """
    if dry_run:
        run = _opened(folder, overrides, observer)
        growth = _read(run, events, items, choices)
        with run.watched("Place new items"):
            ids = grown_ids(run, growth, grown_vectors(run, growth))
        return Updated(_report(run, growth, ids))
    stored_run(folder)
    with _named(folder).lock():
        # Opened under the lock, so that nobody promotes another version in between.
        run = _opened(folder, overrides, observer)
        return _updated(run, _read(run, events, items, choices))


def roll_back(folder: Path) -> tuple[str, str]:
    """Puts the version before into use again, as it was.

    Returns:
        The name of the version that was in use, and of that which is now; empty for the run as its
        recipe made it.

    Raises:
        ConfigError: there is none before.
        ArtefactError: the one before is not whole; nothing is changed.
    """
    workspace = _named(folder)
    with workspace.lock():
        versions = Versions.read(workspace.root)
        back = versions.rolled_back()
        for name in ("dataset", "recommender"):
            open_artefact(versions.place(back.current) / name, name)
        workspace.point_to(back)
    return versions.current, back.current


def choices_of(recipe: Recipe) -> Choices:
    """How the recipe's own files are read."""
    if recipe.data.source != "tables":
        return Choices()
    said = recipe.data.options
    columns = {**(said.get("item_columns") or {}), **(said.get("columns") or {})}
    return Choices(
        columns=columns, time_unit=said.get("time_unit"), time_format=said.get("time_format")
    )


def _named(folder: Path) -> Workspace:
    workspace = Workspace(folder)
    if workspace.root != workspace.folder:
        raise ConfigError(
            f"{folder} is one version of a run. Name the run itself: {workspace.root}"
        )
    return workspace


def _opened(folder: Path, overrides: Sequence[str], observer: Observer | None) -> Run:
    _named(folder)
    run = stored_run(folder)
    check_can_grow(run.recipe.generative)
    for section in ("pretrain", "finetune"):
        if getattr(run.recipe, section) is not None:
            raise ConfigError(
                f"{folder} was made by a recipe with a section '{section}', and what that makes is "
                "not updated. Run the recipe on all events instead."
            )
    if strange := [one for one in overrides if not one.startswith("update.")]:
        raise ConfigError(
            f"'{strange[0]}' cannot be changed: a version continues what the run was made with. "
            "Options of the update can, such as update.replay=0.3."
        )
    content = run.recipe.model_dump(mode="json")
    recipe = Recipe.parse(content, where=str(folder), overrides=overrides)
    return Run(recipe, run.workspace, observer or Observer())


def _read(run: Run, events: Path, items: Path | None, choices: Choices | None) -> Growth:
    with run.watched("Read new events") as stage:
        forgotten = Tombstones.read(run.workspace)
        dataset = stored_data(run)
        gone = forgotten.among(dataset.users)
        growth = grow(
            dataset.without_users(gone),
            events,
            items,
            choices or choices_of(run.recipe),
            forgotten=forgotten.among,
        )
        if gone:
            note = (
                f"{len(gone):,} users who asked to be forgotten are taken out of the data, with "
                "all their events; what the weights learned of them goes when the recipe is run "
                "on the data that are left"
            )
            growth = replace(growth, notes=(note, *growth.notes))
        stage.note = (
            f"{int(growth.fresh.sum()):,} events, {len(growth.new_items):,} new items, "
            f"{growth.new_users:,} new users"
        )
    return growth


def _report(run: Run, growth: Growth, ids: GrownIds) -> UpdateReport:
    """What changed, with nothing trained yet."""
    found = drift(growth, ids.index, ids.made_of, ids.fit, run.recipe.update.drift)
    margin = run.recipe.update.margin
    return UpdateReport(run.recipe.name, found, margin=margin, notes=growth.notes)


def _updated(run: Run, growth: Growth) -> Updated:
    recipe, rules = run.recipe, protocol(run)
    check_new_items(run, growth)
    material = divided(growth, rules, recipe.update, recipe.prompt.history)
    made = _version(run, growth)
    made.key("dataset", _key_of(run, "dataset"), growth.after.fingerprint)
    with made.stage("Add events") as stage:
        stage.reused = made.is_current("dataset")
        if not stage.reused:
            with made.write("dataset") as folder:
                write_dataset(growth.after, folder)
    ids = _items(run, made, growth)
    _, recommender = open_llm(run)
    before = _measure(run, recommender, material, "Measure before")
    recommender = _trained_on(run, made, recommender, material, ids)
    after = _measure(made, recommender, material, "Measure after")
    report = replace(
        _report(run, growth, ids),
        contrasts=[Contrast.of(name, before[name], after[name]) for name in material.cases],
        fresh_shown=fresh_shown(list(after.values()), len(growth.before.catalog)),
        protocol=rules,
        notes=[*growth.notes, *_left_open(recipe, material)],
    )
    return _decided(run, made, report)


def _left_open(recipe: Recipe, material: Material) -> list[str]:
    """What this update could not do or see."""
    found = []
    if recipe.tasks.beside:
        found.append(
            f"the tasks {', '.join(recipe.tasks.beside)} were not trained on further, only the "
            "next item was, and what became of them is not measured"
        )
    if recipe.preference is not None:
        found.append(
            "the model had learned from preference, and went on without it; run the recipe on all "
            "events to learn from preference again"
        )
    if OTHERS not in material.cases:
        found.append("nobody is held out who has no new events, so forgetting is not measured")
    return found


def _key_of(run: Run, name: str) -> str:
    return str(run.workspace.run.get("artefacts", {}).get(name, {}).get("key", ""))


def _decides_training(options: UpdateConfig) -> dict[str, object]:
    """The options without those that only judge."""
    return asdict(replace(options, margin=0, cases=0, drift=DriftConfig()))


def _version(run: Run, growth: Growth) -> Run:
    """A folder to make the version in: that of an unfinished or refused update of the same events.

    Other unfinished ones are removed; refused ones stay.
    """
    versions = Versions.read(run.workspace.root)
    key = content_key(
        [_key_of(run, name) for name in ("dataset", "recommender")],
        growth.after.fingerprint,
        _decides_training(run.recipe.update),
    )
    for name in versions.there:
        if name in versions.promoted:
            continue
        found = Workspace(versions.place(name))
        try:
            same = found.run.get(ARTEFACT, {}).get("key") == key
        except ArtefactError:
            same = False
        if same:
            return Run(run.recipe, found, run.observer)
        if not found.path(ARTEFACT).is_dir():
            shutil.rmtree(found.folder)
    made = Workspace(versions.place(versions.next_name))
    # Without what was overridden for this update alone.
    made.record("recipe", run.workspace.run["recipe"])
    made.record(ARTEFACT, {"key": key, "after": versions.current})
    return Run(run.recipe, made, run.observer)


def _items(run: Run, made: Run, growth: Growth) -> GrownIds:
    """Semantic IDs of all items, by their vectors; those of old ones as they were."""
    made.key("item_vectors", _key_of(run, "item_vectors"), growth.after.catalog.fingerprint)
    with made.stage("Encode new items") as stage:
        vectors = grown_vectors(run, growth, stage.progress)
        stage.reused = made.is_current("item_vectors")
        if not stage.reused:
            with made.write("item_vectors") as folder:
                vectors.write(folder)
    made.key("semantic_ids", _key_of(run, "semantic_ids"), made.keys["item_vectors"])
    with made.stage("Give semantic IDs") as stage:
        ids = grown_ids(run, growth, vectors)
        stage.reused = made.is_current("semantic_ids")
        if not stage.reused:
            with made.write("semantic_ids", made_of=ids.made_of) as folder:
                ids.write(folder)
        stage.note = f"{len(growth.new_items):,} new ones, {ids.fit.moved:,} of them were taken"
    return ids


def _measure(run: Run, recommender: Trained, material: Material, title: str) -> dict[str, Result]:
    rules = protocol(run)
    with run.watched(title) as stage:
        found = {
            name: measured(recommender, cases, rules) for name, cases in material.cases.items()
        }
        stage.note = ", ".join(
            f"{name} {one.estimates[MAIN_METRIC].mean:.4f}" for name, one in found.items()
        )
    return found


def _trained_on(
    run: Run,
    made: Run,
    recommender: Trained,
    material: Material,
    ids: GrownIds,
) -> Trained:
    """The recommender with the new items, trained on new events and replay.

    A killed training goes on from its last checkpoint.
    """
    recipe, training = made.recipe, material.training
    inputs = [made.keys["semantic_ids"], made.keys["dataset"], _decides_training(recipe.update)]
    key = made.key("recommender", _key_of(run, "recommender"), *inputs)
    with made.stage("Train on") as stage:
        stage.reused = made.is_current("recommender")
        if stage.reused:
            return open_llm(made)[1]
        recommender = grown(recommender, ids.index, training, ids.vectors)
        rows = recommender.rows(training.sequences.take(material.users), material.windows)
        options = with_steps(recipe.update, len(rows), recipe.train.batch_size)
        config = replace(
            recipe.train,
            steps=options.steps,
            learning_rate=recipe.train.learning_rate * options.rate,
            rows_learning_rate=recipe.train.rows_learning_rate * options.rate,
            warmup_steps=min(recipe.train.warmup_steps, options.steps // 10),
            warm_rows_steps=0,
            validate_every=0,
            patience=0,
        )
        recommender.fit(
            rows,
            config,
            folder=run.workspace.root / "checkpoints" / ARTEFACT,
            progress=stage.training(),
            job=key,
        )
        with made.write("recommender", dataset=made.keys["dataset"]) as folder:
            recommender.write(folder)
        stage.note = f"{options.steps} steps on {len(material.users):,} users"
    return recommender


def _decided(run: Run, made: Run, report: UpdateReport) -> Updated:
    """Keeps the report, and points to the new version if it is no worse."""
    made.key(ARTEFACT, made.keys["recommender"], asdict(made.recipe.update))
    promoted = not report.worse
    if not made.is_current(ARTEFACT):
        with made.write(ARTEFACT) as folder:
            report.save(folder)
    name = made.workspace.folder.name
    if promoted:
        run.workspace.point_to(Versions.read(run.workspace.root).with_promoted(name))
    return Updated(report, name, promoted, made.path(ARTEFACT) / "report.html")
