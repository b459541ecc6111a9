"""A run that can recommend, on a small shop with prices and with users who chose nothing yet."""

from pathlib import Path

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.storage import write_dataset
from genrec.recipe import Recipe
from genrec.stages.run import Run
from genrec.workspace import Workspace
from tests.small import ITEMS, small_catalog, small_dataset, small_recommender

NEWCOMERS = ["newcomer 1", "newcomer, 2"]


def shop() -> Dataset:
    """The small world with prices, and two users who have chosen nothing yet."""
    small = small_dataset(60)
    prices = pl.Series("price", [float(number) for number in range(ITEMS)])
    users = np.array([*small.users, *NEWCOMERS], dtype=object)
    return Dataset("shop", Catalog(small_catalog().table.with_columns(prices)), users, small.events)


def shop_run(folder: Path) -> Run:
    workspace = Workspace(folder / "mini")
    source = {"source": "tables", "options": {"interactions": "events.csv"}}
    recipe = Recipe.parse({"name": "mini", "data": source, "llm": {"name": "tiny"}})
    workspace.record("recipe", recipe.model_dump(mode="json"))
    with workspace.write("dataset", "d") as at:
        write_dataset(shop(), at)
    with workspace.write("recommender", "r") as at:
        small_recommender(folder / "fit", steps=5).write(at)
    return Run(recipe, workspace)
