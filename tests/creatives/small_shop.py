"""A shop of forty things, twelve users of whom two have no history, and campaigns over it."""

import json
import os
import random
import signal
import threading
from pathlib import Path

import numpy as np
import polars as pl

from genrec.creatives.campaign import Campaign
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.storage import write_dataset
from genrec.recipe import Recipe
from genrec.stages.ads import AdOptions, make_ads
from genrec.stages.run import Run
from genrec.workspace import Workspace
from tests.own_process import context

THINGS = ("lamp", "mug", "bag", "vase")
COLOURS = ("red", "blue", "green", "black", "white")


def shop(items: int = 40, users: int = 12) -> Dataset:
    """Each user but the last two buys one kind of thing, again and again."""
    kinds = [THINGS[n % len(THINGS)] for n in range(items)]
    catalog = Catalog(
        pl.DataFrame(
            {
                "item_id": [f"p{n}" for n in range(items)],
                "title": [
                    f"{COLOURS[n % 5].title()} {kind} no. {n}" for n, kind in enumerate(kinds)
                ],
                "price": [2.5 + n for n in range(items)],
                "category": kinds,
                "brand": ["Alba" if n % 3 else None for n in range(items)],
                "material": ["oak" if n % 2 else "wool" for n in range(items)],
            }
        )
    )
    chance = random.Random(0)
    rows = [
        (user, (user % 4) + 4 * chance.randrange(items // 4), 86_400 * step, step)
        for user in range(users - 2)
        for step in range(8 + chance.randrange(8))
    ]
    schema = {"user": pl.UInt32, "item": pl.UInt32, "time": pl.Int64, "basket": pl.UInt32}
    events = pl.DataFrame(rows, schema=schema, orient="row")
    names = np.array([f"u{n}" for n in range(users)], dtype=object)
    return Dataset("shop", catalog, names, events)


def shop_run(folder: Path, dataset: Dataset | None = None) -> Run:
    """A run that holds data alone."""
    workspace = Workspace(folder)
    recipe = Recipe.parse({"name": "shop", "data": {"source": "toy_shop"}})
    workspace.record("recipe", recipe.model_dump(mode="json"))
    with workspace.write("dataset", "d") as at:
        write_dataset(dataset or shop(), at)
    return Run(recipe, workspace)


def campaign(**changes) -> Campaign:
    """Push and search ads of four things for everybody."""
    content = {
        "name": "spring",
        "who": {"users": "all"},
        "what": {"items": ["p0", "p1", "p2", "p3"]},
        "placements": ["push", "search"],
        "brief": {"intensity": "quiet"},
    }
    return Campaign.parse({**content, **changes})


def doomed(run: Path, into: Path, cache: Path, content: dict, seed: int) -> None:
    """Writes a campaign and is killed at a random file operation, or at a random moment."""
    chance = random.Random(seed)
    here = os.getpid()

    def die() -> None:
        os.kill(here, signal.SIGKILL)

    if chance.random() < 0.3:
        threading.Timer(chance.uniform(0.01, 0.8), die).start()
    left = chance.randrange(1, 60)
    for name in ("replace", "link", "rename", "unlink"):
        real = getattr(os, name)

        def counted(*words, real=real, **more):
            nonlocal left
            left -= 1
            if left == 0 and chance.random() < 0.5:
                die()
            found = real(*words, **more)
            if left == 0:
                die()
            return found

        setattr(os, name, counted)
    workspace = Workspace(run)
    recipe = Recipe.parse(workspace.run["recipe"])
    options = AdOptions(cache=cache, part_jobs=7)
    make_ads(Run(recipe, workspace), Campaign.parse(content), into, options)


class Killer:
    """Starts campaigns that die."""

    def kill(self, run: Path, into: Path, cache: Path, content: dict, seed: int) -> bool:
        """Whether it was killed before it came to its end."""
        process = context().Process(target=doomed, args=(run, into, cache, content, seed))
        process.start()
        process.join(120)
        return process.exitcode == -signal.SIGKILL


def content_of(made: Campaign) -> dict:
    """What a campaign's file says, as values that travel."""
    return json.loads(made.model_dump_json())


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file of a campaign's folder that must be equal however it was made."""
    skipped = ("report.json", ".lock")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in skipped and "parts" not in path.parts
    }
