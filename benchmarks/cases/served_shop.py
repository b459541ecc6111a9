"""A shop of synthetic items, a small run of it, and the process that serves it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.storage import write_dataset
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.workspace import Workspace

ITEMS, USERS = 3000, 500
CATEGORIES = [f"category {n}" for n in range(12)]
BRANDS = [f"brand {n}" for n in range(40)]


def catalog() -> Catalog:
    """Items with what filters ask for."""
    draw = np.random.default_rng(0)
    return Catalog(
        pl.DataFrame(
            {
                "item_id": [f"p{n}" for n in range(ITEMS)],
                "title": [f"Product {n}" for n in range(ITEMS)],
                "price": np.round(draw.lognormal(2.5, 0.8, ITEMS), 2),
                "category": draw.choice(CATEGORIES, ITEMS),
                "brand": draw.choice(BRANDS, ITEMS),
                "in_stock": draw.random(ITEMS) < 0.8,
            }
        )
    )


def dataset() -> Dataset:
    """Users who stay in the neighbourhood of an item."""
    draw = np.random.default_rng(1)
    lengths = draw.integers(3, 15, USERS)
    users = np.repeat(np.arange(USERS), lengths)
    starts = np.repeat(draw.integers(0, ITEMS, USERS), lengths)
    items = (starts + draw.integers(0, 50, len(users))) % ITEMS
    events = pl.DataFrame(
        {
            "user": users.astype(np.uint32),
            "item": items.astype(np.uint32),
            "time": np.arange(len(users), dtype=np.int64),
        }
    )
    names = np.array([f"u{n}" for n in range(USERS)], dtype=object)
    return Dataset("synthetic", catalog(), names, events)


def make_run(folder: Path, data: Dataset, steps: int) -> None:
    """A run's folder with a model that was trained for a few steps."""
    vectors = np.random.default_rng(2).normal(size=(ITEMS, 16)).astype(np.float32)
    index = SemanticIdTokenizer(levels=3, codebook_size=32).fit(data.catalog, vectors)
    options: dict[str, Any] = {
        "adapt": "full",
        "learning_rate": 3e-3,
        "batch_size": 8,
        "row_tokens": 256,
    }
    recommender = GenerativeRecommender.train("tiny", data, index, steps=steps, **options)
    workspace = Workspace(folder)
    recipe = Recipe.parse({"name": "server", "data": {"source": "tables"}})
    workspace.record("recipe", recipe.model_dump(mode="json"))
    with workspace.write("dataset", "synthetic") as place:
        write_dataset(data, place)
    with workspace.write("recommender", f"{steps} steps") as place:
        recommender.write(place)


@contextlib.contextmanager
def served(run: Path, keys: Path, *words: str) -> Iterator[tuple[str, int]]:
    """``genrec serve`` as a process: its address and number."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "genrec.cli.main", "serve", str(run), "--port", str(port)]
    log = run / "server.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [*command, "--keys", str(keys), *words], stdout=written, stderr=written
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            time.sleep(0.2)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(60)
