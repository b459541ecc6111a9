"""A copywriter's adapter: learned from items' facts and descriptions, judged on items held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import torch

from genrec.creatives.description_judge import judge_descriptions
from genrec.creatives.descriptions import TEMPLATE, adds_nothing, own_description, question
from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard, Policy
from genrec.data.dataset import Dataset
from genrec.data.item_split import hold_out
from genrec.encoders.loading import model_facts
from genrec.errors import InputError
from genrec.evaluation.significance import bootstrap
from genrec.evaluation.tower_report import TowerReport
from genrec.llm.adapt import adapted
from genrec.llm.options import BackboneConfig
from genrec.llm.text_transformers import TransformersText
from genrec.prompting import PromptLibrary
from genrec.stages.judge import Judgement
from genrec.stages.run import Run, Stage
from genrec.training.answers import Answered, train_answers
from genrec.training.finetune_options import CopywriterConfig

ARTEFACT = "copywriter"
EXAMPLES = 8


def finetune(run: Run, dataset: Dataset, options: CopywriterConfig) -> Judgement:
    """A peft adapter in ``copywriter/`` and its report; what is up to date is used again."""
    library = PromptLibrary()
    run.key(
        ARTEFACT,
        dataset.catalog.fingerprint,
        asdict(options),
        asdict(run.recipe.train),
        model_facts(options.llm),
        library.hash(TEMPLATE),
    )
    run.key("report", run.keys[ARTEFACT])
    described = _described(dataset, options)
    train, held = hold_out(
        [one.item.id for one, _ in described], options.held_out, seed=options.split_seed
    )
    with run.stage("Teach the copywriter") as stage:
        stage.reused = run.is_current(ARTEFACT)
        if not stage.reused:
            _teach(run, [described[row] for row in train], library, options, stage)
        stage.note = f"an adapter: {run.path(ARTEFACT)}"
    with run.stage("Judge the copywriter") as stage:
        stage.reused = run.is_current("report")
        if not stage.reused:
            report = _judge(run, [described[row] for row in held], library, options, stage)
            with run.write("report") as folder:
                report.save(folder)
        judgement = Judgement.read(run.path("report"))
        stage.note = judgement.values["headline"]
    return judgement


def _described(dataset: Dataset, options: CopywriterConfig) -> list[tuple[ItemFacts, str]]:
    """Items with a description of their own, and that description."""
    pairs = []
    for item in dataset.catalog:
        if description := own_description(item, most=options.sentences):
            facts = ItemFacts.of(item)
            if not options.only_grounded or adds_nothing(description, facts):
                pairs.append((facts, description))
    return pairs


def _teach(
    run: Run,
    described: list[tuple[ItemFacts, str]],
    library: PromptLibrary,
    options: CopywriterConfig,
    stage: Stage,
) -> None:
    writer = TransformersText(options.llm)
    rows = [
        row
        for facts, description in described
        if len((row := _row(writer, facts, description, library)).tokens) <= options.row_tokens
    ]
    if not rows:
        raise InputError(
            f"No item of {len(described):,} has facts and a description in {options.row_tokens} "
            "tokens. Raise finetune.copywriter.row_tokens."
        )
    config = BackboneConfig(
        name=options.llm,
        lora_rank=options.lora_rank,
        lora_alpha=options.lora_alpha,
        lora_rows=False,
        seed=run.recipe.train.seed,
    )
    model = adapted(writer.model, config, rows=())
    fitted = train_answers(
        model,
        rows,
        config=run.recipe.train,
        folder=run.workspace.folder / "checkpoints" / ARTEFACT,
        job=run.keys[ARTEFACT],
        progress=stage.training(f"{len(rows):,} descriptions,"),
    )
    about = {"rows": len(rows), "minutes": round(fitted.seconds / 60, 2), "losses": fitted.losses}
    with run.write(ARTEFACT, **about) as folder:
        model.save_pretrained(folder, save_embedding_layers=False)
    del model
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _judge(
    run: Run,
    held: list[tuple[ItemFacts, str]],
    library: PromptLibrary,
    options: CopywriterConfig,
    stage: Stage,
) -> TowerReport:
    guard = Guard(Policy.load("general"))
    scores = {}
    for name, adapter in (("base", ""), ("adapter", str(run.workspace.open(ARTEFACT)))):
        scores[name] = judge_descriptions(
            TransformersText(options.llm, adapter=adapter),
            held,
            guard=guard,
            library=library,
            max_tokens=options.answer_tokens,
            progress=told(stage, name),
        )
    better = scores["adapter"].rouge - scores["base"].rouge
    (gain,) = bootstrap(better[:, None])
    rows = [
        {
            "written by": name,
            "ROUGE-L": float(one.rouge.mean()),
            "grounded": float(one.grounded.mean()),
            "empty": one.empty,
        }
        for name, one in scores.items()
    ]
    examples = [
        {
            "item": facts.item.title,
            "own": own,
            **{name: scores[name].texts[place] for name in scores},
        }
        for place, (facts, own) in enumerate(held[:EXAMPLES])
    ]
    base, taught = rows
    return TowerReport(
        run.recipe.name,
        f"ROUGE-L {taught['ROUGE-L']:.3f} with the adapter, {base['ROUGE-L']:.3f} without "
        f"(difference {gain.mean:+.3f}, 95% {gain.low:+.3f} to {gain.high:+.3f}); grounded "
        f"{taught['grounded']:.0%} and {base['grounded']:.0%}.",
        f"{len(held)} items held out by their ids (seed {options.split_seed}); greedy, "
        f"{options.answer_tokens} tokens; reference: "
        f"the shop's first {options.sentences} sentences",
        {"Descriptions": rows, "Examples": examples},
        {"rows": rows, "difference": gain.mean, "interval": [gain.low, gain.high]},
    )


def told(stage: Stage, name: str) -> Callable[[int, int], None]:
    """What tells a stage how many texts a writer has written."""
    return lambda done, total: stage.progress(done, total, name)


def _row(
    writer: TransformersText, facts: ItemFacts, description: str, library: PromptLibrary
) -> Answered:
    asked, said = writer.answered(question(facts, library), description)
    return Answered(np.array([*asked, *said], np.int64), len(said))
