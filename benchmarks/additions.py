"""What tasks beside the next item, side features and a re-ranker add, on MovieLens 100K.

Each is the recipe ``movielens`` with one thing changed, trained for as many steps: what is learned
beside takes rows from the next item. The last variant is no training; it has SmolLM2 read the first
one's lists. ``--only`` takes some of them; a killed run goes on where it was. ``--quick`` trains
ten steps of each and judges a hundred users.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.harness import Figures, report
from benchmarks.recipes import QUICK, asked, failed, figures_of

TITLES = ["tasks.title_to_id=0.3", "tasks.id_to_title=0.3"]
VARIANTS = {
    "hybrid": [],
    "codes": ["hybrid=null"],
    "gaps": ["prompt.features=[gap]"],
    "titles": TITLES,
    "tasks": [*TITLES, "tasks.mixed_history=0.3", "tasks.item_to_item=0.3"],
}
RERANK = "reranked"
BRIEF = ["train.validate_every=300", "train.steps=300"]
RUNS = Path("runs/additions")


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
        else:
            words = [*VARIANTS[name], *brief, "evaluate.against=[popular]"]
            made = asked("run", "movielens", *words, "--into", str(folder / name))
            judged = None if made is None else made["report"]
        if judged is None:
            figures |= failed(name)
            continue
        found = judged["recommenders"]
        if name == RERANK:
            figures |= figures_of(found["genrec"], "given") | figures_of(found[RERANK], name)
        else:
            figures |= figures_of(found["genrec"], name)
        rules[name] = judged["protocol"]["line"]
    report(figures, rules=rules)


if __name__ == "__main__":
    main()
