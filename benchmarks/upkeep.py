"""A run continued on 1 % new events and 100 new items: minutes, and figures before and after.

``python -m benchmarks.upkeep`` cuts a year of Complete Journey's baskets by time: the newest 1 % of
all events are new, and 100 of the items in them were never seen before (their older events are
taken out). ``--quick`` does the same with the toy shop and 20 items. Both go by ``genrec update``.

Tests are not run here. What ``make test``, ``make coverage`` and ``make mutation`` left is read.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl

from benchmarks.harness import Figures, arguments, not_measured, report
from genrec.data.dataset import Dataset
from genrec.recipe import Recipe
from genrec.stages.pipeline import run_recipe
from genrec.stages.update import Updated, update
from genrec.workspace import Workspace

ROOT = Path(__file__).parent.parent
NEW_SHARE, NEW_ITEMS, SEED = 0.01, 100, 0
QUICK_SHARE, QUICK_ITEMS = 0.05, 20
FULL = ("quickstart", ["train.steps=300"])
QUICK = ("toy-shop", ["train.steps=60", "train.batch_size=8"])


def main() -> None:
    """Prints the figures of every part."""
    quick = arguments(__doc__ or "").quick
    figures: Figures = {}
    protocol: dict[str, object] = {}
    for part in PARTS:
        found, rules = part(quick=quick)
        figures |= found
        protocol |= rules
    report(figures, **protocol)


def update_figures(*, quick: bool) -> tuple[Figures, dict[str, object]]:
    """What one update costs and changes."""
    # Fewer steps than the recipe's: what is measured is the update, not how good a run can be.
    recipe = Recipe.load(*(QUICK if quick else FULL))
    share, items = (QUICK_SHARE, QUICK_ITEMS) if quick else (NEW_SHARE, NEW_ITEMS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = _loaded(recipe)
        _divide(dataset, folder, share, items)
        run = folder / "run"
        before = time.perf_counter()
        run_recipe(_of_files(recipe, dataset, folder), Workspace(run), until="train")
        trained = time.perf_counter() - before
        before = time.perf_counter()
        found = update(run, folder / "new.parquet", items=folder / "new_items.parquet")
        seconds = time.perf_counter() - before
        size = sum(file.stat().st_size for file in run.glob("versions/*/**/*") if file.is_file())
    print(found.report, flush=True)
    protocol: dict[str, object] = {
        "data": dataset.name,
        "new_share": share,
        "new_items": items,
        "trained_minutes": round(trained / 60, 2),
        "version_mb": round(size / 1e6, 1),
        "split": recipe.evaluate.split,
        "steps": recipe.train.steps,
        "seed": SEED,
    }
    return {"update_minutes": round(seconds / 60, 2), **_figures(found)}, protocol


def _loaded(recipe: Recipe) -> Dataset:
    options = recipe.data
    dataset = Dataset.load(options.source, **options.options)
    return dataset.core(options.core, basis=options.core_basis) if options.core else dataset


def _divide(dataset: Dataset, folder: Path, share: float, items: int) -> None:
    """Old and new events and items as files."""
    names = pl.Series([str(user) for user in dataset.users], dtype=pl.String)
    ids = dataset.catalog.table["item_id"]
    events = dataset.events.select(
        names.gather(dataset.events["user"]).alias("user_id"),
        ids.gather(dataset.events["item"]).alias("item_id"),
        "time",
        (pl.col("user") * 100_000 + pl.col("basket")).cast(pl.String).alias("basket_id"),
    )
    moment = events["time"].quantile(1 - share, "higher")
    late = events["time"] >= moment
    seen = events.filter(late)["item_id"].unique(maintain_order=True)
    drawn = np.random.default_rng(SEED).choice(len(seen), min(items, len(seen)), replace=False)
    fresh = seen.gather(np.sort(drawn))
    never_before = ids.is_in(fresh.implode())
    old = events.filter(~late & ~events["item_id"].is_in(fresh.implode()))
    old.write_parquet(folder / "events.parquet")
    events.filter(late).write_parquet(folder / "new.parquet")
    dataset.catalog.table.filter(~never_before).write_parquet(folder / "items.parquet")
    dataset.catalog.table.filter(never_before).write_parquet(folder / "new_items.parquet")


def _of_files(recipe: Recipe, dataset: Dataset, folder: Path) -> Recipe:
    """The recipe on the old files."""
    content = recipe.model_dump(mode="json")
    media = dataset.catalog.media
    options: dict[str, Any] = {
        "interactions": str(folder / "events.parquet"),
        "items": str(folder / "items.parquet"),
    }
    if media is not None:
        options["media"] = str(media.root)
    content["data"] = {"source": "tables", "options": options}
    return Recipe.parse(content)


def _figures(found: Updated) -> Figures:
    said = found.report.to_dict()
    figures: Figures = {"update_promoted": found.promoted}
    for name, cases in said["cases"].items():
        place = name.replace(" ", "_")
        figures[f"update_{place}_users"] = cases["users"]
        for when in ("before", "after"):
            for metric in ("ndcg@10", "recall@10"):
                plain = metric.replace("@", "")
                figures[f"update_{place}_{plain}_{when}"] = round(cases[when][metric][0], 4)
        figures[f"update_{place}_p"] = cases["p"]
    shown, drift = said["new_items_shown"], said["drift"]
    figures["update_new_items"] = drift["items"]
    figures["update_new_items_recommended"] = shown["items"]
    figures["update_new_item_places"] = f"{shown['places']} of {shown['of']}"
    figures["update_new_items_far"] = drift["distance"]["far"]
    return figures


# Each measures something else about a run, or about this repository, that is to be kept up.
def test_figures(*, quick: bool) -> tuple[Figures, dict[str, object]]:
    """What the last ``make test``, ``make coverage`` and ``make mutation`` left."""
    del quick
    figures: Figures = {}
    protocol: dict[str, object] = {}
    tests, covered = ROOT / "dist" / "tests.xml", ROOT / "dist" / "coverage.json"
    mutants = ROOT / "benchmarks" / "results" / "mutation.json"
    if tests.exists():
        suites = list(ET.parse(tests).getroot().iter("testsuite"))
        seconds = sum(float(suite.get("time", 0)) for suite in suites)
        figures["test_minutes"] = round(seconds / 60, 1)
        protocol["tests"] = sum(int(suite.get("tests", 0)) for suite in suites)
    else:
        figures |= not_measured("test_minutes", "run make test before")
    if covered.exists():
        totals = json.loads(covered.read_text())["totals"]
        figures["coverage"] = round(totals["percent_covered"] / 100, 4)
        protocol["statements"] = totals["num_statements"]
    else:
        figures |= not_measured("coverage", "run make coverage before")
    if mutants.exists():
        found = json.loads(mutants.read_text())
        figures["mutation_kill_rate"] = found["figures"]["mutation_kill_rate"]
    else:
        figures |= not_measured("mutation_kill_rate", "run make mutation before")
    return figures, protocol


PARTS = (update_figures, test_figures)


if __name__ == "__main__":
    main()
