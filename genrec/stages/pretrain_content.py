"""Pretraining on sequences of items that are their fused content: fusion, recommender, figures."""

from __future__ import annotations

from dataclasses import asdict, replace

from genrec.data.dataset import Dataset
from genrec.data.left_out import list_left_out, read_left_out, told
from genrec.data.picture_array import decode_pictures
from genrec.encoders.base import ItemVectors
from genrec.errors import ConfigError
from genrec.evaluation.controls import training_part
from genrec.recommenders.content import ContentRecommender
from genrec.stages.fused import CONTENT, FUSED
from genrec.stages.judge import Judgement, judge, protocol
from genrec.stages.pipeline import judged_cases
from genrec.stages.prepare import encode, files_of, seeing_by_own_tower, stored_modalities
from genrec.stages.run import Run
from genrec.training.content_options import ContentConfig, ViewsConfig
from genrec.training.views import save_tower, train_tower


def pretrain(run: Run, dataset: Dataset) -> Judgement:
    """Encodes, trains, keeps the recommender and its fused item vectors, and judges them."""
    content = content_options(run)
    if content.tower is not None:
        if run.recipe.encode.image is not None:
            raise ConfigError(
                "The recipe names both encode.image and pretrain.content.tower. Leave out the one "
                "whose pictures' vectors you do not want, behind the command by "
                "pretrain.content.tower=null or encode.image=null."
            )
        run = _with_tower(run, dataset, content.tower)
    encode(run, dataset)
    training, test = dataset.split(run.recipe.evaluate.split)
    recommender = train_content(run, training, stored_modalities(run))
    return judge(run, recommender, training, judged_cases(run.recipe, test), made=CONTENT)


def content_options(run: Run) -> ContentConfig:
    """The recipe's section.

    Raises:
        ConfigError: it has none.
    """
    pretraining = run.recipe.pretrain
    if pretraining is None or pretraining.content is None:
        raise ConfigError(
            f"The recipe {run.recipe.name} has no section 'pretrain.content', so that nothing in "
            "its run is fused of modalities. One that has: genrec run pretrain/content-next-item"
        )
    return pretraining.content


def train_content(
    run: Run, training: Dataset, modalities: dict[str, ItemVectors]
) -> ContentRecommender:
    """The content recommender, trained on ``training``, with its fused vectors beside it."""
    recipe, config = run.recipe, content_options(run)
    run.key(
        CONTENT,
        training.fingerprint,
        run.keys["item_vectors"],
        asdict(replace(config, tower=None)),
        asdict(recipe.train),
        [recipe.evaluate.refit, recipe.evaluate.split],
    )
    with run.stage(f"Train {config.objective}") as stage:
        stage.reused = run.is_current(CONTENT)
        if stage.reused:
            recommender = ContentRecommender.load(run.path(CONTENT) / "model", training.catalog)
        else:
            fitting, validation = training_part(training, protocol(run))
            recommender = ContentRecommender.train(
                fitting,
                validation=validation,
                modalities=modalities,
                config=config,
                fit_config=recipe.train,
                folder=run.workspace.folder / "checkpoints" / CONTENT,
                progress=stage.training(),
            )
            with run.write(CONTENT, dataset=run.keys["dataset"]) as folder:
                recommender.save(folder / "model")
                recommender.item_vectors().save(folder / FUSED)
        numbers = sum(p.numel() for p in recommender.network.parameters())
        known = recommender.modalities
        stage.note = f"{numbers:,} trained numbers over {' and '.join(known.groups)}"
        if recommender.trained:
            stage.note += f", {recommender.trained[-1].steps} steps"
        if missing := int((~known.known).sum()):
            stage.note += f"; {missing:,} items have no modality and no vector"
    return recommender


def _with_tower(run: Run, dataset: Dataset, config: ViewsConfig) -> Run:
    """The run, with pictures encoded by a tower that was trained on them."""
    seed = run.recipe.train.seed
    run.key("tower", files_of(dataset, "image"), asdict(config), seed)
    with run.stage("Train the tower") as stage:
        stage.reused = run.is_current("tower")
        if not stage.reused:
            everything = range(len(dataset.catalog))
            pictures = decode_pictures(
                dataset.catalog,
                everything,
                side=config.side,
                progress=lambda done, total: stage.progress(done, total, "pictures"),
            )
            checkpoints = run.workspace.folder / "checkpoints" / "tower"
            tower, _ = train_tower(
                pictures.pixels, config, folder=checkpoints, seed=seed, progress=stage.training()
            )
            with run.write("tower") as folder:
                save_tower(tower, config.side, folder)
                list_left_out(pictures.problems, folder)
        stage.note = f"{config.steps} steps on pictures of {config.side} pixels"
        stage.note += told(read_left_out(run.path("tower")), run.path("tower"))
    return seeing_by_own_tower(run, run.path("tower"))
