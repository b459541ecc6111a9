"""Preference: DPO and GRPO after supervised training, the gate's decision, the speed of draws.

``python -m benchmarks.preference --run RUN`` takes a trained run, such as ``runs/beauty`` of
``genrec run beauty``, and leaves it as it is. S-DPO and GRPO start from its model with seeds 0 to
2. They are judged on the gate's validation users, at whom neither learning nor the choice of its
steps looked, and on the test users; the gate decides on each. Options are those of the recipes
``finetune/beauty-dpo`` and ``finetune/beauty-grpo``; ``--options name=value`` changes both.
``--quick`` trains a toy shop first. What is learned lies in ``runs/preference``, and a killed run
goes on there.

Draws: 16 prompts and 16 draws of each, by the shared-prompt search without replacement and by trl's
GRPOTrainer as it stands, whose own ``generate`` is held to real items by
``prefix_allowed_tokens_fn``; without trl, by the same call of ``generate`` that it makes. One LLM,
in turn. The speed-up counts distinct items in a second, since equal draws of one prompt teach
nothing twice; the ratio of all draws stands beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Figures, not_measured, report, side_by_side
from genrec.data.dataset import Dataset, Holdout
from genrec.decoding.options import DecodeConfig
from genrec.evaluation.gate import decide
from genrec.evaluation.significance import bootstrap
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.preferring import prefer
from genrec.stages.pipeline import run_recipe
from genrec.stages.prefer import trained_on_validation, users_of_the_gate
from genrec.stages.prepare import stored_data
from genrec.stages.run import Observer, Run
from genrec.stages.train import SFT, ndcg10
from genrec.stages.validation import ValidationUsers, weigh_signals
from genrec.strict_yaml import set_option
from genrec.training.grpo import invalid_places
from genrec.workspace import Workspace

RUNS = Path("runs") / "preference"
METHODS = {"dpo": "finetune/beauty-dpo", "grpo": "finetune/beauty-grpo"}
PROMPTS, GROUP = 16, 16
TOY = ["data.options.items=120", "data.options.shoppers=200", "train.steps=40",
       "train.validate_every=20", "packing.row_tokens=128",
       "evaluate.validation_users=60"]  # fmt: skip
QUICK = ["preference.fit.steps=30", "preference.fit.batch_size=16", "preference.grpo.group=8",
         "preference.fit.validate_every=15", "preference.fit.checkpoint_every=15"]  # fmt: skip


class Watch(Observer):
    def finished(self, stage: str, note: str, seconds: float, *, reused: bool) -> None:
        print(f"{stage}: {seconds:.0f} s {'(reused) ' * reused}{note}", file=sys.stderr)


def trained_toy_shop() -> Path:
    """The folder of a small run."""
    folder = RUNS / "toy-shop"
    run_recipe(Recipe.load("toy-shop", TOY), Workspace(folder), Watch(), until="train")
    return folder


def opened(folder: Path) -> tuple[Recipe, Dataset, Callable[[], GenerativeRecommender]]:
    """Recipe and data of a run, and what loads its supervised model anew."""
    workspace = Workspace(folder)
    content = {**workspace.run["recipe"], "preference": None}
    recipe = Recipe.parse(content, where=str(folder))
    data = stored_data(Run(recipe, workspace))
    # Where preference has been promoted in the run, the supervised model lies beside it.
    decision = workspace.path("preference") / "decision.json"
    promoted = decision.is_file() and json.loads(decision.read_text())["gate"]["promoted"]
    place = workspace.path(SFT if promoted else "recommender")

    def load() -> GenerativeRecommender:
        recommender = GenerativeRecommender.load(place, data.catalog)
        recommender.decode_by(recipe.decode)
        return recommender

    return recipe, data, load


def judged(
    folder: Path, seeds: range, options: list[str], *, quick: bool
) -> tuple[Figures, dict[str, Any]]:
    """NDCG@10 of the supervised model and of what learned from preference, and the decisions."""
    recipe, data, load = opened(folder)
    training, test = data.split(recipe.evaluate.split)
    fitting, validation = training.split(recipe.evaluate.split)
    found: Figures = {}
    details: dict[str, Any] = {}
    invalid = 0
    start: dict[str, np.ndarray] = {}
    for method, name in METHODS.items():
        content = recipe.model_dump(mode="json")
        content["preference"] = Recipe.read(name)["preference"]
        for option in [*(QUICK if quick else []), *options]:
            set_option(content, option, example="preference.fit.steps=100")
        asking = Recipe.parse(content, where=name)
        config = asking.preference
        assert config is not None
        users = ValidationUsers.drawn(recipe, validation)
        watched, asked = users_of_the_gate(users, config)
        if not start:
            supervised = load()
            start = {"validation": ndcg10(supervised, asked), "test": ndcg10(supervised, test)}
            found |= told("sft", start)
        means: dict[str, list[float]] = {"validation": [], "test": []}
        decisions, rows = [], []
        for seed in seeds:
            seeded = replace(config, fit=replace(config.fit, seed=seed))
            learner = load()
            learned = taught(learner, fitting, watched, seeded, folder)
            if not trained_on_validation(recipe):
                weigh_signals(learner, users)
            after = {"validation": ndcg10(learner, asked), "test": ndcg10(learner, test)}
            invalid += learned["invalid"]
            gate = decide(
                start["validation"],
                after["validation"],
                margin=config.gate.margin,
                level=config.gate.level,
            )
            decisions.append("promoted" if gate.promoted else "refused")
            for part, values in after.items():
                means[part].append(float(values.mean()))
            (gain,) = bootstrap((after["test"] - start["test"])[:, None])
            rows.append(
                {
                    "seed": seed,
                    "gate": gate.to_dict(),
                    "test_difference": [gain.mean, gain.low, gain.high],
                    **learned,
                }
            )
            print(f"{method}, seed {seed}: {decisions[-1]}: {gate.reason}", file=sys.stderr)
        found |= told(method, {part: np.array(values) for part, values in means.items()})
        found[f"ndcg10_{method}_test_by_seed"] = [round(mean, 4) for mean in means["test"]]
        found[f"gate_{method}"] = decisions
        details[method] = rows
    found["invalid_rollouts"] = invalid
    return found, details


def told(name: str, values: dict[str, np.ndarray]) -> Figures:
    """``ndcg10_NAME`` is of the test users, as everywhere; validation stands beside it."""
    return {
        f"ndcg10_{name}": round(float(values["test"].mean()), 4),
        f"ndcg10_{name}_validation": round(float(values["validation"].mean()), 4),
    }


def taught(
    recommender: GenerativeRecommender,
    fitting: Dataset,
    watched: Holdout,
    config: Any,
    folder: Path,
) -> dict[str, Any]:
    """Has the recommender learn, and tells the course of it."""
    learned = prefer(
        recommender,
        fitting,
        config,
        watched=watched,
        ndcg=lambda one, cases: float(ndcg10(one, cases).mean()),
        folder=RUNS / f"{folder.name}-{config.method}-{config.fit.seed}",
        on_measured=lambda one, _: print(f"  step {one.step}: {one}", file=sys.stderr),
    )
    return {
        "invalid": learned.invalid,
        "course": learned.course.to_dict(),
        "best_step": learned.fitted.best_step,
        "seconds": round(learned.fitted.seconds, 1),
    }


def rollouts(recommender: GenerativeRecommender, histories: Any) -> tuple[Figures, dict[str, Any]]:
    """Draws a second of the shared-prompt search against the stock ones, in turn."""
    prompts = [recommender.prompt.tokens(history) for history in histories]
    known = recommender.backbone.model.get_input_embeddings().weight.shape[0]
    if max(map(max, prompts)) >= known:
        why = "stock generate cannot read items as vectors; take --draws-only and another run"
        return not_measured("rollout_speedup", why), {}
    items = len(recommender.catalog)
    group = min(GROUP, items)
    decode = DecodeConfig(strategy="sample", seed=0)
    drawn: dict[str, Any] = {}

    def ours() -> None:
        drawn["ours"] = recommender.search(prompts, recommender.trie, beams=group, config=decode)

    stock, how = stock_draws(recommender, prompts, group)

    def theirs() -> None:
        drawn["stock"] = stock()

    times = side_by_side({"ours": ours, "stock": theirs}, repeats=5)
    own = drawn["ours"].items.numpy()
    distinct = sum(len(set(row)) for row in drawn["stock"])
    places = len(prompts) * group
    seconds = times["stock"] / times["ours"]
    figures: Figures = {
        "rollout_speedup": round(seconds * places / distinct, 2),
        "rollout_speedup_all_draws": round(seconds, 2),
        "rollouts_per_second": round(places / times["ours"], 1),
        "stock_rollouts_per_second": round(places / times["stock"], 1),
        "stock_distinct_share": round(distinct / places, 3),
        "draws_invalid": invalid_places(own, items),
    }
    lengths = [len(prompt) for prompt in prompts]
    return figures, {
        "stock": how,
        "prompts": len(prompts),
        "group": group,
        "prompt_tokens": [min(lengths), max(lengths)],
        "threads": torch.get_num_threads(),
    }


def stock_draws(
    recommender: GenerativeRecommender, prompts: list[list[int]], group: int
) -> tuple[Callable[[], list[list[tuple[int, ...]]]], str]:
    """What draws as trl does, ``group`` times after each prompt, and in words what that is."""
    backbone, index = recommender.backbone, recommender.index
    levels = index.levels
    rows = backbone.token_ids.cpu().numpy()[index.token_numbers].tolist()
    follow: dict[tuple[int, ...], set[int]] = {}
    for row in rows:
        for level in range(levels):
            follow.setdefault(tuple(row[:level]), set()).add(row[level])
    legal = {prefix: sorted(tokens) for prefix, tokens in follow.items()}
    longest = max(map(len, prompts))
    # Repeated as trl's sampler repeats them, so that each draw computes its own prompt.
    repeated = [prompt for prompt in prompts for _ in range(group)]
    model = backbone.model

    def allowed(_row: int, ids: torch.Tensor) -> list[int]:
        return legal[tuple(ids[longest:].tolist())]

    def grouped(drawn: list[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
        return [drawn[start : start + group] for start in range(0, len(drawn), group)]

    if find_spec("trl") is None:
        from genrec.decoding.beam import left_padded

        ids, real, _ = left_padded(repeated, backbone.device)

        def plain() -> list[list[tuple[int, ...]]]:
            with torch.no_grad():
                out = model.generate(
                    input_ids=ids, attention_mask=real.long(), do_sample=True, top_k=0,
                    max_new_tokens=levels, prefix_allowed_tokens_fn=allowed,
                )  # fmt: skip
            return grouped([tuple(row) for row in out[:, longest:].tolist()])

        return plain, "transformers.generate"
    trainer = stock_trainer(recommender, levels, group)
    generate = partial(model.generate, prefix_allowed_tokens_fn=allowed)

    def by_trl() -> list[list[tuple[int, ...]]]:
        model.generate = generate
        try:
            written, _ = trainer._generate_single_turn(repeated, None, {}, group)
        finally:
            del model.generate
        return grouped([tuple(row) for row in written])

    return by_trl, "trl.GRPOTrainer"


def stock_trainer(recommender: GenerativeRecommender, levels: int, group: int) -> Any:
    """trl's trainer on the same LLM."""
    from datasets import Dataset as Rows
    from trl import GRPOConfig, GRPOTrainer

    def nothing(completions: list[str], **_: Any) -> list[float]:
        return [0.0] * len(completions)

    options = GRPOConfig(
        output_dir=tempfile.mkdtemp(), max_completion_length=levels, num_generations=group,
        per_device_train_batch_size=group, temperature=1.0, report_to=[], use_cpu=True, bf16=False,
    )  # fmt: skip
    return GRPOTrainer(
        model=recommender.backbone.model,
        reward_funcs=nothing,
        args=options,
        train_dataset=Rows.from_dict({"prompt": ["a", "b"]}),
        processing_class=recommender.backbone.text_tokenizer,
    )


def main() -> None:
    """Prints NDCG@10 before and after, the decisions, and the speed of draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a toy shop, one seed")
    parser.add_argument("--run", type=Path, help="folder of a trained run")
    parser.add_argument("--seeds", type=int, default=3, help="0 to so many minus one")
    parser.add_argument("--options", nargs="*", default=[], help="preference.fit.steps=100 …")
    parser.add_argument("--draws-only", action="store_true", help="only the speed of draws")
    chosen = parser.parse_args()
    figures: Figures = {}
    details: dict[str, Any] = {}
    if chosen.run is None and not chosen.quick:
        why = "needs a trained run: --run runs/beauty (genrec run beauty), or --quick"
        for key in ("ndcg10_sft", "ndcg10_dpo", "ndcg10_grpo", "rollout_speedup"):
            figures |= not_measured(key, why)
        report(figures)
        return
    folder = chosen.run or trained_toy_shop()
    if not chosen.draws_only:
        seeds = range(1 if chosen.quick else chosen.seeds)
        figures, details = judged(folder, seeds, chosen.options, quick=chosen.quick)
    _, data, load = opened(folder)
    lengths = data.sequences.lengths
    users = np.argsort(lengths, kind="stable")[len(lengths) // 2 :][:PROMPTS]
    speed, about = rollouts(load(), data.sequences.take(users))
    report(figures | speed, run=folder.name, draws=about, details=details)


if __name__ == "__main__":
    main()
