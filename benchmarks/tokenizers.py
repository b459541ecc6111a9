"""Tokenizers: the same small LLM on Beauty's semantic IDs by each quantiser, and in one pass.

Protocol ``tiger14``: trained on all but each user's last two items, the number of steps chosen on
the last but one, nothing filtered. Everything but the section ``semantic_ids`` is the recipe
``beauty-codes``; ``one_pass`` is the recipe ``beauty-one-pass``. ``kept`` is the share of an item's
nearest ten vectors with its first code, ``bought_next`` that of items that follow each other in
training.

Costs about 12 minutes a training on a quiet core, forty for ``one_pass``. Trainings lie in
``runs/tokenizers`` and go on from there. ``--only`` takes some; ``--quick`` builds the IDs and
trains nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import Figures, not_measured, report
from genrec.recipe import Recipe
from genrec.stages.ids import quality_of
from genrec.stages.pipeline import run_recipe
from genrec.stages.run import Observer
from genrec.workspace import Workspace

RUNS = Path(__file__).parent.parent / "runs" / "tokenizers"
COLLABORATIVE = "semantic_ids.collaborative={signal: pmi, weight: 0.3}"
OPQ = ["semantic_ids.quantizer=opq", "semantic_ids.levels=16"]
# The recipes of those that are more than other IDs.
OF_THEIR_OWN = {"one_pass": "beauty-one-pass"}
TRAINED = {
    "residual_kmeans": [],
    "rq_vae": ["semantic_ids.quantizer=rq-vae", "semantic_ids.rqvae.epochs=40"],
    "collaborative": [COLLABORATIVE],
    "one_pass": [],
}
IDS_ONLY = {
    "opq16": OPQ,
    "title_words": [
        "semantic_ids.quantizer=title-words",
        "semantic_ids.levels=4",
        "semantic_ids.codebook_size=1024",
        "semantic_ids.collisions=append",
    ],
}


class _Watch(Observer):
    def finished(self, stage: str, note: str, seconds: float, *, reused: bool) -> None:
        print(f"{stage}: {seconds:.0f} s {'(reused)' if reused else ''} {note}", file=sys.stderr)


def measured(name: str, overrides: list[str], *, quick: bool) -> tuple[Figures, dict[str, Any]]:
    """Figures of one way to make IDs, and where they come from."""
    workspace = Workspace(RUNS / name)
    base = OF_THEIR_OWN.get(name, "beauty-codes")
    recipe = Recipe.load(base, [*overrides, "evaluate.against=[popular]"])
    only_ids = quick or name in IDS_ONLY
    outcome = run_recipe(recipe, workspace, _Watch(), until="build_ids" if only_ids else "")
    quality = quality_of([workspace.folder])[str(workspace.folder)]
    found: Figures = {
        f"{name}_unique": quality.unique_share_before,
        f"{name}_kept": quality.neighbours_kept[0],
        f"{name}_bought_next": quality.bought_next[0],
    }
    details: dict[str, Any] = {"quality": quality.to_dict()}
    if outcome is None:
        for key in () if name in IDS_ONLY else ("recall10", "ndcg10"):
            found |= not_measured(f"{name}_{key}", "--quick trains nothing")
        return found, details
    values = outcome.report.values
    ours = next(v for k, v in values["recommenders"].items() if k != "popular")["figures"]
    found[f"{name}_recall10"] = round(ours["recall@10"][0], 4)
    found[f"{name}_ndcg10"] = round(ours["ndcg@10"][0], 4)
    details |= {"line": values["protocol"]["line"], "seconds": workspace.run["seconds"]}
    return found, details


def main() -> None:
    every = TRAINED | IDS_ONLY
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="builds the IDs and trains nothing")
    parser.add_argument("--only", nargs="+", choices=list(every), metavar="NAME")
    options = parser.parse_args()
    figures: Figures = {}
    details: dict[str, Any] = {}
    for name in options.only or every:
        found, details[name] = measured(name, every[name], quick=options.quick)
        figures |= found
    report(figures, runs=details)


if __name__ == "__main__":
    main()
