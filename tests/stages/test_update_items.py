"""Vectors and semantic IDs of new items, where the IDs know what was chosen together."""

from dataclasses import replace

import numpy as np
import pytest

from genrec.data.growth import Growth
from genrec.encoders.base import ItemVectors
from genrec.encoders.collaborative import CollaborativeFusion
from genrec.recipe import Recipe
from genrec.semantic_ids.index import SemanticIndex
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.stages.collaborate import FUSED, FUSION
from genrec.stages.run import Run
from genrec.stages.update_items import GrownVectors, grown_ids
from genrec.workspace import Workspace
from tests.small import ITEMS, small_catalog, small_dataset, small_vectors

NEW = 5


def vectors_of(values):
    ids = tuple(small_catalog(len(values)).ids)
    return ItemVectors(ids, values.astype(np.float32), np.ones(len(values), bool), "by hand")


@pytest.fixture
def world(tmp_path):
    """A run whose semantic IDs are made of content and a collaborative part, and new items."""
    generator = np.random.default_rng(1)
    before, content = small_dataset(30), small_vectors(ITEMS + NEW)
    after = replace(before, catalog=small_catalog(ITEMS + NEW))
    counts = np.bincount(before.events["item"].to_numpy(), minlength=ITEMS)
    signal = generator.normal(size=(ITEMS, 4)).astype(np.float32)
    fusion, fused = CollaborativeFusion.fit(content[:ITEMS], signal, counts, weight=0.5)
    tokenizer = SemanticIdTokenizer(levels=2, codebook_size=16)
    index = tokenizer.fit(before.catalog, fused)
    workspace = Workspace(tmp_path / "run")
    with workspace.write("semantic_ids", "k") as folder:
        tokenizer.write(folder, index)
        fusion.write(folder / FUSION)
        (folder / FUSED).mkdir()
        vectors_of(fused).write(folder / FUSED)
    run = Run(Recipe.parse({"name": "mini", "data": {"source": "tables"}}), workspace)
    growth = Growth(before, after, np.zeros(len(after), bool))
    told = fusion.of(content)
    return run, growth, GrownVectors({}, vectors_of(content)), index, fused, told


def test_old_items_keep_ids_and_vectors_and_new_ones_get_a_part_that_is_foretold(world, tmp_path):
    run, growth, content, index, fused, told = world
    ids = grown_ids(run, growth, content)
    assert ids.index.codes[:ITEMS].tobytes() == index.codes.tobytes()
    assert len(ids.index) == ITEMS + NEW
    assert ids.vectors.vectors[:ITEMS].tobytes() == fused.astype(np.float32).tobytes()
    np.testing.assert_allclose(ids.vectors.vectors[ITEMS:], told[ITEMS:], rtol=1e-6)
    assert ids.fit.old.shape == (ITEMS,)
    assert ids.fit.new.shape == (NEW,)
    assert ids.made_of == ITEMS
    assert ids.tokenizer.quality.items == ITEMS + NEW

    (tmp_path / "next").mkdir()
    ids.write(tmp_path / "next")
    assert len(ItemVectors.read(tmp_path / "next" / FUSED)) == ITEMS + NEW
    assert (tmp_path / "next" / FUSION).read_bytes() == (
        run.path("semantic_ids") / FUSION
    ).read_bytes()
    assert len(SemanticIndex.read(tmp_path / "next")) == ITEMS + NEW


def test_how_many_items_the_codebooks_were_made_of_is_handed_on(world):
    run, growth, content, *_ = world
    ids = grown_ids(run, growth, content)
    with run.workspace.write("semantic_ids", "next", made_of=ids.made_of) as folder:
        ids.write(folder)
    later = Growth(growth.after, growth.after, growth.fresh)
    again = grown_ids(run, later, content)
    assert again.made_of == ITEMS
    assert again.index.codes.tobytes() == ids.index.codes.tobytes()
    assert len(again.fit.new) == 0
