"""Linear probes on the item vectors of a content run over the toy shop, products in four folds.

``python -m benchmarks.toy_probes RUN``: what titles, tower, fused vectors, and fused vectors with
the pictures hidden say of kind, colour and pattern. The probe alone does not know the judged fold.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.harness import report
from genrec.data import toy_shop
from genrec.data.storage import read_dataset
from genrec.evaluation.probes import probe
from genrec.recommenders.content import ContentRecommender
from genrec.workspace import Workspace

FOLDS = 4


def accuracy(fitted_on: np.ndarray, judged_on: np.ndarray, truth: np.ndarray) -> float:
    """Share of items whose value is guessed by a probe fitted on the other folds."""
    everything, hits = np.arange(len(truth)), 0.0
    for fold in np.array_split(np.random.default_rng(0).permutation(len(truth)), FOLDS):
        rest = np.setdiff1d(everything, fold)
        found = probe(fitted_on[rest], list(truth[rest]), judged_on[fold], list(truth[fold]))
        hits += found.accuracy * len(fold)
    return hits / len(truth)


def main() -> None:
    """Prints the accuracies."""
    run = Workspace(Path(sys.argv[1]))
    dataset = read_dataset(run.open("dataset"))
    recommender = ContentRecommender.load(run.open("content") / "model", dataset.catalog)
    known = recommender.modalities
    fused = recommender.item_vectors().vectors
    hidden = recommender.seeing(known.hide(["image"])).item_vectors().vectors
    pairs = {
        "titles": (known.vectors["text"].vectors,) * 2,
        "tower": (known.vectors["image"].vectors,) * 2,
        "fused": (fused, fused),
        "fused_pictures_hidden": (fused, hidden),
    }
    oracle = dataset.extras["oracle"]
    rows = toy_shop.catalog_rows(oracle, dataset.catalog)
    figures: dict[str, object] = {}
    for name, (fitted_on, judged_on) in pairs.items():
        for attribute in ("kind", "colour", "pattern"):
            truth = oracle[attribute].to_numpy()[rows]
            figures[f"toy_{name}_{attribute}"] = accuracy(fitted_on, judged_on, truth)
            print(f"{name} {attribute} {figures[f'toy_{name}_{attribute}']:.4f}", flush=True)
    report(figures, folds=FOLDS)


if __name__ == "__main__":
    main()
