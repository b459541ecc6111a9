"""The choices of the quickstart, made on validation: the last basket before the test basket.

Each option is trained on all but each household's last two baskets and judged on the last but one,
on 1,000 households drawn by the seed. The test baskets are not looked at. The weights of a hybrid
are chosen on 1,000 other households. ``--only`` takes some of the options; ``--quick`` trains 20
steps of each, which shows that it runs and nothing else.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Figures, report
from genrec.data.dataset import Dataset, Holdout
from genrec.evaluation.evaluate import evaluate
from genrec.recipe import Recipe
from genrec.recommenders.base import Recommender
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.habit import Habit
from genrec.recommenders.personal import Personal
from genrec.recommenders.sasrec import SASRec
from genrec.stages.judge import control_options
from genrec.stages.prepare import build_ids, encode, load_data
from genrec.stages.run import Run, Stage
from genrec.workspace import Workspace

HOUSEHOLDS = 1000
CODES = "hybrid=null"
LEVEL = "packing.normalise=level"
BRIEF = ["train.steps=400", CODES, LEVEL]
GENERATIVE = {
    "history60_favourites20": BRIEF,
    "history40_favourites40": [*BRIEF, "prompt.history=40", "prompt.favourites=40"],
    "history60_favourites40": [*BRIEF, "prompt.favourites=40"],
    "steps700": [CODES, LEVEL],
    "steps700_legal": [CODES],
    "steps700_own_counts": [],
}
SASREC: dict[str, dict[str, Any]] = {
    "sasrec_steps700": {"steps": 700},
    "sasrec_dot_steps250": {"steps": 250},
    "sasrec_cosine_no_bias_steps250": {"steps": 250, "temperature": 0.05, "item_bias": False},
    "sasrec_dot_no_bias_steps250": {"steps": 250, "item_bias": False},
}
COUNTS = {"personal": Personal, "habit": Habit}
NAMES = [*GENERATIVE, *COUNTS, *SASREC]


def chosen(words: list[str], train: Dataset, index: Any) -> GenerativeRecommender:
    """The generative recommender of the recipe with these changes."""
    config = Recipe.load("quickstart", words).generative
    return GenerativeRecommender.train(config.backbone, train, index, config=config)


def main() -> None:
    """Prints NDCG@10 on validation of every option."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 steps of each")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME")
    options = parser.parse_args()
    wanted = options.only or NAMES
    run = Run(Recipe.load("quickstart"), Workspace(Path("runs/choices")))
    dataset = load_data(run)
    index = build_ids(run, dataset, encode(run, dataset))
    before_test, _ = dataset.split("last-basket")
    train, validation = before_test.split("last-basket")
    drawn = np.random.default_rng(0).permutation(len(validation))
    cases = validation.take(np.sort(drawn[:HOUSEHOLDS]))
    others = validation.take(np.sort(drawn[HOUSEHOLDS : 2 * HOUSEHOLDS]))
    figures: Figures = {}

    def judge(name: str, recommender: Recommender, seconds: float, held: Holdout) -> None:
        result = evaluate(recommender, held).results[0].estimates["ndcg@10"]
        figures[f"validation_ndcg10_{name}"] = round(result.mean, 4)
        figures[f"minutes_{name}"] = round(seconds / 60, 1)
        print(f"{name}: {result.mean:.4f} in {seconds:.0f} s", file=sys.stderr)

    brief = ["train.steps=20"] if options.quick else []
    for name in (name for name in GENERATIVE if name in wanted):
        started = time.perf_counter()
        recommender = chosen([*GENERATIVE[name], *brief], train, index)
        judge(name, recommender, time.perf_counter() - started, cases)
        if recommender.hybrid is not None:
            figures[f"validation_ndcg10_{name}_others"] = round(recommender.tune(others), 4)
            figures[f"weights_{name}"] = list(recommender.hybrid.weights)
            judge(f"{name}_weighed", recommender, time.perf_counter() - started, cases)
    for name in (name for name in COUNTS if name in wanted):
        started = time.perf_counter()
        judge(name, COUNTS[name].train(train), time.perf_counter() - started, cases)
    for name, changes in SASREC.items():
        if name not in wanted:
            continue
        started = time.perf_counter()
        arguments_ = control_options(run, "sasrec", Stage("choices", run.observer))
        arguments_ |= {"folder": run.workspace.folder / "checkpoints" / name}
        network, fit = arguments_["network"], arguments_["fit_config"]
        if options.quick:
            changes = {**changes, "steps": 20, "warmup_steps": 2}
        for part, config in (("network", network), ("fit_config", fit)):
            own = {name: changes[name] for name in changes.keys() & vars(config).keys()}
            arguments_[part] = replace(config, **own)
        trained = SASRec.train(train, **arguments_)
        judge(name, trained, time.perf_counter() - started, cases)
    report(figures, rules="last basket but one of each household", households=len(cases))


if __name__ == "__main__":
    main()
