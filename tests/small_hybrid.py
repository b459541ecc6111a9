"""Small hybrids, trained for a few steps on a small shop."""

import numpy as np

from genrec.data.dataset import Dataset
from genrec.encoders.base import ItemVectors
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.options import GenerativeConfig, HybridConfig


def vectors_of(dataset: Dataset, seed: int = 0) -> ItemVectors:
    items = len(dataset.catalog)
    vectors = np.random.default_rng(seed).normal(size=(items, 6)).astype(np.float32)
    return ItemVectors(tuple(dataset.catalog.ids), vectors, np.ones(items, bool), "drawn")


def hybrid_of(dataset, index, folder, *, hybrid=None, **options) -> GenerativeRecommender:
    chosen = {"adapt": "full", "batch_size": 4, "row_tokens": 256, "learning_rate": 3e-3, **options}
    return GenerativeRecommender.train(
        "tiny",
        dataset,
        index,
        folder=folder,
        config=GenerativeConfig(hybrid=hybrid or HybridConfig()),
        vectors=vectors_of(dataset),
        **chosen,
    )
