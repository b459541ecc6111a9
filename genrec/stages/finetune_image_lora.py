"""A LoRA for a product or a segment: pictures to latents, an adapter, and what it paints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from genrec.data.dataset import Dataset
from genrec.data.left_out import LEFT_OUT, write_left_out
from genrec.data.media import MediaProblem
from genrec.data.toy_oracle import Seen, read_picture
from genrec.diffusion.options import DiffusionOptions
from genrec.diffusion.painter import Painter
from genrec.diffusion.picture import PictureJob
from genrec.diffusion.small import model_place
from genrec.encoders.loading import model_facts
from genrec.errors import InputError
from genrec.evaluation.tower_report import TowerReport
from genrec.profiles.liked_items import liked_items
from genrec.profiles.segments import Segment, find_segments
from genrec.stages.judge import Judgement
from genrec.stages.prepare import files_of
from genrec.stages.profile import builder_of
from genrec.stages.run import Run, Stage
from genrec.stages.segment_adapters import AdapterNote
from genrec.training.bucketed import Bucketed, bucketed, bucketed_folder
from genrec.training.fit import need_gpu_for_fp16
from genrec.training.image_lora import LoraPictures, train_image_lora, write_image_lora
from genrec.training.image_lora_options import ImageLoraConfig
from genrec.training.item_prompts import item_prompts

ARTEFACT = "image_lora"
CLASS_IMAGES = "class_images"
REPORTED = "Paint with it"
PARTS = ("kind", "colour", "pattern")
_STEPS, _GUIDANCE = 16, 3.0


def finetune(run: Run, dataset: Dataset, options: ImageLoraConfig) -> Judgement | None:
    """An adapter for ``load_lora_weights`` in ``image_lora/`` and its report.

    All processes of the run train it together; the main one does the rest.

    Returns:
        ``None`` in all but the main process.
    """
    if options.mixed_precision == "fp16":
        # Before pictures are painted, not behind them.
        need_gpu_for_fp16()
    segment, rows = _chosen(run, dataset, options)
    learned = asdict(replace(options, validation_images=0))
    model = model_facts(model_place(options.pretrained_model_name_or_path))
    run.key(
        ARTEFACT,
        dataset.catalog.fingerprint,
        _contents(options) if rows is None else files_of(dataset, "image"),
        learned,
        model,
        *([] if segment is None or rows is None else [segment.to_dict(), rows.tolist()]),
    )
    run.key("report", run.keys[ARTEFACT], options.validation_images)
    painted = None
    if options.with_prior_preservation and not run.is_current(ARTEFACT):
        painted = _class_images(run, options, model)
    with run.stage("Train adapter", together=True) as stage:
        stage.reused = run.is_current(ARTEFACT)
        if not stage.reused:
            _train(run, dataset, options, segment, rows, painted, stage)
        stage.note = f"an adapter: {run.path(ARTEFACT)}"
    if not run.company.main:
        # Who leaves a cluster's job early may end it for all.
        run.company.wait_for(REPORTED)
        return None
    run.company.leave()
    with run.stage(REPORTED, last=True) as stage:
        stage.reused = run.is_current("report")
        if not stage.reused:
            report = _report(run, dataset, options, rows, stage)
            with run.write("report") as folder:
                report.save(folder)
        judgement = Judgement.read(run.path("report"))
        stage.note = str(judgement.values["headline"])
    return judgement


def _chosen(
    run: Run, dataset: Dataset, options: ImageLoraConfig
) -> tuple[Segment | None, np.ndarray | None]:
    """The segment, if it is of one, and the items whose pictures are learned, if they are items."""
    if options.items:
        return None, dataset.catalog.positions(options.items)
    if not options.segment:
        return None, None
    with run.stage("Find what the segment likes") as stage:
        builder = builder_of(run, dataset)
        profiles = builder.profiles()
        segment, rows = liked_items(
            builder,
            profiles,
            find_segments(profiles, run.recipe.segments),
            options.segment,
            most=options.segment_items,
        )
        stage.note = f"{len(rows):,} items that {segment.users:,} users like ({segment.name})"
    return segment, rows


def _pictures(
    dataset: Dataset, options: ImageLoraConfig, rows: np.ndarray | None
) -> tuple[Bucketed, LoraPictures]:
    """The pictures as they lie in buckets, and with what they show."""
    if rows is None:
        found = bucketed_folder(Path(options.instance_data_dir), resolution=options.resolution)
        return found, LoraPictures(found.pixels, [options.instance_prompt] * len(found.items))
    said = dict(
        zip(
            rows.tolist(), item_prompts(dataset.catalog, rows, options.instance_prompt), strict=True
        )
    )
    told = [row for row in rows.tolist() if said[row]]
    if not told:
        raise InputError(
            f"None of {len(rows):,} items has all that instance_prompt names: "
            f"'{options.instance_prompt}'. Name attributes that they have."
        )
    found = bucketed(dataset.catalog, told, resolution=options.resolution)
    lacking = [
        MediaProblem(
            dataset.catalog.ids[row],
            str(dataset.catalog.files("image")[row] or ""),
            f"lacks a value that instance_prompt names: '{options.instance_prompt}'",
        )
        for row in rows.tolist()
        if not said[row]
    ]
    found = replace(found, problems=(*found.problems, *lacking))
    return found, LoraPictures(found.pixels, [said[row] for row in found.items])


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


def _class_images(run: Run, options: ImageLoraConfig, model: str) -> np.ndarray:
    """What the model itself paints of the class, shape (pictures, 3, height, width), uint8."""
    from PIL import Image

    count, prompt = options.num_class_images, options.class_prompt
    run.key(CLASS_IMAGES, model, prompt, count, options.seed)
    with run.stage("Paint class pictures") as stage:
        stage.reused = run.is_current(CLASS_IMAGES)
        if not stage.reused:
            jobs = [PictureJob(prompt, seed=options.seed + number) for number in range(count)]
            painted = _painter(options).paint(
                jobs, progress=lambda done, total: stage.progress(done, total)
            )
            with run.write(CLASS_IMAGES) as folder:
                for number, one in enumerate(painted):
                    Image.fromarray(one.pixels).save(folder / f"{number:05}.png")
        stage.note = f"{count} of '{prompt}': {run.path(CLASS_IMAGES)}"
    files = sorted(run.workspace.open(CLASS_IMAGES).glob("*.png"))
    return np.stack([np.asarray(Image.open(file)).transpose(2, 0, 1) for file in files])


def _train(
    run: Run,
    dataset: Dataset,
    options: ImageLoraConfig,
    segment: Segment | None,
    rows: np.ndarray | None,
    painted: np.ndarray | None,
    stage: Stage,
) -> None:
    found, instance = _pictures(dataset, options, rows)
    painter = _painter(options)
    pictures = [instance]
    if painted is not None:
        said = [options.class_prompt] * len(painted)
        pictures.append(LoraPictures([painted], said, options.prior_loss_weight))
    fitted = train_image_lora(
        painter,
        pictures,
        options=options,
        folder=run.workspace.folder / "checkpoints" / ARTEFACT,
        progress=stage.training(),
    )
    if not run.company.main:
        return
    about = {
        "pictures": len(found.items),
        "left_out": len(found.problems),
        "minutes": round(fitted.seconds / 60, 2),
        "losses": fitted.losses,
    }
    with run.write(ARTEFACT, **about) as folder:
        write_image_lora(painter, folder)
        AdapterNote(
            options.pretrained_model_name_or_path,
            options.instance_prompt,
            len(found.items),
            None if segment is None else segment.to_dict(),
        ).write(folder)
        write_left_out(found.problems, folder / LEFT_OUT)


def _report(
    run: Run, dataset: Dataset, options: ImageLoraConfig, rows: np.ndarray | None, stage: Stage
) -> TowerReport:
    losses = run.workspace.about(ARTEFACT)["losses"]
    said = f"loss {losses[0]:.3f} at the start, {losses[-1]:.3f} at the end"
    count = options.validation_images
    table: list[dict[str, Any]] = []
    if count and rows is not None and "oracle" in dataset.extras:
        _, instance = _pictures(dataset, options, rows)
        shares = _learned(dataset, rows)
        learned = str(run.workspace.open(ARTEFACT))
        for name, adapter in (("model", ""), ("with adapter", learned)):
            painter = _painter(options, adapter=adapter)
            # Prompts that were learned, by turns.
            asked = list(dict.fromkeys(instance.prompts))
            jobs = [
                PictureJob(
                    asked[number % len(asked)],
                    seed=9000 + number,
                    adapter="learned" if adapter else "",
                )
                for number in range(count)
            ]
            seen = [read_picture(one.pixels) for one in painter.paint(jobs)]
            stage.progress(len(table) + 1, 2, name)
            table.append({"painted by": name, **_likeness(seen, shares)})
        said = (
            f"{table[1]['shows the product']:.0%} of pictures show the product with the adapter, "
            f"{table[0]['shows the product']:.0%} without; {said}"
            if options.items
            else f"{table[1]['kind']:.0%} of what was learned is of the kind of a picture with the "
            f"adapter, {table[0]['kind']:.0%} without; {said}"
        )
    return TowerReport(
        run.recipe.name,
        said,
        f"{count} pictures of '{options.instance_prompt}', {_STEPS} steps, guidance {_GUIDANCE}; "
        "share of the learned items that look like a picture, by the shop's oracle",
        {"Pictures": table},
        {"headline": said, "rows": table, "losses": losses},
    )


def _learned(dataset: Dataset, rows: np.ndarray) -> dict[str, Counter[Any]]:
    """How many of the learned items show what."""
    oracle = {row["item_id"]: row for row in dataset.extras["oracle"].iter_rows(named=True)}
    shown = [oracle[dataset.catalog.ids[row]] for row in rows.tolist()]
    found = {part: Counter(one[part] for one in shown) for part in PARTS}
    return {
        "shows the product": Counter(tuple(one[part] for part in PARTS) for one in shown)
    } | found


def _likeness(seen: Sequence[Seen], learned: dict[str, Counter[Any]]) -> dict[str, float]:
    """Of a mean picture, the share of the learned items that show the same."""
    found = {}
    for name, counts in learned.items():
        own = [
            getattr(one, name) if name in PARTS else tuple(getattr(one, part) for part in PARTS)
            for one in seen
        ]
        found[name] = float(np.mean([counts[one] / counts.total() for one in own]))
    return found
