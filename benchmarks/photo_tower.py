"""Words find product photos: the tower of ``genrec run pretrain/product-photos`` on unseen items.

Another collection of the same form (a table ``styles`` and photos) is judged with
``--folder PHOTOS``, a tower that is there already with ``--run RUN``. ``--quick`` trains 10 steps;
its figures are honest but those of another recipe.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import Figures, report

QUICK = ["train.steps=10", "train.warmup_steps=2", "pretrain.image_text.patch=16"]
DIRECTIONS = {"photo": "title_to_photo", "title": "photo_to_title"}


def figures(
    *, quick: bool = False, folder: str = "", run: str = ""
) -> tuple[Figures, dict[str, object]]:
    """The figures of this part, and how they were measured.

    Args:
        folder: a collection to judge on; empty takes the recipe's held-out items.
        run: a run with a tower; empty trains one.
    """
    with tempfile.TemporaryDirectory() as name:
        workspace = Path(run or Path(name) / "run")
        cost: dict[str, object] = {}
        if not run:
            judged, cost = _train(workspace, QUICK if quick else [], Path(name) / "cache")
        if run or folder:
            options = [f"data.options.folder={folder}"] if folder else []
            judged = _genrec("evaluate", str(workspace), *options, cache=Path(name) / "cache")
    found: Figures = {"photo_recall10_over_chance": round(judged["photo_recall10_over_chance"], 1)}
    for key, direction in DIRECTIONS.items():
        for cutoff in (1, 5, 10):
            value = judged[direction][f"recall@{cutoff}"]
            found[f"{key}_recall{cutoff}"] = round(value, 4)
    for attribute, kinds in judged.get("probes", {}).items():
        for kind, accuracy in kinds.items():
            found[f"probe_{attribute}_{kind.replace(' ', '_')}"] = round(accuracy, 4)
    pool = judged["title_to_photo"]["pool"]
    return found | cost, {
        "photos": judged["protocol"],
        "photo_chance10": judged["title_to_photo"]["chance@10"],
        "photo_pool": pool,
        "photo_recipe": "pretrain/product-photos" + (f" {' '.join(QUICK)}" if quick else ""),
    }


def _train(
    workspace: Path, overrides: list[str], cache: Path
) -> tuple[dict[str, Any], dict[str, object]]:
    started, before = time.perf_counter(), os.times()
    judged = _genrec(
        "run", "pretrain/product-photos", *overrides, "--into", str(workspace), cache=cache
    )
    seconds, after = time.perf_counter() - started, os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    sealed = json.loads((workspace / "tower" / "artefact.json").read_text())["about"]
    return judged, {
        "photo_tower_train_minutes": sealed["minutes"],
        "photo_tower_minutes": round(seconds / 60, 2),
        # On a busy machine the processor's time says more than the clock's.
        "photo_tower_cpu_minutes": round(spent / 60, 2),
    }


def _genrec(*words: str, cache: Path) -> dict[str, Any]:
    """What a command prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "genrec.cli.main", *words, "--json"],
        env={**os.environ, "GENREC_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Prints the figures of this part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 steps of training")
    parser.add_argument("--folder", default="", help="judge on another collection of this form")
    parser.add_argument("--run", default="", help="judge the tower of this run, train none")
    options = parser.parse_args()
    found, protocol = figures(quick=options.quick, folder=options.folder, run=options.run)
    report(found, **protocol)


if __name__ == "__main__":
    main()
