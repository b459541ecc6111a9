"""New items of a run whose vectors come from a content run."""

import shutil

import numpy as np
import polars as pl
import pytest

from genrec.data.storage import read_dataset
from genrec.encoders.base import ItemVectors
from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.semantic_ids.index import SemanticIndex
from genrec.stages.pipeline import run_recipe
from genrec.stages.pretrain import run_pretraining
from genrec.stages.update import update
from genrec.workspace import Workspace
from tests.stages.test_fused import SMALL, content

QUICK = ("update.steps=1", "update.cases=6", "update.margin=1")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A content run, a recommender of its vectors, and files of new events and new items.

    What is said and shown of the new item is what is said and shown of an old one.
    """
    folder = tmp_path_factory.mktemp("world")
    run_pretraining(content(folder), Workspace(folder / "content"))
    options = [f"encode.vectors_from={folder / 'content'}", *SMALL]
    pictures = f"{{items: 40, shoppers: 60, pictures: true, image_folder: {folder / 'pictures'}}}"
    seeing = Recipe.load("toy-shop", [f"data.options={pictures}", *options])
    run_recipe(seeing, Workspace(folder / "run"), until="train")
    blind = Recipe.load("toy-shop", ["data.options={items: 40, shoppers: 60}", *options])
    run_recipe(blind, Workspace(folder / "blind"), until="train")

    dataset = read_dataset(Workspace(folder / "run").open("dataset"))
    twin = dataset.catalog.table[3].with_columns(
        pl.lit("twin").alias("item_id"), pl.lit("twin.png").alias("image")
    )
    place = dataset.catalog.media.root
    shutil.copy(place / dataset.catalog.table["image"][3], place / "twin.png")
    twin.write_parquet(folder / "items.parquet")
    last = int(dataset.events["time"].max())
    rows = [
        (str(user), item, last + n, f"{user}-{n}")
        for user in dataset.users[:12]
        for n, item in enumerate([*dataset.catalog.ids[1:3], "twin"], start=1)
    ]
    schema = ["user_id", "item_id", "time", "basket_id"]
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / "events.parquet")
    return folder


def updated(folder, run="run", **options):
    files = {"items": folder / "items.parquet", **options}
    return update(folder / run, folder / "events.parquet", overrides=QUICK, **files)


def test_a_new_item_is_encoded_and_fused_by_the_run_that_fused_the_others(world):
    found = updated(world)
    assert found.promoted and found.report.drift.items == 1
    workspace = Workspace(world / "run")
    vectors = ItemVectors.load(workspace.open("item_vectors") / "vectors")
    assert vectors.item_ids[-1] == "twin" and len(vectors) == 41
    before = ItemVectors.load(world / "content" / "content" / "fused")
    np.testing.assert_array_equal(vectors.vectors[:40], before.vectors)
    np.testing.assert_allclose(vectors.vectors[40], before.vectors[3], atol=1e-5)
    index = SemanticIndex.read(workspace.open("semantic_ids"))
    assert len(index) == 41


def test_what_keeps_new_items_out_is_told_before_anything_is_made(world, tmp_path):
    with pytest.raises(ConfigError, match=r"looks at image; the data of this run do not say"):
        updated(world, "blind")
    # The recipe names the content run where it was made.
    source, away = world / "content", tmp_path / "content"
    shutil.move(source, away)
    try:
        for dry_run in (False, True):
            with pytest.raises(ConfigError, match="which cannot be used: .* is no run"):
                updated(world, "blind", dry_run=dry_run)
        shutil.copytree(away, source)
        run_pretraining(content(world, "train.seed=5"), Workspace(source))
        with pytest.raises(ConfigError, match="which was trained again since .* another space"):
            updated(world, "blind")
    finally:
        shutil.rmtree(source, ignore_errors=True)
        shutil.move(away, source)
    assert not (world / "blind" / "versions").exists()
