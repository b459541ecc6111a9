"""An LLM that sees, of a text LLM and a tower: joined, its projector trained, judged by naming."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from genrec.data.dataset import Dataset
from genrec.data.item_split import hold_out
from genrec.data.left_out import list_left_out, read_left_out, told
from genrec.encoders.loading import model_facts
from genrec.errors import InputError
from genrec.evaluation.tower_report import TowerReport
from genrec.llm.llava import assemble_llava
from genrec.llm.pictures import PictureTokens
from genrec.prompting import PromptLibrary
from genrec.stages.judge import Judgement
from genrec.stages.prepare import files_of
from genrec.stages.run import Run, Stage
from genrec.training.fit import FitResult
from genrec.training.naming import (
    TEMPLATE,
    NamingPrompt,
    SeeingLLM,
    chosen_names,
    said_names,
    start_from_words,
    train_projector,
)
from genrec.training.pretrain_options import ProjectorConfig

ARTEFACT = "seeing_llm"
EXAMPLES = 8


def pretrain(run: Run, dataset: Dataset) -> Judgement:
    """An LLM that sees in ``seeing_llm/`` and its report; what is up to date is used again."""
    options = _options(run)
    run.key(
        ARTEFACT,
        dataset.catalog.fingerprint,
        files_of(dataset, "image"),
        asdict(options),
        asdict(run.recipe.train),
        [model_facts(options.llm), model_facts(options.tower)],
        PromptLibrary().hash(TEMPLATE),
    )
    run.key("report", run.keys[ARTEFACT])
    texts = dataset.catalog.texts(options.said)
    with run.stage("Join LLM and tower") as stage:
        stage.reused = run.is_current(ARTEFACT)
        if not stage.reused:
            _join_and_train(run, dataset, texts, stage)
        stage.note = f"an LLM that sees: {run.path(ARTEFACT)}"
        stage.note += told(read_left_out(run.path(ARTEFACT)), run.path(ARTEFACT))
    with run.stage("Judge its sight") as stage:
        stage.reused = run.is_current("report")
        if not stage.reused:
            report = _judge(run, dataset, texts, stage)
            with run.write("report") as folder:
                report.save(folder)
        judgement = Judgement.read(run.path("report"))
        stage.note = f"names {judgement.values['named_right']:.0%} of unseen pictures right"
    return judgement


def _options(run: Run) -> ProjectorConfig:
    assert run.recipe.pretrain is not None
    assert run.recipe.pretrain.projector is not None
    return run.recipe.pretrain.projector


def _join_and_train(run: Run, dataset: Dataset, texts: list[str], stage: Stage) -> FitResult:
    options, catalog = _options(run), dataset.catalog
    checkpoints = run.workspace.folder / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=checkpoints) as name:
        joined = Path(name)
        assemble_llava(
            options.llm, options.tower, joined, layer=options.layer, seed=run.recipe.train.seed
        )
        llm, prompt, pictures = _opened(joined, dataset, options)
        known = pictures.known
        train, _ = hold_out(catalog.ids, options.held_out, seed=options.split_seed)
        taught = [item for item in train if known[item] and texts[item]]
        if not taught:
            raise InputError("No item has both a picture and a text to say of it.")
        start_from_words(llm, prompt, taught, texts, seed=run.recipe.train.seed)
        rows = [prompt.row(item, texts[item]) for item in taught]
        fitted = train_projector(
            llm,
            rows,
            config=run.recipe.train,
            folder=checkpoints / ARTEFACT,
            job=run.keys[ARTEFACT],
            progress=stage.training("naming pictures,"),
        )
        about = {"minutes": round(fitted.seconds / 60, 2), "losses": fitted.losses}
        with run.write(ARTEFACT, **about) as folder:
            llm.model.to(llm.model.get_input_embeddings().weight.dtype)
            llm.model.save_pretrained(folder)
            AutoProcessor.from_pretrained(joined).save_pretrained(folder)
            list_left_out(pictures.problems, folder)
    return fitted


def _opened(
    folder: Path, dataset: Dataset, options: ProjectorConfig
) -> tuple[SeeingLLM, NamingPrompt, PictureTokens]:
    """The LLM of a folder, how it is asked, and what it sees of items."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="auto", use_safetensors=True)
    if torch.cuda.is_available():
        model.cuda()
    pictures = PictureTokens.of(model, str(folder), dataset.catalog, options.pictures)
    llm = SeeingLLM(model, pictures.to(model.device))
    text_tokenizer = AutoProcessor.from_pretrained(folder).tokenizer
    return llm, NamingPrompt(text_tokenizer, pictures), pictures


def _judge(run: Run, dataset: Dataset, texts: list[str], stage: Stage) -> TowerReport:
    options, catalog = _options(run), dataset.catalog
    folder = run.workspace.open(ARTEFACT)
    llm, prompt, pictures = _opened(folder, dataset, options)
    known = pictures.known
    _, held = hold_out(catalog.ids, options.held_out, seed=options.split_seed)
    shown = [int(item) for item in held if known[item] and texts[item]]
    generator = np.random.default_rng(options.split_seed)
    candidates = [_candidates(texts, item, shown, options.candidates, generator) for item in shown]
    others = [shown[(place + 1) % len(shown)] for place in range(len(shown))]

    def share(pictures: list[int], before: int) -> float:
        found = chosen_names(
            llm,
            prompt,
            pictures,
            candidates,
            progress=lambda done, total: stage.progress(before + done, 2 * total, "choosing names"),
        )
        return float(np.mean(found == 0))

    right, control = share(shown, 0), share(others, len(others))
    chance = float(np.mean([1 / len(one) for one in candidates]))
    spoken = said_names(llm, prompt, shown[:EXAMPLES])
    decode = AutoProcessor.from_pretrained(folder).tokenizer.decode
    examples = [
        {
            "item": catalog.ids[item],
            "text": texts[item],
            "said of its picture": decode(said).strip(),
        }
        for item, said in zip(shown, spoken, strict=False)
    ]
    rows: list[dict[str, Any]] = [
        {"picture shown": "the item's own", "right text chosen": right},
        {"picture shown": "another item's (control)", "right text chosen": control},
        {"picture shown": "chance", "right text chosen": chance},
    ]
    values = {"named_right": right, "control": control, "chance": chance, "pictures": len(shown)}
    return TowerReport(
        run.recipe.name,
        f"The LLM chooses the right text for {right:.1%} of {len(shown)} unseen pictures among "
        f"{options.candidates}; shown another item's picture {control:.1%}, chance {chance:.1%}.",
        f"{len(shown)} items held out by their ids (seed {options.split_seed}); texts of other "
        "held-out items as wrong answers; mean log-probability of a token decides",
        {"Choosing a text": rows, "What it says": examples},
        {**values, "examples": examples},
        pictures.problems,
    )


def _candidates(
    texts: list[str], item: int, others: list[int], count: int, generator: np.random.Generator
) -> list[str]:
    """The item's text first, then different ones of other items."""
    different = sorted({texts[other] for other in others} - {texts[item]})
    drawn = generator.permutation(len(different))[: count - 1]
    return [texts[item], *(different[number] for number in drawn)]
