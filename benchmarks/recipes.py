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
from typing import Any

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
]


def asked(*words: str) -> dict[str, Any] | None:
    """What a command of genrec prints as JSON, or nothing where it failed."""
    command = [sys.executable, "-m", "genrec.cli.main", *words, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def failed(name: str) -> Figures:
    """In the place of the figures of what did not end well."""
    return not_measured(f"{name}_ndcg10", "the command did not end well; it said why on stderr")


def figures_of(found: dict[str, Any], start: str, ending: str = "") -> Figures:
    """Means and intervals of one recommender of a report, by names that begin and end so."""
    figures: Figures = {}
    for short, metric in METRICS.items():
        mean, low, high = found["figures"][metric]
        figures[f"{start}_{short}{ending}"] = round(mean, 4)
        figures[f"{start}_{short}{ending}_interval"] = [round(low, 4), round(high, 4)]
    return figures


def run(name: str, *, quick: bool) -> tuple[Figures, str]:
    """What one recipe reaches, beside its controls, and by which rules."""
    folder = RUNS / (f"{name}-quick" if quick else name)
    brief = [*QUICK, "evaluate.against=[popular, cooccurrence]"] if quick else []
    made = asked("run", name, *brief, "--into", str(folder))
    key = name.replace("-", "_")
    if made is None:
        return failed(key), ""
    judged = made["report"]
    seconds = json.loads((folder / "run.json").read_text())["seconds"]
    figures: Figures = {
        f"{key}_users": judged["users"],
        f"{key}_minutes": round(sum(seconds.values()) / 60, 1),
    }
    for who, found in judged["recommenders"].items():
        figures |= figures_of(found, key, "" if who == "genrec" else f"_{who}")
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
