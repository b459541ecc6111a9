"""A campaign's engine: a plan of a million jobs, a warm rerun, and a hundred kills.

``python -m benchmarks.campaign`` prints one line of JSON. The plan is for the households of
Complete Journey, and needs its package. Kills hit a small shop's campaign at random file operations
(moving, linking, removing) or at random moments, up to eight in one folder, which is then finished
and compared with one that nothing disturbed.
"""

from __future__ import annotations

import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.harness import Figures, arguments, in_child, not_measured, report
from genrec.creatives.ad_folder import read_ads
from genrec.creatives.campaign import Campaign
from genrec.data.dataset import Dataset
from genrec.stages.ads import AdOptions, make_ads, plan_ads
from genrec.stages.run import Run
from tests.creatives.small_shop import (
    Killer,
    campaign,
    content_of,
    outputs,
    shop,
    shop_run,
)

JOBS = 1_000_000


def million(folder: Path, jobs: int) -> tuple[Figures, dict[str, Any]]:
    """A plan of that many jobs: all households by as many products as it takes, with profiles."""
    try:
        dataset = Dataset.load("complete_journey")
    except ImportError as error:
        return not_measured("plan_1m_seconds", f"{error}"), {}
    run = shop_run(folder / "journey", dataset)
    items = -(-jobs // len(dataset.users))
    asked = Campaign.parse(
        {
            "name": "journey",
            "who": {"users": "all"},
            "what": {"items": dataset.catalog.ids[:items]},
            "placements": ["push"],
        }
    )
    before = time.perf_counter()
    plan = plan_ads(run, asked, folder / "none", AdOptions(cache=folder / "empty"))
    seconds = time.perf_counter() - before
    figures: Figures = {"plan_1m_seconds": round(seconds, 2)}
    return figures, {"plan_jobs": plan["deliveries"], "plan_distinct": plan["distinct"]}


def warm(run: Run, folder: Path) -> tuple[Figures, dict[str, Any]]:
    """The share of a campaign that a rerun in another folder finds in the cache."""
    options = AdOptions(cache=folder / "cache")
    before = time.perf_counter()
    cold = make_ads(run, campaign(what={"items": "all"}), folder / "cold", options)
    middle = time.perf_counter()
    again = make_ads(run, campaign(what={"items": "all"}), folder / "warm", options)
    after = time.perf_counter()
    same = outputs(folder / "cold") == outputs(folder / "warm")
    figures: Figures = {
        "warm_cache_share": again["cached_share"],
        "warm_identical": same,
        "ads_per_second": round(cold["written"] / cold["writing_seconds"], 1),
    }
    told = {
        "warm_ads": cold["ads"],
        "cold_seconds": round(middle - before, 2),
        "warm_seconds": round(after - middle, 2),
    }
    return figures, told


def killed(run: Run, folder: Path, kills: int) -> tuple[Figures, dict[str, Any]]:
    """What random kills cost: ads lost, ads doubled, and whether the bytes are the same."""
    asked, killer = campaign(), Killer()
    make_ads(run, asked, folder / "whole", AdOptions(part_jobs=7))
    wanted = outputs(folder / "whole")
    ids = [ad.id for ad in read_ads(folder / "whole")]
    hits = rounds = lost = doubled = differing = seed = 0
    while hits < kills:
        into, cache = folder / f"ads-{rounds}", folder / f"cache-{rounds}"
        rounds += 1
        for _ in range(8):
            hits += killer.kill(run.workspace.folder, into, cache, content_of(asked), seed)
            seed += 1
            if hits >= kills:
                break
        make_ads(run, asked, into, AdOptions(cache=cache, part_jobs=7))
        found = [ad.id for ad in read_ads(into)]
        parts = pl.concat(pl.read_parquet(part) for part in (into / "parts").glob("*.parquet"))
        lost += len(set(ids) - set(found))
        doubled += len(found) - len(set(found)) + parts.height - parts["key"].n_unique()
        differing += outputs(into) != wanted
    figures: Figures = {
        "kills": hits,
        "lost": lost,
        "doubled": doubled,
        "kill_folders_differing": differing,
    }
    return figures, {"kill_folders": rounds, "kill_starts": seed, "kill_ads": len(ids)}


def profiles() -> tuple[Figures, dict[str, Any]]:
    """Seconds for the profiles of all households, as ``benchmarks.profiles`` measures them."""
    if find_spec("benchmarks.profiles") is None:
        return not_measured("profile_seconds", "there is no benchmarks.profiles"), {}
    found = in_child("benchmarks.profiles", "--quick")["figures"]
    assert isinstance(found, dict)
    return {"profile_seconds": found["profile_seconds"]}, {}


def main() -> None:
    chosen = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run = shop_run(folder / "shop", shop())
        parts = [
            million(folder, JOBS // 10 if chosen.quick else JOBS),
            profiles(),
            warm(run, folder),
            killed(run, folder / "kills", 10 if chosen.quick else 100),
        ]
    figures = {name: value for found, _ in parts for name, value in found.items()}
    protocol = {name: value for _, told in parts for name, value in told.items()}
    report(figures, **protocol)


if __name__ == "__main__":
    main()
