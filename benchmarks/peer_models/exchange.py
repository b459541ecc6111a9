"""What peers are given and give back: files in a folder. Runs in their environment, without genrec.

``fit.parquet`` and ``seen.parquet`` have ``user_id``, ``item_id`` and ``order``; users of ``seen``
are those to recommend for, and its events are all that may be known of them. ``items.npz`` has the
ids and text vectors of items. ``request.json`` says how many items are wanted, whether those of the
history are left out, and the model's options. ``lists.parquet`` comes back: user_id, item_id, rank.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Request:
    """What is asked of a peer."""

    fit: pd.DataFrame
    seen: pd.DataFrame
    item_ids: list[str]
    vectors: np.ndarray
    n: int
    exclude_seen: bool
    options: dict[str, Any]

    @property
    def users(self) -> list[str]:
        """To recommend for."""
        return list(pd.unique(self.seen["user_id"]))

    @property
    def validation(self) -> pd.DataFrame:
        """What is known of users beyond what is trained on: their next event, if any."""
        counts = self.fit.groupby("user_id").size()
        rank = self.seen.groupby("user_id").cumcount()
        return self.seen[rank >= self.seen["user_id"].map(counts).fillna(0)]


def serve(package: str, models: dict[str, Callable[[Request], pd.DataFrame]]) -> None:
    """Reads a request, has the model named in it answer, and writes its lists."""
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "request.json").read_text())
    with np.load(folder / "items.npz") as items:
        ids, vectors = items["ids"].astype(str).tolist(), items["vectors"]
    request = Request(
        *(pd.read_parquet(folder / f"{name}.parquet") for name in ("fit", "seen")),
        ids,
        vectors,
        asked["n"],
        asked["exclude_seen"],
        asked["options"],
    )
    started = time.perf_counter()
    lists = models[asked["model"]](request)
    seconds = round(time.perf_counter() - started, 1)
    lists[["user_id", "item_id", "rank"]].astype({"rank": "int32"}).to_parquet(
        folder / "lists.parquet", index=False
    )
    print(json.dumps({"seconds": seconds, "package": f"{package} {version(package)}"}))
