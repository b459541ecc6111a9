"""Several processes against one: what they learn, how fast, and what a killed worker changes.

``python -m benchmarks.distributed`` prints one line of JSON. Trainings run in processes of their
own with one thread each, started as a launcher would start them; with fewer than two cores their
speed says nothing and is left out. The last figures are constants of this machine that
``benchmarks.scaling`` reckons with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Figures, arguments, not_measured, report
from genrec.creatives.campaign import Campaign
from genrec.data.catalog import Catalog
from genrec.data.storage import write_dataset
from genrec.encoders.modalities import encode_modalities
from genrec.encoders.options import EncodeConfig
from genrec.recipe import Recipe
from genrec.stages.ads import AdOptions, make_ads
from genrec.stages.batch import recommend_all
from genrec.stages.batch_folder import BatchOptions
from genrec.stages.encode_parts import OpenEncoders, fill_cache, parts_of
from genrec.stages.run import Run
from genrec.training.company import Company
from genrec.workspace import Workspace
from tests.creatives.small_shop import campaign, outputs, shop_run
from tests.ray_workers import one_killed
from tests.small import small_dataset, small_index, small_recommender
from tests.training.in_company import free_port

OPTIONS: dict[str, Any] = {
    "adapt": "full",
    "batch_size": 8,
    "row_tokens": 384,
    "learning_rate": 3e-3,
}
WARM_UP = 3
FSDP = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}


def learn(folder: Path, steps: int, stop_at: int) -> dict[str, Any]:
    """Trains ``tiny`` on the small world, here or with others; losses, scores, seconds a step."""
    from genrec.recommenders.generative import GenerativeRecommender

    times: list[float] = []

    def watch(step: int, _steps: int, _loss: float) -> None:
        times.append(time.perf_counter())
        if step == stop_at:
            raise KeyboardInterrupt

    company = Company.of_environment()
    company.join()
    data = small_dataset(2000)
    try:
        recommender = GenerativeRecommender.train(
            "tiny",
            data,
            small_index(),
            folder=folder,
            progress=watch,
            steps=steps,
            log_every=1,
            checkpoint_every=stop_at - 1 if stop_at else 0,
            **OPTIONS,
        )
    except KeyboardInterrupt:
        return {}
    assert recommender.fitted is not None
    scores = recommender.rank(data.sequences[:100], 5).scores
    timed = (times[-1] - times[WARM_UP - 1]) / (len(times) - WARM_UP)
    return {
        "losses": recommender.fitted.losses,
        "scores": np.asarray(scores, float).tolist(),
        "step_seconds": timed,
    }


def trained(
    folder: Path,
    name: str,
    count: int,
    steps: int,
    *,
    stop_at: int = 0,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The same in so many processes of one thread each."""
    port = free_port()
    said = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = []
    for rank in range(count):
        place = {"WORLD_SIZE": str(count), "RANK": str(rank), "LOCAL_RANK": str(rank)}
        command = [sys.executable, "-m", "benchmarks.distributed", "--learn", str(folder / name)]
        processes.append(
            subprocess.Popen(
                [*command, str(steps), str(stop_at)],
                env={**os.environ, **said, **(place if count > 1 else {}), **environment},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    printed = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"the training '{name}' failed")
    found: dict[str, Any] = json.loads(printed[0].strip().splitlines()[-1])
    return found


def difference(one: dict[str, Any], other: dict[str, Any], what: str) -> float:
    return float(np.abs(np.array(one[what]) - np.array(other[what])).max())


def training(folder: Path, steps: int) -> Figures:
    """Two processes, and two with sharded weights, beside one; and each going on with the other."""
    one = trained(folder, "one", 1, steps)
    two = trained(folder, "two", 2, steps)
    sharded = trained(folder, "sharded", 2, steps, environment=FSDP)
    stop = steps // 2
    trained(folder, "one-two", 1, steps, stop_at=stop)
    trained(folder, "two-one", 2, steps, stop_at=stop)
    resumed = [trained(folder, "one-two", 2, steps), trained(folder, "two-one", 1, steps)]
    figures: Figures = {
        "two_process_loss_difference": difference(one, two, "losses"),
        "two_process_score_difference": difference(one, two, "scores"),
        "sharded_loss_difference": difference(one, sharded, "losses"),
        "resumed_loss_difference": max(difference(one, other, "losses") for other in resumed),
    }
    if len(os.sched_getaffinity(0)) < 2:
        figures |= not_measured("two_process_speedup", "fewer than two cores")
        figures |= not_measured("sharded_speedup", "fewer than two cores")
    else:
        figures["two_process_speedup"] = round(one["step_seconds"] / two["step_seconds"], 2)
        figures["sharded_speedup"] = round(one["step_seconds"] / sharded["step_seconds"], 2)
    tokens = OPTIONS["batch_size"] * OPTIONS["row_tokens"]
    figures["train_tokens_per_second"] = round(tokens / one["step_seconds"])
    return figures


def listing_run(folder: Path) -> Run:
    """A run with a recommender of the small world."""
    workspace = Workspace(folder / "mini")
    recipe = Recipe.parse({"name": "mini", "data": {"source": "tables"}, "llm": {"name": "tiny"}})
    workspace.record("recipe", recipe.model_dump(mode="json"))
    with workspace.write("dataset", "d") as at:
        write_dataset(small_dataset(200), at)
    with workspace.write("recommender", "r") as at:
        small_recommender(folder / "fit", steps=5).write(at)
    return Run(recipe, workspace)


def things(items: int) -> Catalog:
    titles = [f"thing {n}{' of wood' * (n % 7)}" for n in range(items)]
    return Catalog(pl.DataFrame({"item_id": [f"i{n}" for n in range(items)], "title": titles}))


def lists(folder: Path) -> bool:
    run, options = listing_run(folder), BatchOptions(n=6, shard_users=4)

    def table(into: Path) -> pl.DataFrame:
        return pl.read_parquet(into / "part-*.parquet")

    recommend_all(run, folder / "lists", options, engine="ray", workers=2)
    there = folder / "lists-killed"
    with one_killed(lambda: any(there.glob("*.parquet"))) as killed:
        recommend_all(run, there, options, engine="ray", workers=2)
    return bool(killed) and table(there).equals(table(folder / "lists"))


def ads(folder: Path) -> bool:
    run, asked = shop_run(folder / "shop"), campaign()
    options = AdOptions(engine="ray", workers=2, part_jobs=4)
    make_ads(run, Campaign.parse(json.loads(asked.model_dump_json())), folder / "ads", options)
    there = folder / "ads-killed"
    with one_killed(lambda: any((there / "parts").glob("*.parquet"))) as killed:
        make_ads(run, asked, there, options)
    return bool(killed) and outputs(there) == outputs(folder / "ads")


def vectors(folder: Path) -> bool:
    options, catalog = EncodeConfig(fields=["title"]), things(400)
    dataset = small_dataset(3)
    workspace = Workspace(folder / "vectors")
    with workspace.write("dataset", "d") as at:
        write_dataset(type(dataset)("things", catalog, dataset.users, dataset.events), at)

    def made(cache: Path) -> np.ndarray:
        opened = OpenEncoders(workspace.path("dataset"), options, cache)
        parts = parts_of(catalog, options, items=20)
        fill_cache(parts, opened, engine="ray", workers=2, progress=lambda _done, _whole: None)
        return encode_modalities(options, catalog, cache=cache)["text"].vectors

    undisturbed = made(folder / "cache")
    there = folder / "cache-killed"
    with one_killed(lambda: any(there.rglob("*.safetensors"))) as killed:
        found = made(there)
    return bool(killed) and bool((found == undisturbed).all())


def constants(folder: Path, items: int) -> Figures:
    """What one process does in a second here, for the cost model."""
    from genrec.encoders.text import TextEncoder

    encoder = TextEncoder(cache=folder / "timed")
    encoder.encode(things(8))
    before = time.perf_counter()
    encoder.encode(things(items))
    encoding = items / (time.perf_counter() - before)
    run = listing_run(folder / "timed-run")
    before = time.perf_counter()
    recommend_all(run, folder / "timed-lists", BatchOptions(n=20))
    return {
        "encode_texts_per_second": round(encoding, 1),
        "lists_per_second": round(200 / (time.perf_counter() - before), 1),
    }


def main() -> None:
    if "--learn" in sys.argv:
        place, many, stop_at = sys.argv[-3:]
        print(json.dumps(learn(Path(place), int(many), int(stop_at))))
        return
    chosen = arguments(__doc__ or "")
    steps = 12 if chosen.quick else 60
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        figures = training(folder, steps)
        kills: dict[str, Callable[[Path], bool]] = {"lists": lists, "ads": ads, "vectors": vectors}
        same = {name: work(folder) for name, work in kills.items()}
        figures["killed_worker_identical"] = all(same.values())
        figures |= constants(folder, 200 if chosen.quick else 2000)
    report(figures, steps=steps, killed=same, **OPTIONS, model="tiny", threads_of_a_process=1)


if __name__ == "__main__":
    main()
