"""A copywriter's adapter that learns what is clicked: GRPO on a click model, held by the guard.

A click model is easily flattered. So what it thinks of the new texts is told beside what it does
not see: how many of them the guard lets through, how long they are, and the texts themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from genrec.creatives.copy_options import CopyPreferenceConfig
from genrec.creatives.copy_preference import KIND as ARTEFACT
from genrec.creatives.copy_preference import learn_from_clicks
from genrec.creatives.copy_reward import CopyReward
from genrec.creatives.description_judge import DescriptionScores, judge_descriptions
from genrec.creatives.descriptions import TEMPLATE, question, told_facts
from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard, Policy
from genrec.creatives.reward import RewardModel
from genrec.data.dataset import Dataset
from genrec.data.item_split import hold_out
from genrec.encoders.loading import model_facts
from genrec.errors import ConfigError, InputError
from genrec.evaluation.significance import bootstrap
from genrec.evaluation.tower_report import TowerReport
from genrec.llm.text_transformers import TransformersText
from genrec.prompting import PromptLibrary
from genrec.stages.finetune_copywriter import EXAMPLES, told
from genrec.stages.judge import Judgement
from genrec.stages.run import Run, Stage
from genrec.training.finetune_options import CopyClicksConfig
from genrec.workspace import open_artefact

# Facts of an item from which on there is something to say of it.
LEAST_FACTS = 2


def finetune(run: Run, dataset: Dataset, options: CopyClicksConfig) -> Judgement:
    """A peft adapter in ``copywriter/`` and its report; what is up to date is used again.

    Raises:
        ArtefactError: there is no click model in the folder.
        ConfigError: the batch holds no whole groups.
        InputError: too few items have facts.
    """
    train = run.recipe.train
    if train.batch_size % options.group:
        raise ConfigError(
            f"train.batch_size is {train.batch_size}, and texts come in groups of {options.group}. "
            "Make it a multiple."
        )
    library = PromptLibrary()
    clicks = Path(options.clicks)
    open_artefact(clicks, "reward")
    run.key(
        ARTEFACT,
        dataset.catalog.fingerprint,
        asdict(options) | {"clicks": (clicks / "artefact.json").read_text("utf-8")},
        [train.steps, train.batch_size, train.learning_rate, train.seed],
        model_facts(options.llm),
        library.hash(TEMPLATE),
        Policy.load(options.policy).version,
    )
    run.key("report", run.keys[ARTEFACT])
    learned, held = _parts(dataset, options)
    guard, model = Guard(Policy.load(options.policy)), RewardModel.open(clicks)
    with run.stage("Teach the copywriter") as stage:
        stage.reused = run.is_current(ARTEFACT)
        if not stage.reused:
            _teach(run, learned, library, options, guard, model, stage)
            run.is_current(ARTEFACT)
        stage.note = f"an adapter: {run.path(ARTEFACT)}"
    with run.stage("Judge the copywriter") as stage:
        stage.reused = run.is_current("report")
        if not stage.reused:
            report = _judge(run, held, library, options, guard, model, stage)
            with run.write("report") as folder:
                report.save(folder)
        judgement = Judgement.read(run.path("report"))
        stage.note = judgement.values["headline"]
    return judgement


def _parts(dataset: Dataset, options: CopyClicksConfig) -> tuple[list[ItemFacts], list[ItemFacts]]:
    """Items to learn from, and those to judge by."""
    every = (ItemFacts.of(item) for item in dataset.catalog)
    facts = [one for one in every if len(told_facts(one)) >= LEAST_FACTS]
    if len(facts) <= options.held_out:
        raise InputError(
            f"{len(facts)} items have {LEAST_FACTS} facts or more, and {options.held_out} are "
            "to be held out. Lower finetune.copy_clicks.held_out, or give items attributes."
        )
    train, held = hold_out(
        [one.item.id for one in facts], options.held_out, seed=options.split_seed
    )
    return [facts[row] for row in train], [facts[row] for row in held]


def _teach(
    run: Run,
    learned: Sequence[ItemFacts],
    library: PromptLibrary,
    options: CopyClicksConfig,
    guard: Guard,
    model: RewardModel,
    stage: Stage,
) -> None:
    train = run.recipe.train
    prompts = [question(facts, library) for facts in learned]
    # Items of the same facts are asked about in the same words, and are borne out alike.
    items = {prompt[-1].content: facts for prompt, facts in zip(prompts, learned, strict=True)}

    def allowed(prompt: Any, text: str) -> bool:
        return bool(text.strip()) and guard.check(text, items[prompt[-1]["content"]]).ok

    learn_from_clicks(
        prompts,
        CopyReward(model, group=options.group, restraint=options.restraint, allowed=allowed),
        run.path(ARTEFACT),
        CopyPreferenceConfig(
            llm=options.llm,
            lora_rank=options.lora_rank,
            lora_alpha=options.lora_alpha,
            steps=train.steps,
            batch_size=train.batch_size,
            learning_rate=train.learning_rate,
            kl=options.kl,
            temperature=options.temperature,
            answer_tokens=options.answer_tokens,
            seed=train.seed,
        ),
        progress=stage.training(f"{len(prompts):,} items,"),
        about={"key": run.keys[ARTEFACT], "items": len(prompts)},
    )


def _judge(
    run: Run,
    held: Sequence[ItemFacts],
    library: PromptLibrary,
    options: CopyClicksConfig,
    guard: Guard,
    model: RewardModel,
    stage: Stage,
) -> TowerReport:
    scores: dict[str, DescriptionScores] = {}
    liked: dict[str, np.ndarray] = {}
    for name, adapter in (("base", ""), ("adapter", str(run.workspace.open(ARTEFACT)))):
        scores[name] = judge_descriptions(
            TransformersText(options.llm, adapter=adapter),
            [(facts, facts.item.title) for facts in held],
            guard=guard,
            library=library,
            max_tokens=options.answer_tokens,
            progress=told(stage, name),
        )
        liked[name] = np.asarray(model.scores(scores[name].texts), np.float64)
    (gain,) = bootstrap((liked["adapter"] - liked["base"])[:, None])
    rows = [
        {
            "written by": name,
            "log odds of a click": float(liked[name].mean()),
            "grounded": float(one.grounded.mean()),
            "letters": float(np.mean([len(text) for text in one.texts])),
            "empty": one.empty,
        }
        for name, one in scores.items()
    ]
    examples = [
        {"item": facts.item.title, **{name: scores[name].texts[place] for name in scores}}
        for place, facts in enumerate(held[:EXAMPLES])
    ]
    base, taught = rows
    return TowerReport(
        run.recipe.name,
        f"The click model gives the adapter's texts {gain.mean:+.3f} log odds (95% {gain.low:+.3f} "
        f"to {gain.high:+.3f}) over those of its start; grounded {taught['grounded']:.0%} and "
        f"{base['grounded']:.0%}. They were learned to please this model: whether people click "
        "more is not known.",
        f"{len(held)} items held out by their ids (seed {options.split_seed}); greedy, "
        f"{options.answer_tokens} tokens; policy {options.policy}",
        {"Descriptions": rows, "Examples": examples},
        {"rows": rows, "difference": gain.mean, "interval": [gain.low, gain.high]},
    )
