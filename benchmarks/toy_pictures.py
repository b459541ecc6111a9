"""The toy shop: attributes that only the picture shows, and what is left when pictures are hidden.

A quarter of the products is held out from everything: the tower does not see their pictures, nobody
has chosen them, and no probe is fitted on them. Everything is judged on those products, and on each
shopper's last choice among the others. ``--quick`` draws fewer and trains less.
"""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from benchmarks.harness import Figures, arguments, report
from genrec.data import toy_shop
from genrec.data.dataset import Dataset, Holdout
from genrec.data.picture_array import decode_pictures
from genrec.encoders.base import ItemVectors
from genrec.encoders.concatenation import concatenate
from genrec.encoders.fusion_options import FusionConfig
from genrec.encoders.image import ImageEncoder
from genrec.encoders.modality_vectors import Modalities
from genrec.encoders.text import TextEncoder
from genrec.evaluation.evaluate import measure
from genrec.evaluation.metrics import per_user
from genrec.evaluation.protocol import Protocol
from genrec.evaluation.significance import Estimate, bootstrap
from genrec.recommenders.base import top_n
from genrec.recommenders.content import ContentRecommender
from genrec.training.content_options import ContentConfig, ViewsConfig
from genrec.training.options import FitConfig
from genrec.training.views import save_tower, train_tower

log = logging.getLogger(__name__)

ATTRIBUTES = ("kind", "colour", "pattern")
RULES = Protocol(name="toy", exclude_seen=True)


@dataclass(frozen=True)
class Size:
    """How large a shop, and how long to train on it."""

    items: int = 800
    shoppers: int = 1200
    tower_steps: int = 300
    side: int = 80
    steps: int = 300
    width: int = 64


QUICK = Size(items=240, shoppers=400, tower_steps=60, side=80, steps=150)


@dataclass(frozen=True)
class Shop:
    """The shop with a quarter of its products unknown to all training.

    Attributes:
        held_out: positions of those products.
        others: positions of all others.
        labels: attribute -> the truth for each product.
        training: choices without the held-out products and without each shopper's last.
        test: each shopper's last choice.
    """

    dataset: Dataset
    held_out: np.ndarray
    others: np.ndarray
    labels: dict[str, np.ndarray]
    training: Dataset
    test: Holdout


def open_shop(size: Size, folder: Path | None = None, seed: int = 0) -> Shop:
    """Draws the shop, into the user's cache where no folder is given."""
    dataset = toy_shop.load(
        items=size.items, shoppers=size.shoppers, pictures=True, image_folder=folder
    )
    order = np.random.default_rng(seed).permutation(size.items)
    held_out, others = np.sort(order[: size.items // 4]), np.sort(order[size.items // 4 :])
    oracle = dataset.extras["oracle"]
    rows = toy_shop.catalog_rows(oracle, dataset.catalog)
    events = dataset.events.filter(~pl.col("item").is_in(held_out.tolist()))
    training, test = replace(dataset, events=events).split("last-out")
    labels = {name: oracle[name].to_numpy()[rows] for name in ATTRIBUTES}
    return Shop(dataset, held_out, others, labels, training, test)


def _unseen(_done: int, _total: int) -> None:
    """Takes progress and shows nothing."""


def tower_vectors(shop: Shop, config: ViewsConfig, folder: Path) -> ItemVectors:
    """Vectors of all pictures, from a tower that saw those of the others alone."""
    catalog = shop.dataset.catalog
    pictures = decode_pictures(catalog, shop.others, side=config.side, progress=_unseen)
    tower, _ = train_tower(pictures.pixels, config, folder=folder / "fit")
    save_tower(tower, config.side, folder / "tower")
    encoder = ImageEncoder(str(folder / "tower"), cache=folder / "cache")
    return encoder.encode(catalog)


def probe(shop: Shop, fitted_on: np.ndarray, judged_on: np.ndarray) -> dict[str, float]:
    """Accuracy on the held-out products of a linear classifier fitted on the others.

    Args:
        fitted_on: item vectors, shape (items, dimensions).
        judged_on: item vectors of the same kind, maybe with something hidden.
    """
    mean, spread = fitted_on[shop.others].mean(0), fitted_on[shop.others].std(0) + 1e-6
    found = {}
    for name, truth in shop.labels.items():
        model = LogisticRegression(max_iter=500)
        model.fit((fitted_on[shop.others] - mean) / spread, truth[shop.others])
        seen = (judged_on[shop.held_out] - mean) / spread
        found[name] = float(model.score(seen, truth[shop.held_out]))
    return found


def chance(shop: Shop) -> dict[str, float]:
    """The best that knows nothing of a product: always the most frequent value of the others."""
    found = {}
    for name, truth in shop.labels.items():
        values, counts = np.unique(truth[shop.others], return_counts=True)
        found[name] = float((truth[shop.held_out] == values[counts.argmax()]).mean())
    return found


def trained(shop: Shop, size: Size, modalities: dict[str, ItemVectors]) -> ContentRecommender:
    config = ContentConfig(
        fusion=FusionConfig(width=size.width, modality_dropout=0.3), max_history=20
    )
    fitting = FitConfig(
        steps=size.steps, batch_size=64, learning_rate=2e-3, warmup_steps=30, weight_decay=0.01
    )
    return ContentRecommender.train(
        shop.training, modalities=modalities, config=config, fit_config=fitting
    )


def recommended(shop: Shop, recommender: ContentRecommender) -> Figures:
    """NDCG@10 of the last choice, and how well the best new products suit the shoppers."""
    estimate = measure(recommender, shop.test, RULES).estimates["ndcg@10"]
    unsold = np.zeros(len(shop.dataset.catalog), bool)
    unsold[shop.held_out] = True
    new = recommender.rank(shop.test.histories, 10, allowed=unsold).items
    return {**_interval("ndcg10", estimate), "new_items_match": _suits(shop, new)}


def oracle_figures(shop: Shop) -> Figures:
    """The same of a recommender that knows the tastes."""
    scores = _tastes(shop)
    sold = np.ones(len(shop.dataset.catalog), bool)
    sold[shop.held_out] = False
    seen = np.zeros(scores.shape, bool)
    for row, history in enumerate(shop.test.histories):
        seen[row, history.items] = True
    ranked = top_n(scores, 20, sold & ~seen).items
    estimate = bootstrap(per_user(ranked, shop.test.targets)["ndcg@10"][:, None])[0]
    best = _suits(shop, top_n(scores, 10, ~sold).items)
    anything = float(scores[:, shop.held_out].mean())
    return {
        **_interval("toy_oracle_ndcg10", estimate),
        "toy_oracle_new_items_match": best,
        "toy_chance_new_items_match": anything,
    }


def _tastes(shop: Shop) -> np.ndarray:
    rows = {str(user): row for row, user in enumerate(shop.dataset.users)}
    return toy_shop.match(shop.dataset)[[rows[str(user)] for user in shop.test.histories.users]]


def _suits(shop: Shop, items: np.ndarray) -> float:
    return float(np.take_along_axis(_tastes(shop), items.astype(np.int64), axis=1).mean())


def _interval(name: str, estimate: Estimate) -> Figures:
    return {name: estimate.mean, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def toy_figures(size: Size | None = None, image_folder: Path | None = None) -> Figures:
    """All figures of the toy shop, by key; accuracies are shares of the held-out products."""
    size = size or Size()
    shop = open_shop(size, image_folder)
    figures: Figures = {"toy_items": size.items, "toy_held_out": len(shop.held_out)}
    text = TextEncoder(fields=["title"]).encode(shop.dataset.catalog)
    views = ViewsConfig(side=size.side, steps=size.tower_steps)
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        image = tower_vectors(shop, views, Path(place) / "own")
        figures["toy_tower_seconds"] = time.perf_counter() - started
        random = tower_vectors(shop, replace(views, steps=0), Path(place) / "random")
    started = time.perf_counter()
    words = trained(shop, size, {"text": text})
    both = trained(shop, size, {"text": text, "image": image})
    figures["toy_fusion_seconds"] = time.perf_counter() - started
    hidden = both.seeing(both.modalities.hide(["image"]))
    fused = both.item_vectors().vectors
    plain = concatenate(Modalities({"text": text, "image": image})).vectors.vectors
    accuracies = {
        "chance": chance(shop),
        "text_encoder": probe(shop, text.vectors, text.vectors),
        "tower": probe(shop, image.vectors, image.vectors),
        "random_tower": probe(shop, random.vectors, random.vectors),
        "concatenated": probe(shop, plain, plain),
        "text_only": probe(shop, *[words.item_vectors().vectors] * 2),
        "fused": probe(shop, fused, fused),
        "fused_pictures_hidden": probe(shop, fused, hidden.item_vectors().vectors),
    }
    for name, found in accuracies.items():
        figures |= {f"toy_{name}_{attribute}": share for attribute, share in found.items()}
    judged = {"text_only": words, "fused": both, "fused_pictures_hidden": hidden}
    for name, recommender in judged.items():
        lists = recommended(shop, recommender)
        figures |= {f"toy_{name}_{key}": value for key, value in lists.items()}
    return summary(figures) | figures | oracle_figures(shop)


def summary(figures: Figures) -> Figures:
    """What only the picture shows, in one: means, and for ``toy_fused`` the lesser."""

    def both(stem: str) -> list[float]:
        return [float(str(figures[f"{stem}_{name}"])) for name in ("colour", "pattern")]

    return {
        "toy_text_only": round(sum(both("toy_text_only")) / 2, 4),
        "toy_chance": round(sum(both("toy_chance")) / 2, 4),
        "toy_fused": min(both("toy_fused")),
        "toy_fused_pictures_hidden": round(sum(both("toy_fused_pictures_hidden")) / 2, 4),
    }


def main() -> None:
    """Prints the figures."""
    options = arguments(__doc__ or "")
    size = QUICK if options.quick else Size()
    figures = toy_figures(size)
    for name, value in figures.items():
        print(f"{name:40s} {value:.4f}" if isinstance(value, float) else f"{name:40s} {value}")
    report(figures, size=repr(size), split=str(RULES))


if __name__ == "__main__":
    main()
