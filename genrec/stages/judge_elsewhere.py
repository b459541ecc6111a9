"""A trained picture tower judged again: on its own held-out items, or on another collection."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.item_split import hold_out
from genrec.errors import ConfigError, InputError, nearest
from genrec.recipe import Recipe
from genrec.stages.judge import Judgement
from genrec.stages.judge_probes import values_of
from genrec.stages.judge_tower import JudgedItems, judge_tower
from genrec.stages.prepare import files_of, stored_data
from genrec.stages.run import Observer, Run
from genrec.training.pretrain_options import JUDGING
from genrec.workspace import Workspace

log = logging.getLogger(__name__)


def judge_elsewhere(
    recipe: Recipe, workspace: Workspace, observer: Observer | None = None
) -> Judgement:
    """The report of a run's tower on the recipe's data, kept as ``report_elsewhere``.

    On other data than the tower was trained with, every item is judged but those that training
    saw: an item of the same id and title counts as seen. Probes learn from the photos that the
    tower was trained on, unless ``probes_learn_from`` says otherwise. On the same data, the
    held-out items are judged.

    Args:
        recipe: the run's own, with other data, probes or pools.

    Raises:
        ConfigError: the run's tower does not see pictures, or other options differ than those.
        ArtefactError: the workspace has no tower, or it is damaged.
        InputError: the tower has seen all items of the collection, or a probe has nothing to learn
            from or to guess.
    """
    options: Any = None if recipe.pretrain is None else recipe.pretrain.options
    if options is None or not hasattr(options, "probes"):
        raise ConfigError(
            f"{workspace.folder} has no picture tower to judge on other pictures; its report was "
            "made with it. Towers of pretrain.image_text and pretrain.masked_patches are judged "
            "again."
        )
    _check_same_tower(recipe, workspace)
    run = Run(recipe, workspace, observer or Observer())
    with workspace.lock():
        tower = workspace.open("tower")
        trained_on = stored_data(run).catalog
        with run.stage("Load data") as stage:
            dataset = Dataset.load(recipe.data.source, **recipe.data.options)
            catalog = dataset.catalog
            stage.note = f"{len(catalog):,} items"
        lessons = None
        if catalog.fingerprint == trained_on.fingerprint:
            items = JudgedItems.of_training(catalog, options.held_out, seed=options.split_seed)
        else:
            train, _ = hold_out(trained_on.ids, options.held_out, seed=options.split_seed)
            known = trained_on.take(train)
            catalog = _unseen(catalog, known)
            dataset = replace(dataset, catalog=catalog)
            lessons = known if options.probes_learn_from == "training" and options.probes else None
            if lessons is None:
                items = JudgedItems.of_others_alone(catalog, seed=options.split_seed)
            else:
                items = JudgedItems.of_others(catalog)
            _check_probes(recipe, catalog, lessons)
        pool = getattr(options, "pool", len(catalog))
        run.key(
            "report_elsewhere",
            workspace.run["artefacts"]["tower"]["key"],
            catalog.fingerprint,
            files_of(dataset, "image"),
            [pool, options.probes],
            *(() if lessons is None else (lessons.fingerprint, _files(lessons))),
        )
        with run.stage("Judge tower") as stage:
            stage.reused = run.is_current("report_elsewhere")
            if not stage.reused:
                report = judge_tower(
                    tower,
                    catalog,
                    items,
                    probes=options.probes,
                    pool=pool,
                    seed=options.split_seed,
                    title=f"{recipe.name} on {recipe.data.source}",
                    stage=stage,
                    lessons=lessons,
                )
                with run.write("report_elsewhere") as folder:
                    report.save(folder)
            stage.note = f"{len(items.searched):,} items judged"
    return Judgement.read(run.path("report_elsewhere"))


def _check_same_tower(recipe: Recipe, workspace: Workspace) -> None:
    """Refuses options that say how the tower was made: with them, seen items would be judged."""
    ours = recipe.model_dump(mode="json")
    theirs = Recipe.parse(dict(workspace.run["recipe"])).model_dump(mode="json")
    assert recipe.pretrain is not None
    objective = recipe.pretrain.objective
    changed = [
        f"pretrain.{objective}.{name}"
        for name, value in (ours["pretrain"][objective] or {}).items()
        if name not in JUDGING and value != theirs["pretrain"][objective][name]
    ]
    changed += [
        name for name in ours if name not in ("data", "pretrain") and ours[name] != theirs[name]
    ]
    if changed:
        free = [name for name in ours["pretrain"][objective] if name in JUDGING]
        raise ConfigError(
            f"{', '.join(changed)} cannot be changed: the tower of {workspace.folder} was trained "
            "with what its recipe says. What can be: options under data, and "
            f"{', '.join(f'pretrain.{objective}.{name}' for name in free)}."
        )


def _check_probes(recipe: Recipe, catalog: Catalog, lessons: Catalog | None) -> None:
    """Says all that is wrong with the probes before a picture is encoded."""
    assert recipe.pretrain is not None
    options: Any = recipe.pretrain.options
    option = f"pretrain.{recipe.pretrain.objective}.probes"
    alone = f"with {option}_learn_from=judged probes learn from four fifths of the other photos"
    place = None if lessons is None or lessons.media is None else lessons.media.root
    if place is not None and not place.exists():
        raise InputError(
            f"The photos that the tower was trained on are no longer in {place}, and probes learn "
            f"from them. Put them back; {alone}."
        )
    problems, fit, elsewhere = [], [], False
    for name in options.probes:
        absent = _lack(catalog, name)
        if absent:
            problems.append(f"'{name}': the photos to judge have {absent}")
            continue
        strange = None if lessons is None else _strange(catalog, lessons, name)
        if strange:
            problems.append(f"'{name}': {strange}")
            elsewhere = True
        else:
            fit.append(name)
    if problems:
        instead = [f"rename the column, or add {option}=[{','.join(fit)}]"]
        if elsewhere:
            instead.append(alone)
        raise InputError(
            f"{len(problems)} of {len(options.probes)} probes cannot be taken of "
            f"{recipe.data.source}. What to do: {'; '.join(instead)}.",
            problems,
        )


def _lack(items: Catalog, name: str) -> str:
    """What is missing of an attribute, in words; empty if it is there."""
    if name not in items.attribute_names:
        return f"no such attribute; {nearest(name, items.attribute_names)}"
    return "" if (values_of(items, name) != "").any() else "no value of it"


def _strange(catalog: Catalog, lessons: Catalog, name: str) -> str:
    """Why what the trained photos say of an attribute teaches nothing of the others."""
    absent = _lack(lessons, name)
    if absent:
        return f"the photos that the tower was trained on have {absent}"
    ours, theirs = (set(values_of(items, name)) - {""} for items in (catalog, lessons))
    if ours & theirs:
        return ""
    return (
        f"no value of it is one that the tower's photos have: here '{min(ours)}', there "
        f"'{min(theirs)}'"
    )


def _unseen(catalog: Catalog, known: Catalog) -> Catalog:
    """The items that training did not see."""
    seen = set(zip(known.ids, known.table["title"], strict=True))
    own = zip(catalog.ids, catalog.table["title"], strict=True)
    fresh = np.array([row for row, item in enumerate(own) if item not in seen], np.int64)
    if len(fresh) < 4:
        raise InputError(
            f"The tower was trained on all but {len(fresh):,} of the {len(catalog):,} items; "
            "too few are left to judge it by. Name a collection that it has not seen."
        )
    if len(fresh) < len(catalog):
        log.info("%d items were trained on and are not judged", len(catalog) - len(fresh))
    return catalog.take(fresh)


def _files(items: Catalog) -> str:
    """What the photos of these items are now, as a hash."""
    return "" if items.media is None else items.media.fingerprint(items.files("image"))
