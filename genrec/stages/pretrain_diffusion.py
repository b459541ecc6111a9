"""Pretraining of a small diffusion model: pictures to latents, a denoiser, a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import polars as pl

from genrec.data.dataset import Dataset
from genrec.data.item_split import drawn_order, hold_out
from genrec.data.left_out import LEFT_OUT, write_left_out
from genrec.data.toy_pictures import COLOURS, PATTERNS
from genrec.data.toy_scenes import draw_scene
from genrec.diffusion.options import DiffusionOptions
from genrec.diffusion.painter import Painter
from genrec.diffusion.small import SHAPES
from genrec.diffusion.verifier import FOLDER as VERIFIER
from genrec.encoders.base import ItemVectors
from genrec.encoders.palette import PaletteEncoder
from genrec.errors import ConfigError, nearest
from genrec.evaluation.closed_world import ClosedWorld, judge_closed_world
from genrec.evaluation.tower_report import TowerReport
from genrec.stages.judge import Judgement
from genrec.stages.prepare import files_of
from genrec.stages.run import Run, Stage
from genrec.training.bucketed import Bucketed, bucketed
from genrec.training.diffusion import TrainedDiffusion, train_diffusion
from genrec.training.diffusion_judge import compare_tastes
from genrec.training.diffusion_options import ProductDiffusionConfig
from genrec.training.diffusion_rows import Described, Tastes, alike_items, other_choices
from genrec.training.diffusion_vae import load_vae, train_vae
from genrec.training.diffusion_verifier import fit_verifier

ARTEFACT = "product_diffusion"
SCENE = "empty scene"


def pretrain(run: Run, dataset: Dataset) -> Judgement:
    """A stock diffusers folder in ``product_diffusion/`` and its report."""
    assert run.recipe.pretrain is not None
    options: ProductDiffusionConfig = run.recipe.pretrain.options
    # How many are judged, in how many steps and of how many attempts, needs no training.
    trained_by = asdict(replace(options, judged=2, steps=1, guidance=1.0))
    del trained_by["best_of"]
    facts = (dataset.fingerprint, files_of(dataset, "image"))
    run.key("autoencoder", *facts, trained_by)
    run.key(ARTEFACT, run.keys["autoencoder"], asdict(run.recipe.train), options.steps)
    described = describe(dataset, options)
    train, test = split(described, options)
    vectors = PaletteEncoder().encode(dataset.catalog)
    with run.stage("Train denoiser") as stage:
        stage.reused = run.is_current(ARTEFACT)
        if not stage.reused:
            _train(run, dataset, described, train, vectors, stage)
        stage.note = f"a folder for diffusers: {run.path(ARTEFACT)}"
    if options.details:
        run.key(VERIFIER, run.keys[ARTEFACT])
        with run.stage("Fit verifier") as stage:
            stage.reused = run.is_current(VERIFIER)
            if not stage.reused:
                things, shown = _things(dataset, described, train, options, stage)
                vae = load_vae(run.workspace.open("autoencoder"))
                seen = train[vectors.mask[train]]
                verifier = fit_verifier(
                    vae,
                    things.pixels,
                    shown,
                    options.details,
                    vectors=vectors.vectors[seen],
                    described=[described[item] for item in seen],
                )
                with run.write(VERIFIER) as folder:
                    verifier.save(folder)
            stage.note = f"reads {', '.join(options.details)}: {run.path(VERIFIER)}"
    judged = run.keys[VERIFIER if options.details else ARTEFACT]
    run.key("report", judged, options.judged, options.guidance, options.best_of)
    with run.stage("Judge pictures") as stage:
        stage.reused = run.is_current("report")
        if not stage.reused:
            report = _judge(run, dataset, described, test, vectors, stage)
            with run.write("report") as folder:
                report.save(folder)
        judgement = Judgement.read(run.path("report"))
        stage.note = str(judgement.values["headline"])
    return judgement


def describe(dataset: Dataset, options: ProductDiffusionConfig) -> list[Described]:
    """What is said of each item; of a toy shop also what only its oracle knows.

    Raises:
        ConfigError: there is no such field.
    """
    table = dataset.catalog.table
    if "oracle" in dataset.extras:
        table = table.join(
            dataset.extras["oracle"].with_columns(pl.col("item_id").cast(pl.String)),
            on="item_id",
            how="left",
            maintain_order="left",
        )
    names = [name for name in (options.noun, *options.details) if name]
    for name in names:
        if name not in table.columns:
            raise ConfigError(f"The items have no field '{name}'; {nearest(name, table.columns)}")
    return [
        Described(
            noun=_said(row[options.noun]) if options.noun else "",
            details=tuple(_said(row[name]) for name in options.details),
            title=str(row["title"] or ""),
        )
        for row in table.iter_rows(named=True)
    ]


def split(
    described: Sequence[Described], options: ProductDiffusionConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Items to train on and items held out, by whole combinations of noun and details."""
    names = ["/".join((one.noun, *one.details)) for one in described]
    if not options.details:
        names = [f"{number}" for number in range(len(described))]
    combinations = sorted(set(names))
    _, test = hold_out(combinations, options.held_out, seed=options.split_seed)
    chosen = {combinations[place] for place in test}
    held = np.array([name in chosen for name in names])
    return np.flatnonzero(~held), np.flatnonzero(held)


def held_out_users(dataset: Dataset, options: ProductDiffusionConfig) -> list[str]:
    """Shoppers whose choices are not trained on, decided by their ids."""
    users = [str(user) for user in dataset.users]
    order = drawn_order(users, seed=options.split_seed)
    return [users[place] for place in sorted(order[: options.held_out_users])]


def _said(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _things(
    dataset: Dataset,
    described: Sequence[Described],
    rows: np.ndarray,
    options: ProductDiffusionConfig,
    stage: Stage,
) -> tuple[Bucketed, list[Described]]:
    """Pictures of the rows, with scenes where a toy shop is to have some, and what they show."""
    scenes = options.scenes if "oracle" in dataset.extras else 0
    looks = [(colour, pattern) for colour in COLOURS for pattern in PATTERNS]
    drawn = [looks[number % len(looks)] for number in range(scenes)]
    found = bucketed(
        dataset.catalog,
        rows,
        resolution=options.resolution,
        also=[draw_scene(*look, seed=number) for number, look in enumerate(drawn)],
        progress=lambda done, total: stage.progress(done, total, "decoding pictures"),
    )
    return found, [
        described[item] if item >= 0 else Described(SCENE, drawn[-1 - item]) for item in found.items
    ]


def _train(
    run: Run,
    dataset: Dataset,
    described: Sequence[Described],
    rows: np.ndarray,
    vectors: ItemVectors,
    stage: Stage,
) -> None:
    assert run.recipe.pretrain is not None
    options: ProductDiffusionConfig = run.recipe.pretrain.options
    things, shown = _things(dataset, described, rows, options, stage)
    checkpoints = run.workspace.folder / "checkpoints"
    if not run.is_current("autoencoder"):
        vae, fitted_vae = train_vae(
            things.pixels,
            SHAPES[options.shape],
            config=options.vae,
            folder=checkpoints / "autoencoder",
            progress=stage.training("decoder,"),
        )
        with run.write("autoencoder", losses=fitted_vae.losses) as folder:
            vae.save_pretrained(folder)
    vae = load_vae(run.workspace.open("autoencoder"))
    held = set(held_out_users(dataset, options))
    histories = [
        np.asarray(history.items)
        for user, history in zip(dataset.users, dataset.sequences, strict=True)
        if str(user) not in held
    ]
    tastes = Tastes(
        vectors.vectors,
        other_choices(histories, things.items),
        alike_items(shown, described, things.items),
    )
    trained: TrainedDiffusion = train_diffusion(
        vae,
        things.pixels,
        shown,
        tastes,
        options=options,
        fit_config=run.recipe.train,
        folder=checkpoints / ARTEFACT,
        progress=stage.training("denoiser,"),
    )
    about = {
        "pictures": len(shown),
        "left_out": len(things.problems),
        "minutes": round(trained.fitted.seconds / 60, 2),
        "losses": trained.fitted.losses,
    }
    with run.write(ARTEFACT, **about) as folder:
        trained.write(folder, recipe=run.recipe.name, data=dataset.name, taste="palette")
        write_left_out(things.problems, folder / LEFT_OUT)


def _judge(
    run: Run,
    dataset: Dataset,
    described: Sequence[Described],
    test: np.ndarray,
    vectors: ItemVectors,
    stage: Stage,
) -> TowerReport:
    assert run.recipe.pretrain is not None
    options: ProductDiffusionConfig = run.recipe.pretrain.options
    place = run.workspace.open(VERIFIER) if options.best_of > 1 else ""
    painter = painter_of(str(run.workspace.open(ARTEFACT)), options, verifier=str(place))
    if "oracle" not in dataset.extras:
        assert painter.prefix is not None
        things, shown = _things(dataset, described, test, options, stage)
        error = compare_tastes(
            painter.pipe, painter.prefix, things.pixels, shown, vectors.vectors[things.items]
        )
        said = (
            f"error of held-out pictures {error['own']:.4f} with their own taste, "
            f"{error['none']:.4f} without, {error['other']:.4f} with another's"
        )
        return TowerReport(
            run.recipe.name,
            said,
            f"{len(shown)} pictures, seed 0",
            {"Denoising error": [{"taste": key, "error": value} for key, value in error.items()]},
            {"headline": said, **error},
        )
    world = judge_closed_world(
        dataset,
        vectors,
        held_out_users(dataset, options),
        lambda jobs: [one.pixels for one in painter.paint(jobs, progress=stage.progress)],
        pictures=options.judged,
        unseen=unseen_combinations(described, test),
    )
    return closed_world_report(run.recipe.name, world, options)


def unseen_combinations(
    described: Sequence[Described], test: np.ndarray
) -> list[tuple[str, str, str]]:
    """Kind, colour and pattern of what was held out."""
    found = {(described[row].noun, *described[row].details) for row in test}
    return sorted((kind, colour, pattern) for kind, colour, pattern in found)


def painter_of(folder: str, options: ProductDiffusionConfig, *, verifier: str = "") -> Painter:
    """The painter of a trained folder, with the options that it is judged with.

    Args:
        verifier: folder of one, where it is not in the model's.
    """
    return Painter.load(
        DiffusionOptions(
            name=folder,
            steps=options.steps,
            guidance=options.guidance,
            best_of=options.best_of,
            verifier=verifier,
            batch_size=32,
            dtype="float32",
        )
    )


def closed_world_report(
    title: str, world: ClosedWorld, options: ProductDiffusionConfig
) -> TowerReport:
    """The oracle's figures as a report."""
    said = (
        f"own taste met better than another's {world.taste.apart:.3f} (shuffled tastes "
        f"{world.shuffled.apart:.3f}, none {world.no_taste.apart:.3f}); attributes kept "
        f"{world.attributes_kept:.3f}; near-copies {world.near_copies:.3f}"
    )
    conditions = {"own taste": world.taste, "no taste": world.no_taste, "shuffled": world.shuffled}
    return TowerReport(
        title,
        said,
        f"{world.pictures} pictures for each task, {options.steps} steps, guidance "
        f"{options.guidance}; read by the drawings' oracle, users held out",
        {"Tastes": [{"condition": name, **asdict(wins)} for name, wins in conditions.items()]},
        {"headline": said, **world.to_dict()},
    )
