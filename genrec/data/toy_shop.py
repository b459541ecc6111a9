"""A shop of drawn products whose shoppers' tastes are known, so that every figure has an oracle.

Each product has a kind, a colour and a pattern; the catalogue's words give away the kind only, and
colour and pattern are seen in its picture alone. It is for tests and for demonstrations of images,
not for headline figures.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.media import MediaFolder
from genrec.data.toy_pictures import COLOURS, PATTERNS, SHAPES, draw
from genrec.data.toy_reviews import reviews as said_of
from genrec.errors import ConfigError
from genrec.shipped import user_cache
from genrec.workspace import storage_errors

log = logging.getLogger(__name__)

KINDS = tuple(SHAPES)
# Category and usual price of each kind.
_SHELF = {
    "mug": ("kitchen", 9.0),
    "lamp": ("living room", 48.0),
    "bag": ("fashion", 62.0),
    "shirt": ("fashion", 24.0),
    "cushion": ("living room", 19.0),
    "vase": ("living room", 28.0),
}
_MATERIALS = {
    "mug": ("stoneware", "porcelain"),
    "lamp": ("linen and oak", "cotton and oak"),
    "bag": ("canvas", "leather"),
    "shirt": ("cotton", "linen"),
    "cushion": ("cotton", "wool"),
    "vase": ("glass", "stoneware"),
}
_SERIES = ("Alba", "Birk", "Cove", "Dune", "Elm", "Fjord", "Gale", "Haze", "Iris", "Juno", "Kite")
_FIRST_DAY = 1_704_067_200  # 2024-01-01, seconds
_DAY = 86_400
# How strongly choices follow tastes: the log-odds that one point of match is worth.
EAGERNESS = 2.5


def load(
    items: int = 400,
    shoppers: int = 600,
    seed: int = 0,
    *,
    pictures: bool = False,
    image_folder: str | Path | None = None,
    reviews: bool = False,
) -> Dataset:
    """The shop: the same arguments give the same tables and the same pictures.

    Args:
        items: products, at least 40, so that nobody runs out of things to choose.
        shoppers: people, each of 5 to 20 choices.
        pictures: whether to draw them.
        image_folder: where; ``None`` is the user's cache. Pictures that are there already are
            left alone. A folder that is named is drawn into in any case.
        reviews: whether every choice is reviewed, in one more table ``reviews``.

    Returns:
        A data set with two more tables in ``extras``: ``oracle`` (item_id, kind, colour, pattern,
        image_seed) and ``tastes`` (user_id, kinds, colours, pattern, budget).

    Raises:
        ConfigError: too few items or shoppers.
        MissingExtra: pictures are wanted and Pillow is not installed.
    """
    if items < 40 or shoppers < 1:
        raise ConfigError(
            f"The toy shop has {items} items and {shoppers} shoppers; "
            "it needs at least 40 items and 1 shopper."
        )
    # One stream for each table: more shoppers leave the products as they are.
    item_rng, taste_rng, choice_rng, said_rng = (
        np.random.default_rng([seed, part]) for part in range(4)
    )
    oracle, table = _products(items, seed, item_rng)
    tastes = _tastes(shoppers, taste_rng)
    catalog = Catalog(table)
    scores = _match(oracle, catalog, tastes)
    choices = _choices(scores, catalog, tastes, choice_rng)
    extras = {"oracle": oracle, "tastes": tastes}
    if reviews:
        extras["reviews"] = said_of(choices, scores, oracle, table, tastes, said_rng)
    dataset = assemble(
        catalog,
        choices,
        name="toy_shop",
        user_table=tastes.select("user_id"),
        extras=extras,
    )
    if not (pictures or image_folder):
        return dataset
    folder = Path(image_folder) if image_folder else user_cache("toy_shop", f"seed-{seed}-{items}")
    draw_pictures(dataset, folder)
    return replace(dataset, catalog=dataset.catalog.with_media(MediaFolder(folder)))


def match(dataset: Dataset) -> np.ndarray:
    """How well each item suits each shopper, shape (users, items), float64; the oracle.

    One point for a kind that the shopper likes, one for a colour, half for the pattern; less by
    the share by which the price exceeds the budget. Rows follow ``dataset.users``.
    """
    tastes = dataset.extras["tastes"]
    users = pl.DataFrame({"user_id": [str(user) for user in dataset.users]})
    return _match(
        dataset.extras["oracle"],
        dataset.catalog,
        users.join(tastes, on="user_id", how="left", maintain_order="left"),
    )


def choice_probabilities(scores: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The exact chance that each item is the next choice, shape (items,), summing to 1.

    Args:
        scores: one shopper's row of ``match``.
        chosen: positions of items chosen before; nobody chooses the same twice.
    """
    weights = np.exp(EAGERNESS * (scores - scores.max()))
    weights[chosen] = 0.0
    return weights / weights.sum()


def draw_pictures(dataset: Dataset, folder: Path) -> None:
    """Draws every product that has no picture in the folder yet, as ``<item_id>.png``.

    Raises:
        MissingExtra: Pillow is not installed.
        StorageError: the folder cannot be written.
    """
    drawn = 0
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for row in dataset.extras["oracle"].iter_rows(named=True):
            path = folder / f"{row['item_id']}.png"
            if path.exists():
                continue
            picture = draw(row["kind"], row["colour"], row["pattern"], seed=row["image_seed"])
            unfinished = path.with_suffix(".new")
            picture.save(unfinished, format="PNG")
            unfinished.replace(path)
            drawn += 1
    log.info("Drew %d pictures into %s", drawn, folder)


def _products(items: int, seed: int, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    ids = [f"toy{number:04d}" for number in range(items)]
    # Every kind and colour comes equally often, in an order that an id does not betray.
    kinds = [KINDS[n % len(KINDS)] for n in rng.permutation(items)]
    colours = [list(COLOURS)[n % len(COLOURS)] for n in rng.permutation(items)]
    patterns = [PATTERNS[n] for n in rng.integers(len(PATTERNS), size=items)]
    series = [_SERIES[n] for n in rng.integers(len(_SERIES), size=items)]
    materials = [
        _MATERIALS[kind][n] for kind, n in zip(kinds, rng.integers(2, size=items), strict=True)
    ]
    usual = np.array([_SHELF[kind][1] for kind in kinds])
    prices = np.round(usual * np.exp(rng.normal(0, 0.35, items))) - 0.01
    oracle = pl.DataFrame(
        {
            "item_id": ids,
            "kind": kinds,
            "colour": colours,
            "pattern": patterns,
            "image_seed": [seed * 1_000_003 + number for number in range(items)],
        }
    )
    table = pl.DataFrame(
        {
            "item_id": ids,
            "title": [f"{name} {kind}" for name, kind in zip(series, kinds, strict=True)],
            "image": [f"{item_id}.png" for item_id in ids],
            "price": np.maximum(prices, 0.99).round(2),
            "category": [_SHELF[kind][0] for kind in kinds],
            "material": materials,
            "in_stock": rng.random(items) < 0.9,
        }
    )
    return oracle, table


def _tastes(shoppers: int, rng: np.random.Generator) -> pl.DataFrame:
    colours = list(COLOURS)
    people = range(shoppers)
    return pl.DataFrame(
        {
            "user_id": [f"shopper{number:04d}" for number in people],
            "kinds": [[KINDS[n] for n in rng.permutation(len(KINDS))[:2]] for _ in people],
            "colours": [[colours[n] for n in rng.permutation(len(colours))[:2]] for _ in people],
            "pattern": [PATTERNS[n] for n in rng.integers(len(PATTERNS), size=shoppers)],
            "budget": np.round(rng.uniform(15, 90, shoppers), 2),
        }
    )


def _match(oracle: pl.DataFrame, catalog: Catalog, tastes: pl.DataFrame) -> np.ndarray:
    rows = oracle[catalog_rows(oracle, catalog)]
    kinds, colours = rows["kind"].to_numpy(), rows["colour"].to_numpy()
    patterns, prices = rows["pattern"].to_numpy(), catalog.table["price"].to_numpy()
    scores = np.zeros((tastes.height, len(catalog)))
    for user, taste in enumerate(tastes.iter_rows(named=True)):
        scores[user] += np.isin(kinds, taste["kinds"])
        scores[user] += np.isin(colours, taste["colours"])
        scores[user] += 0.5 * (patterns == taste["pattern"])
        scores[user] -= np.maximum(prices / taste["budget"] - 1, 0)
    return scores


def catalog_rows(oracle: pl.DataFrame, catalog: Catalog) -> np.ndarray:
    """The oracle's row of each item of a catalogue, which may hold fewer, shape (items,)."""
    place = {item_id: row for row, item_id in enumerate(oracle["item_id"])}
    return np.array([place[item_id] for item_id in catalog.ids], np.int64)


def _choices(
    scores: np.ndarray, catalog: Catalog, tastes: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    """What each shopper chose when: drawn without replacement by the oracle's own chances."""
    users, items, times, baskets = [], [], [], []
    ids = np.array(catalog.ids)
    for user, row in zip(tastes["user_id"], scores, strict=True):
        events = int(rng.integers(5, 21))
        # The largest of log-weight plus Gumbel noise, in order, is drawing without replacement.
        order = np.argsort(-(EAGERNESS * row + rng.gumbel(size=len(row))), kind="stable")[:events]
        visits = np.sort(rng.integers(0, max(events // 2, 1), events))
        days = np.cumsum(1 + rng.integers(0, 20, visits.max() + 1))
        users += [user] * events
        items += ids[order].tolist()
        baskets += [f"{user}/{visit}" for visit in visits]
        times += (_FIRST_DAY + days[visits] * _DAY).tolist()
    return pl.DataFrame({"user_id": users, "item_id": items, "time": times, "basket_id": baskets})
