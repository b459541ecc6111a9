"""A trained picture tower judged again: on its own held-out items, or on another collection."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.item_split import hold_out
from genrec.errors import ConfigError, InputError
from genrec.recipe import Recipe
from genrec.stages.judge import Judgement
from genrec.stages.judge_tower import JudgedItems, judge_tower
from genrec.stages.prepare import files_of, stored_data
from genrec.stages.run import Observer, Run
from genrec.workspace import Workspace

log = logging.getLogger(__name__)


def judge_elsewhere(
    recipe: Recipe, workspace: Workspace, observer: Observer | None = None
) -> Judgement:
    """The report of a run's tower on the recipe's data, kept as ``report_elsewhere``.

    On other data than the tower was trained with, every item is judged but those that training
    saw: an item of the same id and title counts as seen. On the same data, the held-out items are.

    Args:
        recipe: the run's own, with other data or other probes.

    Raises:
        ConfigError: the run's tower does not see pictures.
        ArtefactError: the workspace has no tower, or it is damaged.
        InputError: the tower has seen all items of the collection.
    """
    options: Any = None if recipe.pretrain is None else recipe.pretrain.options
    if options is None or not hasattr(options, "probes"):
        raise ConfigError(
            f"{workspace.folder} has no picture tower to judge on other pictures; its report was "
            "made with it. Towers of pretrain.image_text and pretrain.masked_patches are judged "
            "again."
        )
    run = Run(recipe, workspace, observer or Observer())
    with workspace.lock():
        tower = workspace.open("tower")
        trained_on = stored_data(run).catalog
        with run.stage("Load data") as stage:
            dataset = Dataset.load(recipe.data.source, **recipe.data.options)
            catalog = dataset.catalog
            stage.note = f"{len(catalog):,} items"
        if catalog.fingerprint == trained_on.fingerprint:
            items = JudgedItems.of_training(catalog, options.held_out, seed=options.split_seed)
        else:
            catalog = _unseen(catalog, trained_on, options.held_out, options.split_seed)
            items = JudgedItems.of_others(catalog, seed=options.split_seed)
            dataset = replace(dataset, catalog=catalog)
        pool = getattr(options, "pool", len(catalog))
        run.key(
            "report_elsewhere",
            workspace.run["artefacts"]["tower"]["key"],
            catalog.fingerprint,
            files_of(dataset, "image"),
            [pool, options.probes],
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
                )
                with run.write("report_elsewhere") as folder:
                    report.save(folder)
            stage.note = f"{len(items.searched):,} items judged"
    return Judgement.read(run.path("report_elsewhere"))


def _unseen(catalog: Catalog, trained_on: Catalog, held_out: int, seed: int) -> Catalog:
    """The items that training did not see."""
    train, _ = hold_out(trained_on.ids, held_out, seed=seed)
    titles = trained_on.table["title"].to_list()
    seen = {(trained_on.ids[row], titles[row]) for row in train}
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
