"""Quickstart: ``genrec run quickstart`` from an empty cache into an empty folder, in a child.

``--quick`` shortens the training to 60 steps and judges without SASRec; its figures are honest
but those of another recipe. The caches of vectors and models are empty at the start.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Figures, arguments, not_measured, report

QUICK = ["train.steps=60", "evaluate.against=[popular, personal, habit, cooccurrence]"]


def run(folder: Path, overrides: list[str]) -> tuple[dict[str, object], float, float]:
    """The run's JSON, its minutes and its peak memory in GB."""
    command = [sys.executable, "-m", "genrec.cli.main", "run", "quickstart", *overrides]
    environment = {**os.environ, "GENREC_CACHE": str(folder / "cache")}
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--into", str(folder / "run"), "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    minutes = (time.perf_counter() - started) / 60
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    return json.loads(done.stdout), minutes, peak


def main() -> None:
    """Prints the figures of this area."""
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as name:
        values, minutes, peak = run(Path(name), QUICK if options.quick else [])
        _, again, _ = run(Path(name), QUICK if options.quick else [])
    judged = values["report"]
    assert isinstance(judged, dict)
    figures: Figures = {
        "minutes_after_install": round(minutes, 2),
        "minutes_second_run": round(again, 2),
        "peak_gb": round(peak, 2),
        "invalid_generations": judged["recommenders"]["genrec"]["invalid_generations"],
    }
    for recommender, key in (
        ("genrec", "ndcg10"),
        ("cooccurrence", "ndcg10_cooccurrence"),
        ("popular", "ndcg10_popular"),
        ("personal", "ndcg10_personal"),
        ("habit", "ndcg10_habit"),
        ("sasrec", "ndcg10_sasrec"),
    ):
        if recommender in judged["recommenders"]:
            mean, low, high = judged["recommenders"][recommender]["figures"]["ndcg@10"]
            figures[key] = round(mean, 4)
            figures[f"{key}_interval"] = [round(low, 4), round(high, 4)]
        else:
            figures.update(not_measured(key, "left out by --quick"))
    report(figures, rules=judged["protocol"]["line"], users=judged["users"])


if __name__ == "__main__":
    main()
