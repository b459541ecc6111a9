"""Pretraining by contrast of pictures and words: train, keep the towers, judge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from genrec.data.dataset import Dataset
from genrec.data.item_split import hold_out
from genrec.data.left_out import list_left_out, read_left_out, told
from genrec.data.media import MediaProblem
from genrec.data.picture_array import decode_pictures
from genrec.errors import ConfigError
from genrec.evaluation.retrieval import retrieve
from genrec.stages.judge import Judgement
from genrec.stages.judge_tower import JudgedItems, judge_tower
from genrec.stages.prepare import files_of
from genrec.stages.run import Run, Stage
from genrec.training.image_text import TrainedTowers, train_image_text
from genrec.training.pretrain_options import ImageTextConfig, of_training


def pretrain(run: Run, dataset: Dataset) -> Judgement:
    """Towers in ``tower/`` and their report; what is up to date is used again.

    Raises:
        ConfigError: the recipe names attributes that the items lack, or holds out too many items.
    """
    options = _options(run)
    _check_fit(options, dataset)
    run.key(
        "tower",
        dataset.catalog.fingerprint,
        files_of(dataset, "image"),
        of_training(options),
        asdict(run.recipe.train),
    )
    with run.stage("Train towers") as stage:
        stage.reused = run.is_current("tower")
        if not stage.reused:
            trained, problems = _train(run, dataset, stage)
            fitted = trained.fitted
            about = {
                "minutes": round(fitted.seconds / 60, 2),
                "losses": fitted.losses,
                "validation": {str(step): value for step, value in fitted.metrics.items()},
            }
            with run.write("tower", objective="image_text", **about) as folder:
                trained.write(folder)
                list_left_out(problems, folder)
            stage.note = f"{fitted.steps:,} steps, {fitted.seconds / 60:.1f} minutes"
            stage.note += told(problems, run.path("tower"))
    return judge_here(run, dataset)


def judge_here(run: Run, dataset: Dataset) -> Judgement:
    """The report on the items that training held out."""
    options = _options(run)
    run.key("report", run.keys["tower"], options.pool, options.probes)
    with run.stage("Judge towers") as stage:
        stage.reused = run.is_current("report")
        if not stage.reused:
            items = JudgedItems.of_training(
                dataset.catalog, options.held_out, seed=options.split_seed
            )
            report = judge_tower(
                run.workspace.open("tower"),
                dataset.catalog,
                items,
                probes=options.probes,
                pool=options.pool,
                seed=options.split_seed,
                title=run.recipe.name,
                stage=stage,
                before=read_left_out(run.path("tower")),
            )
            with run.write("report") as folder:
                report.save(folder)
        judgement = Judgement.read(run.path("report"))
        stage.note = f"R@10 is {judgement.values['photo_recall10_over_chance']:.1f} times chance"
    return judgement


def _train(
    run: Run, dataset: Dataset, stage: Stage
) -> tuple[TrainedTowers, Sequence[MediaProblem]]:
    """The towers, and the files that they were not trained on."""
    options, catalog = _options(run), dataset.catalog
    train, _ = hold_out(catalog.ids, options.held_out, seed=options.split_seed)
    looked_at = None
    if options.validation:
        ids = [catalog.ids[row] for row in train]
        looked_at = train[hold_out(ids, options.validation, seed=options.split_seed)[1]]
    pictures = decode_pictures(
        catalog,
        train,
        side=options.side,
        progress=lambda done, total: stage.progress(done, total, "decoding pictures"),
    )
    # The held-out items' words are not learned from either.
    known = catalog.take(pictures.rows)
    trained = train_image_text(
        known,
        replace(pictures, rows=np.arange(len(known))),
        config=options,
        fit_config=run.recipe.train,
        folder=run.workspace.folder / "checkpoints" / "tower",
        validation=None if looked_at is None else np.flatnonzero(np.isin(pictures.rows, looked_at)),
        validate=lambda photos, words: retrieve(words, photos, pool=len(words)).recall[10],
        progress=stage.training(),
    )
    return trained, pictures.problems


def _check_fit(options: ImageTextConfig, dataset: Dataset) -> None:
    """A recipe made for other items is told all of what does not fit, and before it trains."""
    names, items = dataset.catalog.attribute_names, len(dataset.catalog)
    problems, instead = [], []
    for option in ("fields", "probes"):
        wanted = getattr(options, option)
        if unknown := [name for name in wanted if name not in names]:
            known = [name for name in wanted if name in names]
            problems.append(f"{option} has {', '.join(unknown)}, which the items lack")
            instead.append(f"{option}=[{','.join(known)}]")
            if option == "fields" and not known:
                instead.append("title_share=1")
    if items < options.held_out + 2:
        problems.append(f"held_out is {options.held_out:,}, and there are {items:,} items")
        instead.append(f"held_out={max(2, items // 10)}")
    if problems:
        added = " ".join(f"pretrain.image_text.{one}" for one in instead)
        raise ConfigError(
            f"The options of pretrain.image_text do not fit {dataset.name}: {'; '.join(problems)}. "
            f"The items have the attributes {', '.join(names) or '(none)'}. Add: {added}"
        )


def _options(run: Run) -> ImageTextConfig:
    assert run.recipe.pretrain is not None and run.recipe.pretrain.image_text is not None
    return run.recipe.pretrain.image_text
