"""Data: 10 million interactions from a file to a 5-core and its split.

Synthetic events with the skew of real shops: items by a Zipf law, users by a log-normal one, times
over a year. Each file is loaded by ``Dataset.load("tables", …)`` with all its checks, in a process
of its own, from a warm page cache.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.harness import Figures, arguments, in_child, peak_gb, report, side_by_side
from genrec.data.dataset import Dataset

EVENTS, QUICK_EVENTS = 10_000_000, 500_000
SEED = 0


def synthetic(events: int) -> pl.DataFrame:
    """Events with ids as text, in the order of time."""
    generator = np.random.default_rng(SEED)
    users, items = events // 20, events // 50
    share = generator.lognormal(0.0, 1.2, users)
    user = np.searchsorted(np.cumsum(share / share.sum()), generator.random(events))
    weight = 1.0 / np.arange(10, items + 10) ** 0.9
    item = np.searchsorted(np.cumsum(weight / weight.sum()), generator.random(events))
    second = np.sort(generator.integers(1_700_000_000, 1_731_536_000, events))
    return pl.DataFrame(
        {
            "user_id": pl.Series(np.minimum(user, users - 1)).cast(pl.String),
            "item_id": pl.Series(np.minimum(item, items - 1)).cast(pl.String),
            "time": second,
        }
    ).with_columns(user_id="u" + pl.col("user_id"), item_id="i" + pl.col("item_id"))


def load_core_split(path: str) -> None:
    """The measured work, in a child process."""
    seconds: dict[str, float] = {}

    def lap(name: str) -> None:
        seconds[name] = round(time.perf_counter() - start - sum(seconds.values()), 2)

    start = time.perf_counter()
    data = Dataset.load("tables", interactions=path)
    lap("load")
    core = data.core(5)
    lap("core")
    train, test = core.split("last-out")
    lap("split")
    counts = {"events": len(data), "core": len(core), "train": len(train), "cases": len(test)}
    print(json.dumps({"seconds": seconds, "peak_gb": peak_gb(), **counts}))


def load_10m(events: int) -> tuple[Figures, dict[str, object]]:
    """Seconds and peak memory from parquet, which the key states, and from CSV beside it."""
    figures: Figures = {}
    details: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        table = synthetic(events)
        for kind, suffix in (("parquet", ""), ("csv", "_csv")):
            path = Path(folder) / f"events.{kind}"
            if kind == "parquet":
                table.write_parquet(path)
            else:
                table.write_csv(path)
                del table
            child = in_child("benchmarks.data", "--child", str(path))
            laps = child["seconds"]
            assert isinstance(laps, dict)
            figures[f"load_10m_seconds{suffix}"] = round(sum(laps.values()), 2)
            figures[f"load_10m_peak_gb{suffix}"] = child["peak_gb"]
            details[kind] = child
    return figures, details


def clustering_beside_faiss(items: int) -> Figures:
    """Seconds of our residual k-means over bare faiss k-means of as many levels, same vectors."""
    import faiss

    from genrec.semantic_ids.quantizer import ResidualKMeans

    vectors = np.random.default_rng(SEED).normal(size=(items, 384)).astype(np.float32)

    def ours() -> None:
        quantizer = ResidualKMeans(levels=3, codebook_size=256, iterations=20)
        quantizer.fit(vectors, seed=SEED)
        quantizer.encode(vectors)

    def bare() -> None:
        residual = vectors.copy()
        for level in range(3):
            kmeans = faiss.Kmeans(residual.shape[1], 256, niter=20, seed=SEED + level)
            kmeans.train(residual)
            _, nearest = kmeans.assign(residual)
            assert kmeans.centroids is not None
            residual -= kmeans.centroids[nearest]

    seconds = side_by_side({"ours": ours, "faiss": bare}, repeats=3)
    name = "rkmeans_100k_vs_faiss"
    if items != 100_000:
        name = f"rkmeans_{items // 1000}k_vs_faiss"
    return {name: round(seconds["ours"] / seconds["faiss"], 3)}


def main() -> None:
    """Prints the figures of this area."""
    if sys.argv[1:2] == ["--child"]:
        load_core_split(sys.argv[2])
        return
    options = arguments(__doc__ or "")
    events = QUICK_EVENTS if options.quick else EVENTS
    figures, details = load_10m(events)
    figures.update(clustering_beside_faiss(10_000 if options.quick else 100_000))
    report(
        figures,
        events=events,
        seed=SEED,
        steps="load with all checks, 5-core, last-out split",
        page_cache="warm",
        **details,
    )


if __name__ == "__main__":
    main()
