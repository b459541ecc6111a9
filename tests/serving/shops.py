"""A small shop in service, and a recommender that waits for a word before it answers."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sequences import History
from genrec.recommenders.base import Request
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.recommenders.popular import Popular
from genrec.serving.batching import Batcher
from genrec.serving.events import SqliteEvents
from genrec.serving.loaded import Loaded
from genrec.serving.service import Service
from tests.contracts.recommender import ITEMS, shop


def priced_shop(*, baskets: bool = False) -> Dataset:
    """The shop of the contract with prices, brands and stock."""
    plain = shop(baskets=baskets)
    rows = range(ITEMS)
    table = plain.catalog.table.with_columns(
        pl.Series("price", [float(row) for row in rows]),
        pl.Series("brand", ["Alpine" if row % 2 else "Nordic" for row in rows]),
        pl.Series("in_stock", [row % 3 > 0 for row in rows]),
    )
    return Dataset(plain.name, Catalog(table), plain.users, plain.events)


def loaded(kind=Cooccurrence, version: str = "first", **others) -> Loaded:
    dataset = priced_shop()
    return Loaded(kind.train(dataset), dataset, version, **others)


@contextmanager
def in_service(folder, model: Loaded | None = None, *, load=None, **batching):
    """A service with a store in a folder."""
    store = SqliteEvents(folder / "events.sqlite")
    service = Service(model or loaded(), store, Batcher(**batching), load=load)
    try:
        yield service
    finally:
        service.close(5)


def ask(items=(), n: int = 3, where=None, **rules) -> Request:
    return Request(History(np.array(items, np.int32)), n, where, **rules)


class Held(Popular):
    """Answers only after ``release`` is set; ``entered`` says that it was asked."""

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self.entered, self.release = threading.Event(), threading.Event()

    def scores(self, histories):
        self.entered.set()
        assert self.release.wait(20), "nobody released the recommender"
        return super().scores(histories)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
