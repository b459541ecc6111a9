"""A LoRA for a product or a segment: pictures to latents, an adapter, and what it paints."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from genrec.data.dataset import Dataset
from genrec.data.left_out import LEFT_OUT, write_left_out
from genrec.data.toy_oracle import read_picture
from genrec.diffusion.options import DiffusionOptions
from genrec.diffusion.painter import Painter
from genrec.diffusion.picture import PictureJob
from genrec.diffusion.small import model_place
from genrec.encoders.loading import model_facts
from genrec.evaluation.tower_report import TowerReport
from genrec.stages.judge import Judgement
from genrec.stages.prepare import files_of
from genrec.stages.run import Run, Stage
from genrec.training.bucketed import Bucketed, bucketed, bucketed_folder
from genrec.training.image_lora import LoraPictures, train_image_lora, write_image_lora
from genrec.training.image_lora_options import ImageLoraConfig

ARTEFACT = "image_lora"
_STEPS, _GUIDANCE = 16, 3.0


def finetune(run: Run, dataset: Dataset, options: ImageLoraConfig) -> Judgement:
    """An adapter for ``load_lora_weights`` in ``image_lora/`` and its report."""
    learned = asdict(replace(options, validation_images=0))
    run.key(
        ARTEFACT,
        dataset.catalog.fingerprint,
        files_of(dataset, "image") if options.items else _contents(options),
        learned,
        model_facts(model_place(options.pretrained_model_name_or_path)),
    )
    run.key("report", run.keys[ARTEFACT], options.validation_images)
    with run.stage("Train adapter") as stage:
        stage.reused = run.is_current(ARTEFACT)
        if not stage.reused:
            _train(run, dataset, options, stage)
        stage.note = f"an adapter: {run.path(ARTEFACT)}"
    with run.stage("Paint with it") as stage:
        stage.reused = run.is_current("report")
        if not stage.reused:
            report = _report(run, dataset, options, stage)
            with run.write("report") as folder:
                report.save(folder)
        judgement = Judgement.read(run.path("report"))
        stage.note = str(judgement.values["headline"])
    return judgement


def _pictures(dataset: Dataset, options: ImageLoraConfig) -> Bucketed:
    if options.instance_data_dir:
        return bucketed_folder(Path(options.instance_data_dir), resolution=options.resolution)
    rows = dataset.catalog.positions(options.items)
    return bucketed(dataset.catalog, rows, resolution=options.resolution)


def _contents(options: ImageLoraConfig) -> str:
    folder = Path(options.instance_data_dir)
    return model_facts(str(folder))


def _painter(options: ImageLoraConfig, *, adapter: str = "") -> Painter:
    return Painter.load(
        DiffusionOptions(
            name=options.pretrained_model_name_or_path,
            steps=_STEPS,
            guidance=_GUIDANCE,
            adapters={"learned": adapter} if adapter else {},
            dtype="float32",
        )
    )


def _train(run: Run, dataset: Dataset, options: ImageLoraConfig, stage: Stage) -> None:
    found = _pictures(dataset, options)
    painter = _painter(options)
    pictures = [LoraPictures(found.pixels, options.instance_prompt)]
    if options.with_prior_preservation:
        jobs = [
            PictureJob(options.class_prompt, seed=options.seed + number)
            for number in range(options.num_class_images)
        ]
        painted = painter.paint(
            jobs, progress=lambda done, total: stage.progress(done, total, "class pictures")
        )
        own = np.stack([one.pixels.transpose(2, 0, 1) for one in painted])
        pictures.append(LoraPictures([own], options.class_prompt, options.prior_loss_weight))
    fitted = train_image_lora(
        painter.pipe,
        painter.prefix,
        pictures,
        options=options,
        folder=run.workspace.folder / "checkpoints" / ARTEFACT,
        progress=stage.training(),
    )
    about = {
        "pictures": len(found.items),
        "left_out": len(found.problems),
        "minutes": round(fitted.seconds / 60, 2),
        "losses": fitted.losses,
    }
    with run.write(ARTEFACT, **about) as folder:
        write_image_lora(painter.pipe, folder)
        write_left_out(found.problems, folder / LEFT_OUT)


def _report(run: Run, dataset: Dataset, options: ImageLoraConfig, stage: Stage) -> TowerReport:
    about = run.workspace.about(ARTEFACT)
    losses = about["losses"]
    said = f"loss {losses[0]:.3f} at the start, {losses[-1]:.3f} at the end"
    rows: list[dict[str, Any]] = []
    count = options.validation_images
    if count and options.items and "oracle" in dataset.extras:
        learned = str(run.workspace.open(ARTEFACT))
        wanted = _known(dataset, options)
        for name, adapter in (("model", ""), ("with adapter", learned)):
            painter = _painter(options, adapter=adapter)
            jobs = [
                PictureJob(
                    options.instance_prompt,
                    seed=9000 + number,
                    adapter="learned" if adapter else "",
                )
                for number in range(count)
            ]
            seen = [read_picture(one.pixels) for one in painter.paint(jobs)]
            stage.progress(len(rows) + 1, 2, name)
            shown = [(one.kind, one.colour, one.pattern) in wanted for one in seen]
            own = {
                part: float(
                    np.mean([getattr(one, part) in {row[place] for row in wanted} for one in seen])
                )
                for place, part in enumerate(("kind", "colour", "pattern"))
            }
            rows.append({"painted by": name, "shows the product": float(np.mean(shown)), **own})
        said = (
            f"{rows[1]['shows the product']:.0%} of pictures show the product with the adapter, "
            f"{rows[0]['shows the product']:.0%} without; {said}"
        )
    return TowerReport(
        run.recipe.name,
        said,
        f"{count} pictures of '{options.instance_prompt}', {_STEPS} steps, guidance {_GUIDANCE}",
        {"Pictures": rows},
        {"headline": said, "rows": rows, "losses": about["losses"]},
    )


def _known(dataset: Dataset, options: ImageLoraConfig) -> set[tuple[str, str, str]]:
    oracle = {row["item_id"]: row for row in dataset.extras["oracle"].iter_rows(named=True)}
    return {
        (oracle[item]["kind"], oracle[item]["colour"], oracle[item]["pattern"])
        for item in options.items
    }
