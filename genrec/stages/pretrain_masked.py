"""Pretraining by masked reconstruction, of patches or of tokens: train, keep, judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.item_split import hold_out
from genrec.data.left_out import list_left_out, read_left_out, told
from genrec.data.picture_array import PictureArray, decode_pictures
from genrec.encoders.loading import model_facts
from genrec.encoders.text import TextEncoder
from genrec.evaluation.tower_report import TowerReport
from genrec.stages.judge import Judgement
from genrec.stages.judge_tower import JudgedItems, judge_tower
from genrec.stages.prepare import files_of
from genrec.stages.run import Run, Stage
from genrec.training.masked_patches import rebuilt_error, train_masked_patches
from genrec.training.masked_tokens import guess, train_masked_tokens
from genrec.training.pretrain_options import MaskedPatchesConfig, MaskedTokensConfig, of_training

REBUILT = "error of hidden patches (guessing each patch's mean gives 1)"


def pretrain_patches(run: Run, dataset: Dataset) -> Judgement:
    """A picture tower in ``tower/`` that learned to rebuild patches, and its report."""
    assert run.recipe.pretrain is not None
    options: MaskedPatchesConfig = run.recipe.pretrain.options
    catalog = dataset.catalog
    train, test = hold_out(catalog.ids, options.held_out, seed=options.split_seed)
    run.key(
        "tower",
        catalog.fingerprint,
        files_of(dataset, "image"),
        of_training(options),
        asdict(run.recipe.train),
    )
    with run.stage("Train tower") as stage:
        stage.reused = run.is_current("tower")
        if not stage.reused:
            seen, unseen = (_decoded(catalog, rows, options.side, stage) for rows in (train, test))
            problems = [*seen.problems, *unseen.problems]
            trained = train_masked_patches(
                seen.pixels,
                config=options,
                fit_config=run.recipe.train,
                folder=run.workspace.folder / "checkpoints" / "tower",
                progress=stage.training(),
            )
            error = rebuilt_error(trained.model, unseen.pixels)
            with run.write("tower", objective="masked_patches", error=error) as folder:
                trained.write(folder)
                list_left_out(problems, folder)
            stage.note = (
                f"{trained.fitted.steps:,} steps, {trained.fitted.seconds / 60:.1f} minutes"
                f"{told(problems, run.path('tower'))}"
            )
    run.key("report", run.keys["tower"], options.probes)
    with run.stage("Judge tower") as stage:
        stage.reused = run.is_current("report")
        error = float(run.workspace.about("tower")["error"])
        if not stage.reused:
            report = judge_tower(
                run.workspace.open("tower"),
                catalog,
                JudgedItems(test, train, test),
                probes=options.probes,
                pool=len(test),
                seed=options.split_seed,
                title=run.recipe.name,
                stage=stage,
                before=read_left_out(run.path("tower")),
            )
            report = replace(
                report,
                headline=f"Hidden patches are rebuilt with error {error:.3f} (1 is no better than "
                f"each patch's mean). {report.headline if options.probes else ''}".strip(),
                tables={
                    "Held-out pictures": [{"figure": REBUILT, "value": error}],
                    **report.tables,
                },
                values={**report.values, "rebuilt_error": error},
            )
            with run.write("report") as folder:
                report.save(folder)
        stage.note = f"error {error:.3f} of 1"
    return Judgement.read(run.path("report"))


def pretrain_tokens(run: Run, dataset: Dataset) -> Judgement:
    """A text tower in ``tower/`` that learned to guess hidden words, and its report."""
    assert run.recipe.pretrain is not None
    options: MaskedTokensConfig = run.recipe.pretrain.options
    catalog = dataset.catalog
    texts = TextEncoder("minilm", fields=options.fields).texts(catalog)
    train, test = hold_out(catalog.ids, options.held_out, seed=options.split_seed)
    run.key(
        "tower",
        catalog.fingerprint,
        model_facts(options.model),
        asdict(options),
        asdict(run.recipe.train),
    )
    run.key("report", run.keys["tower"])
    with run.stage("Train tower") as stage:
        stage.reused = run.is_current("tower") and run.is_current("report")
        if not stage.reused:
            trained = train_masked_tokens(
                _chosen(texts, train),
                config=options,
                fit_config=run.recipe.train,
                folder=run.workspace.folder / "checkpoints" / "tower",
                progress=stage.training(),
            )
            found = asdict(guess(trained, _chosen(texts, test), options))
            with run.write("tower", objective="masked_tokens", **found) as folder:
                trained.write(folder)
            with run.write("report") as folder:
                _token_report(run.recipe.name, found, len(test)).save(folder)
            stage.note = (
                f"{trained.fitted.steps:,} steps, {trained.fitted.seconds / 60:.1f} minutes"
            )
    return Judgement.read(run.path("report"))


def _token_report(title: str, found: dict[str, float], judged: int) -> TowerReport:
    verb = "beats" if found["loss"] < found["frequent_loss"] else "does not beat"
    return TowerReport(
        title=title,
        headline=(
            f"{found['accuracy']:.3f} of hidden words are guessed; loss {found['loss']:.3f} {verb} "
            f"word frequency ({found['frequent_loss']:.3f})."
        ),
        protocol=f"{found['tokens']:,} hidden words of {judged:,} items that were not trained on",
        tables={
            "Hidden words": [
                {"guesser": "tower", "accuracy": found["accuracy"], "loss": found["loss"]},
                {
                    "guesser": "word frequency",
                    "accuracy": found["frequent_accuracy"],
                    "loss": found["frequent_loss"],
                },
            ]
        },
        values=dict(found),
    )


def _decoded(catalog: Catalog, rows: np.ndarray, side: int, stage: Stage) -> PictureArray:
    return decode_pictures(
        catalog,
        rows,
        side=side,
        progress=lambda done, total: stage.progress(done, total, "decoding pictures"),
    )


def _chosen(texts: Sequence[str], rows: np.ndarray) -> list[str]:
    return [texts[row] for row in rows if texts[row].strip()]
