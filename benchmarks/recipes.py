"""Shipped recipes run to their end, each on its public data: figures, controls and minutes.

``--only`` takes some of them; a killed run goes on where it was. ``--quick`` trains ten steps of
each and judges a hundred users, which shows that they run and nothing else.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.harness import Figures, not_measured, report

RECIPES = ("movielens", "online-retail", "complete-journey", "minionerec")
METRICS = {"recall10": "recall@10", "ndcg10": "ndcg@10"}
RUNS = Path("runs/recipes")
QUICK = [
    "train.steps=10",
    "train.validate_every=10",
    "train.warmup_steps=1",
    "evaluate.validation_users=100",
    "evaluate.test_users=100",
    "evaluate.against=[popular, cooccurrence]",
]


def run(name: str, *, quick: bool) -> tuple[Figures, str]:
    """What one recipe reaches, beside its controls, and by which rules."""
    folder = RUNS / (f"{name}-quick" if quick else name)
    words = [*(QUICK if quick else []), "--into", str(folder), "--json"]
    command = [sys.executable, "-m", "genrec.cli.main", "run", name, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    key = name.replace("-", "_")
    if done.returncode:
        reason = "the run did not end well; it said why on stderr"
        return not_measured(f"{key}_ndcg10", reason), ""
    judged = json.loads(done.stdout)["report"]
    seconds = json.loads((folder / "run.json").read_text())["seconds"]
    figures: Figures = {
        f"{key}_users": judged["users"],
        f"{key}_minutes": round(sum(seconds.values()) / 60, 1),
    }
    for who, found in judged["recommenders"].items():
        ending = "" if who == "genrec" else f"_{who}"
        for short, metric in METRICS.items():
            mean, low, high = found["figures"][metric]
            figures[f"{key}_{short}{ending}"] = round(mean, 4)
            figures[f"{key}_{short}{ending}_interval"] = [round(low, 4), round(high, 4)]
    return figures, judged["protocol"]["line"]


def main() -> None:
    """Prints the figures of every recipe that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten steps of each")
    parser.add_argument("--only", nargs="+", choices=RECIPES, metavar="RECIPE")
    options = parser.parse_args()
    figures: Figures = {}
    rules: dict[str, str] = {}
    for name in options.only or RECIPES:
        found, rules[name] = run(name, quick=options.quick)
        figures |= found
    report(figures, rules=rules)


if __name__ == "__main__":
    main()
