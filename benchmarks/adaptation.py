"""The adaptations side by side: quality, trained parameters, memory, minutes; another domain.

Two parts, each kept under ``runs/adaptation``, so that a stopped benchmark goes on where it was:

- the pretrained SmolLM2-135M on the baskets of Complete Journey, every adaptation with the same
  rows and steps in a process of its own, beside popularity on the same test users;
- a ``tiny`` LLM trained on Beauty and taken to Toys: untouched, by an adapter alone, by all of it
  (needs the folders of benchmark data).

``--quick`` trains two steps of four adaptations.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Figures, in_child, memory_gb, not_measured, report
from genrec.data.dataset import Dataset, Holdout
from genrec.evaluation.evaluate import evaluate
from genrec.llm.backbone import Backbone
from genrec.recipe import Recipe
from genrec.recommenders.base import Recommender
from genrec.recommenders.generative import GenerativeRecommender
from genrec.semantic_ids.index import SemanticIndex
from genrec.stages.pipeline import judged_cases, run_recipe
from genrec.stages.prepare import build_ids, encode, load_data
from genrec.stages.run import Run
from genrec.workspace import Workspace

HERE = Path("runs/adaptation")
TEST_USERS = 500
STEPS = 120
# The same rows for all; a rate for each kind, since new rows alone take larger steps than a base.
SHARED = [f"train.steps={STEPS}", "train.warmup_steps=12", "train.bf16=true"]
ROWS = "train.rows_learning_rate=3e-3"
ADAPTATIONS: dict[str, list[str]] = {
    "frozen": ["llm.adapt=frozen", "train.learning_rate=3e-3"],
    "prompt": ["llm.adapt=prompt", "train.learning_rate=3e-3"],
    "lora": ["llm.adapt=lora"],
    "lora_fast_rows": ["llm.adapt=lora", ROWS],
    "qlora": ["llm.adapt=qlora"],
    "full": ["llm.adapt=full", "train.learning_rate=3e-4"],
    "dora": ["llm.adapt=dora"],
    "lora_8bit": ["llm.adapt=lora", "llm.quantize=8bit"],
    "lora_last6": ["llm.adapt=lora", "llm.lora_layers=last-6"],
    "mixture": ["llm.adapt=mixture", "prompt.group_by=income"],
}
NAMES = {"recall": "recall10", "ndcg": "ndcg10", "ndcg_interval": "ndcg10_interval"}
QUICK = ("frozen", "prompt", "lora", "qlora")
# Beauty by codes alone: the LLM of a hybrid has never read a code in a history.
BEAUTY = HERE / "beauty-codes"
# On the same rows of Toys, with the codebooks of Beauty; all but scratch start from its LLM.
SHORT = [
    "train.steps=300",
    "train.warmup_steps=30",
    "evaluate.test_users=5000",
    "evaluate.against=[popular]",
]
TRANSFERS: dict[str, list[str]] = {
    "adapter_only": [],
    "full": ["llm.adapt=full", "train.learning_rate=1.0e-3"],
    "scratch": ["llm.start_from=''", "llm.name=tiny", "llm.adapt=full"],
    "adapter_and_rows": ["llm.lora_rows=true"],
    "dora_and_rows": ["llm.adapt=dora", "llm.lora_rows=true"],
    "prompt_and_rows": ["llm.adapt=prompt"],
    "rows_only": ["llm.adapt=frozen"],
}


def figures_of(recommender: Recommender, test: Holdout) -> dict[str, Any]:
    """Recall@10 and NDCG@10 with its interval."""
    estimates = evaluate(recommender, test).results[0].estimates
    found: dict[str, Any] = {
        name: round(estimates[f"{name}@10"].mean, 4) for name in ("recall", "ndcg")
    }
    ndcg = estimates["ndcg@10"]
    return found | {"ndcg_interval": [round(ndcg.low, 4), round(ndcg.high, 4)]}


def drawn(test: Holdout, users: int) -> Holdout:
    """So many test users, by a fixed seed."""
    rows = np.random.default_rng(0).permutation(len(test))[:users]
    return test.take(np.sort(rows))


def kept(folder: Path, identity: Any) -> dict[str, Any] | None:
    """What was measured before with the same options."""
    card = folder / "measured.json"
    if card.exists():
        found = json.loads(card.read_text())
        if found["identity"] == json.loads(json.dumps(identity)):
            return dict(found["figures"])
    return None


def keep(folder: Path, identity: Any, figures: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "measured.json").write_text(json.dumps({"identity": identity, "figures": figures}))


# ---- the adaptations of a pretrained LLM


def groceries(words: list[str]) -> tuple[Run, Dataset, SemanticIndex]:
    """The data of quickstart-llm and its semantic IDs, made once."""
    recipe = Recipe.load("quickstart-llm", [*SHARED, *words])
    run = Run(recipe, Workspace(HERE / "groceries"))
    dataset = load_data(run)
    return run, dataset, build_ids(run, dataset, encode(run, dataset))


def adapt_groceries(name: str, steps: str) -> None:
    """Child: one adaptation, trained and judged; prints its figures."""
    words = [*ADAPTATIONS[name], f"train.steps={steps}"]
    run, dataset, index = groceries(words)
    train, test = dataset.split("last-basket")
    config = run.recipe.generative
    started, worked = time.perf_counter(), time.process_time()
    recommender = GenerativeRecommender.train(
        config.backbone,
        train,
        index,
        config=config,
        folder=HERE / name / "fit",
        progress=told(name),
    )
    minutes = (time.perf_counter() - started) / 60
    cpu_minutes = (time.process_time() - worked) / 60
    assert recommender.fitted is not None
    training_peak = round(memory_gb()["VmHWM"], 3)
    judged = time.perf_counter()
    found: dict[str, Any] = {
        "trained_parameters": recommender.backbone.trained_parameters,
        "minutes": round(minutes, 1),
        "cpu_minutes": round(cpu_minutes, 1),
        "peak_gb": training_peak,
        "last_loss": round(recommender.fitted.losses[-1], 3) if recommender.fitted.losses else None,
        **figures_of(recommender, drawn(test, TEST_USERS)),
        "judging_minutes": round((time.perf_counter() - judged) / 60, 1),
    }
    print(json.dumps(found))


def told(name: str) -> Any:
    def draw(step: int, steps: int, loss: float) -> None:
        if step % 10 == 0 or step == steps:
            print(f"{name}: step {step} of {steps}, loss {loss:.3f}", file=sys.stderr)

    return draw


def popularity() -> dict[str, Any]:
    """The control on the same users."""
    from genrec.recommenders.popular import Popular

    _, dataset, _ = groceries([])
    train, test = dataset.split("last-basket")
    return figures_of(Popular.train(train), drawn(test, TEST_USERS))


def side_by_side(*, quick: bool) -> Figures:
    """Every adaptation, each in its own process."""
    found: Figures = {"popular": popularity()}
    steps = "2" if quick else str(STEPS)
    for name in QUICK if quick else ADAPTATIONS:
        identity = [SHARED, ADAPTATIONS[name], steps, TEST_USERS]
        measured = kept(HERE / name, identity)
        if measured is None:
            measured = in_child("benchmarks.adaptation", "adapt", name, steps, timeout=7200)
            keep(HERE / name, identity, measured)
        print(f"{name}: {measured}", file=sys.stderr)
        found[name] = measured
    return found


# ---- another domain


def toys(name: str) -> Recipe:
    """The recipe of one way to Toys."""
    codes = [f"semantic_ids.codebooks_from={BEAUTY}", f"llm.start_from={BEAUTY}"]
    return Recipe.load("toys_from_beauty", [*codes, *SHORT, *TRANSFERS.get(name, [])])


def transfer_one(name: str) -> None:
    """Child: one way to Toys, trained and judged by the stages; prints its figures."""
    workspace = Workspace(HERE / f"toys-{name}")
    outcome = run_recipe(toys(name), workspace)
    assert outcome is not None
    judged = outcome.report.values["recommenders"]
    recommender = GenerativeRecommender.load(
        workspace.path("recommender"), load_data(Run(toys(name), workspace)).catalog
    )
    about = json.loads((workspace.path("recommender") / "generative.json").read_text())
    found: dict[str, Any] = {
        "trained_parameters": trained_parameters(recommender, name),
        "minutes": round(about["fit"]["seconds"] / 60, 1),
        "peak_gb": round(memory_gb()["VmHWM"], 3),
        "best_step": about["fit"]["best_step"],
    }
    for key, figures in (("", judged["genrec"]), ("popular_", judged["popular"])):
        for metric in ("recall", "ndcg"):
            found[f"{key}{metric}"] = round(figures["figures"][f"{metric}@10"][0], 4)
    print(json.dumps(found))


def trained_parameters(recommender: GenerativeRecommender, name: str) -> int:
    """What trains of an LLM made by this recipe."""
    made = Backbone.create(
        toys(name).llm, recommender.index.token_names, recommender.index.codebook_sizes
    )
    return made.trained_parameters


def untouched() -> None:
    """Child: the LLM of Beauty on the items of Toys, without a step."""
    run = Run(toys("adapter_only"), Workspace(HERE / "toys-adapter_only"))
    with run.workspace.lock():
        dataset = load_data(run)
        index = build_ids(run, dataset, encode(run, dataset))
    test = judged_cases(run.recipe, dataset.split("last-out")[1])
    recommender = GenerativeRecommender(
        Backbone.read(BEAUTY / "recommender"), dataset.catalog, index, run.recipe.generative
    )
    print(json.dumps({"trained_parameters": 0, "minutes": 0.0, **figures_of(recommender, test)}))


def transfer(*, quick: bool) -> Figures:
    """Beauty to Toys."""
    if quick:
        return not_measured("transfer", "--quick trains nothing on Beauty")
    run_recipe(Recipe.load("beauty-codes"), Workspace(BEAUTY), until="train")
    found: Figures = {}
    for name in ("untouched", *TRANSFERS):
        folder, identity = HERE / "transfer" / name, [SHORT, TRANSFERS.get(name)]
        measured = kept(folder, identity)
        if measured is None:
            words = ("untouched",) if name == "untouched" else ("transfer", name)
            measured = in_child("benchmarks.adaptation", *words, timeout=7200)
            keep(folder, identity, measured)
        print(f"{name}: {measured}", file=sys.stderr)
        found[f"toys_{name}"] = measured
    return found


def flat(found: Figures) -> Figures:
    """Figures of each way by names of their own."""
    figures: Figures = {}
    for name, measured in found.items():
        if isinstance(measured, dict) and "ndcg" in measured:
            figures |= {f"{name}_{NAMES.get(key, key)}": one for key, one in measured.items()}
        else:
            figures[name] = measured
    return figures


def main() -> None:
    """Measures all parts, or one in a child."""
    match sys.argv[1:]:
        case ["adapt", name, steps]:
            adapt_groceries(name, steps)
        case ["transfer", name]:
            transfer_one(name)
        case ["untouched"]:
            untouched()
        case ["transfers"]:
            print(json.dumps(transfer(quick=False)))
        case ["table"]:
            print(json.dumps(side_by_side(quick=False)))
        case rest:
            quick = rest == ["--quick"]
            found = {**side_by_side(quick=quick), **transfer(quick=quick)}
            report(
                flat(found),
                adaptations=f"{STEPS} steps of 8 rows of 256 tokens, bf16, {TEST_USERS} test users",
                transfer="300 steps of 32 rows of 256 tokens, 5,000 test users of Toys",
            )


if __name__ == "__main__":
    main()
