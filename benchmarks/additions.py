"""What tasks beside the next item, side features and a re-ranker add, on MovieLens 100K.

Each is the recipe ``movielens`` with one thing changed, trained for as many steps: what is learned
beside takes rows from the next item. The last variant is no training; it has SmolLM2 read the first
one's lists. ``--only`` takes some of them; a killed run goes on where it was. ``--quick`` trains
ten steps of each and judges a hundred users.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import Figures, not_measured, report

TITLES = ["tasks.title_to_id=0.3", "tasks.id_to_title=0.3"]
VARIANTS = {
    "hybrid": [],
    "codes": ["hybrid=null"],
    "gaps": ["prompt.features=[gap]"],
    "titles": TITLES,
    "tasks": [*TITLES, "tasks.mixed_history=0.3", "tasks.item_to_item=0.3"],
}
RERANK = "reranked"
BRIEF = ["evaluate.against=[popular]", "train.validate_every=300", "train.steps=300"]
QUICK = [
    "evaluate.against=[popular]",
    "train.validate_every=10",
    "train.steps=10",
    "train.warmup_steps=1",
    "evaluate.validation_users=100",
    "evaluate.test_users=100",
]
METRICS = {"recall10": "recall@10", "ndcg10": "ndcg@10"}
RUNS = Path("runs/additions")


def asked(*words: str) -> dict[str, Any] | None:
    """What a command prints as JSON, or nothing where it failed."""
    command = [sys.executable, "-m", "genrec.cli.main", *words, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def figures_of(judged: dict[str, Any], who: str, name: str) -> Figures:
    """Means and intervals of one recommender of a report."""
    figures: Figures = {}
    for short, metric in METRICS.items():
        mean, low, high = judged["recommenders"][who]["figures"][metric]
        figures[f"{name}_{short}"] = round(mean, 4)
        figures[f"{name}_{short}_interval"] = [round(low, 4), round(high, 4)]
    return figures


def main() -> None:
    """Prints the figures of every variant that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten steps of each")
    parser.add_argument("--only", nargs="+", choices=[*VARIANTS, RERANK], metavar="NAME")
    parser.add_argument("--users", type=int, default=100, help="whose lists are re-ranked")
    options = parser.parse_args()
    figures: Figures = {}
    rules: dict[str, str] = {}
    folder = RUNS.with_name("additions-quick") if options.quick else RUNS
    brief = QUICK if options.quick else BRIEF
    for name in options.only or [*VARIANTS, RERANK]:
        if name == RERANK:
            users = "2" if options.quick else str(options.users)
            judged = asked("rerank", str(folder / "hybrid"), "--users", users)
            who = "reranked"
        else:
            words = [*VARIANTS[name], *brief, "--into", str(folder / name)]
            found = asked("run", "movielens", *words)
            judged, who = None if found is None else found["report"], "genrec"
        if judged is None:
            reason = "the command did not end well; it said why on stderr"
            figures |= not_measured(f"{name}_ndcg10", reason)
            continue
        if name == RERANK:
            (given,) = set(judged["recommenders"]) - {who}
            figures |= figures_of(judged, given, "given")
        figures |= figures_of(judged, who, name)
        rules[name] = judged["protocol"]["line"]
    report(figures, rules=rules)


if __name__ == "__main__":
    main()
