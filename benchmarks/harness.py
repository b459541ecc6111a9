"""What every benchmark shares: the machine, child processes, ratios side by side, the last line.

A benchmark prints, as the last line of its standard output, one JSON object::

    {"figures": {"key": value}, "machine": {…}, "protocol": {…}}

A figure that cannot be measured here is ``null``, and ``"<key>_reason"`` beside it says why.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

Figures = dict[str, object]

PACKAGES = ("torch", "transformers", "polars", "numpy", "faiss-cpu")


def machine() -> dict[str, object]:
    """Cores, processor, memory and the versions that the figures depend on."""
    facts: dict[str, object] = {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "cpu": _cpu(),
        "memory_gb": _memory_gb(),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = None
    return facts


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (ValueError, OSError):
        return None


def arguments(about: str) -> argparse.Namespace:
    """The options that every benchmark takes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="smaller, in under a minute")
    return parser.parse_args()


def report(figures: Figures, **protocol: object) -> None:
    """Prints the last line of a benchmark."""
    print(json.dumps({"figures": figures, "machine": machine(), "protocol": protocol}))


def not_measured(key: str, reason: str) -> Figures:
    """A figure without a value, and why."""
    return {key: None, f"{key}_reason": reason}


def in_child(module: str, *words: str, timeout: float = 1800) -> dict[str, object]:
    """What ``python -m module words…`` prints as its last line, with ``seconds`` and ``peak_gb``.

    A process of its own, so that its peak memory is its own.
    """
    before = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", module, *words],
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=True,
    )
    wall = time.perf_counter() - before
    found: dict[str, object] = json.loads(process.stdout.strip().splitlines()[-1])
    return {"wall_seconds": round(wall, 2), **found}


def memory_gb() -> dict[str, float]:
    """What Linux counts of this process: ``VmHWM`` the most it has held, ``VmRSS``, ``RssAnon``, …

    ``ru_maxrss`` would begin with the peak of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    rows = (line.split() for line in lines if line.startswith(("Vm", "Rss")))
    return {row[0].rstrip(":"): int(row[1]) * 1024 / 1e9 for row in rows}


def peak_gb() -> float:
    """The most memory that this process has held so far."""
    if platform.system() == "Linux":
        return round(memory_gb()["VmHWM"], 3)
    # macOS counts in bytes, others in KiB.
    scale = 1 if platform.system() == "Darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e9, 3)


def side_by_side(
    runs: Mapping[str, Callable[[], object]], *, repeats: int = 5, warm_up: int = 1
) -> dict[str, float]:
    """The median seconds of each, run in turn so that a busy machine slows all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(warm_up + repeats):
        for name, run in runs.items():
            before = time.perf_counter()
            run()
            if turn >= warm_up:
                times[name].append(time.perf_counter() - before)
    return {name: statistics.median(taken) for name, taken in times.items()}
