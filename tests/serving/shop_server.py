"""The small shop as a process: ``… -m tests.serving.shop_server PORT FOLDER [SECONDS [DRAIN]]``.

Each batch takes SECONDS, and the end of the process DRAIN at most. A reload puts another version
into service, or fails while the folder holds a file ``broken``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from genrec.errors import ArtefactError
from genrec.recommenders.popular import Popular
from genrec.serving.app import create_app
from genrec.serving.batching import Batcher
from genrec.serving.edge import log_as_json
from genrec.serving.events import SqliteEvents
from genrec.serving.loaded import Loaded
from genrec.serving.options import ServeConfig
from genrec.serving.server import run_server
from genrec.serving.service import Service
from tests.serving.shops import priced_shop


class Slow(Popular):
    """Takes its time."""

    seconds = 0.0

    def scores(self, histories):
        time.sleep(self.seconds)
        return super().scores(histories)


def main(port: str, folder: str, seconds: str = "0", drain: str = "8") -> None:
    dataset = priced_shop()
    Slow.seconds = float(seconds)
    versions = iter(["second", "third", "fourth"])

    def load(_: str | None) -> Loaded:
        if (Path(folder) / "broken").exists():
            raise ArtefactError("the new run is damaged")
        return Loaded(Popular.train(dataset), dataset, next(versions))

    store = SqliteEvents(Path(folder) / "events.sqlite")
    first = Loaded(Slow.train(dataset), dataset, "first")
    service = Service(first, store, Batcher(max_batch=1, max_wait_ms=0), load=load)
    config = ServeConfig(port=int(port), timeout=10, drain=float(drain))
    log_as_json()
    run_server(create_app(service, config), service, config)


if __name__ == "__main__":
    main(*sys.argv[1:])
