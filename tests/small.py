"""A small world with a known answer: after item i comes item (7 i + 3) mod 60."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.recommenders.generative import GenerativeRecommender
from genrec.semantic_ids.index import SemanticIndex
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer

ITEMS = 60


def next_item(item: int) -> int:
    return (item * 7 + 3) % ITEMS


def small_catalog(items: int = ITEMS) -> Catalog:
    titles = [f"thing {number}" for number in range(items)]
    return Catalog(pl.DataFrame({"item_id": [f"i{n}" for n in range(items)], "title": titles}))


def small_vectors(items: int = ITEMS, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(items, 8)).astype(np.float32)


def small_index(levels: int = 3, codebook_size: int = 8) -> SemanticIndex:
    tokenizer = SemanticIdTokenizer(levels=levels, codebook_size=codebook_size)
    return tokenizer.fit(small_catalog(), small_vectors())


def small_dataset(users: int = 200, *, baskets: bool = False, seed: int = 0) -> Dataset:
    generator = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        item = int(generator.integers(ITEMS))
        for time in range(int(generator.integers(3, 12))):
            rows.append((user, item, time, time // 2))
            item = next_item(item)
    events = pl.DataFrame(
        rows,
        schema={"user": pl.UInt32, "item": pl.UInt32, "time": pl.Int64, "basket": pl.UInt32},
        orient="row",
    )
    if not baskets:
        events = events.drop("basket")
    names = np.array([f"u{user}" for user in range(users)], dtype=object)
    return Dataset("small", small_catalog(), names, events)


def small_recommender(folder, *, steps: int = 3, **options) -> GenerativeRecommender:
    chosen = {"adapt": "full", "batch_size": 4, "row_tokens": 256, "learning_rate": 3e-3, **options}
    return GenerativeRecommender.train(
        "tiny", small_dataset(), small_index(), folder=folder, steps=steps, **chosen
    )


def reviewed(dataset: Dataset, stars: np.ndarray | None = None) -> Dataset:
    """The data with a review of every event: five stars for even items, one for odd ones.

    Args:
        stars: of every item, in their place.
    """
    stars = np.where(np.arange(ITEMS) % 2, 1.0, 5.0) if stars is None else stars
    users = dataset.events["user"].to_numpy()
    items = dataset.events["item"].to_numpy()
    table = pl.DataFrame(
        {
            "user_id": dataset.users[users].astype(str),
            "item_id": [f"i{item}" for item in items],
            "rating": stars[items],
            "headline": [f"head {item}" for item in items],
            "text": [f"It is a\nthing {item}." for item in items],
        }
    )
    return replace(dataset, extras={"reviews": table})
