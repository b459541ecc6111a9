"""A trained recommender over more items than it was trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genrec.data.sequences import Sequences
from genrec.encoders.base import ItemVectors
from genrec.errors import ConfigError
from genrec.llm.options import BackboneConfig
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.growth import check_can_grow, grown
from genrec.recommenders.one_pass import OnePassRecommender
from genrec.recommenders.options import GenerativeConfig, HybridConfig, PromptConfig, TaskConfig
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.training.options import FitConfig
from tests.small import ITEMS, small_catalog, small_dataset, small_vectors

NEW = 4
OPTIONS = {"adapt": "full", "batch_size": 4, "row_tokens": 256, "learning_rate": 3e-3, "steps": 3}


def item_vectors(items, values):
    return ItemVectors(tuple(small_catalog(items).ids), values, np.ones(items, bool), "by hand")


def world_of(collisions):
    """IDs of the small world before and after four more items, and its data."""
    tokenizer = SemanticIdTokenizer(levels=2, codebook_size=16, collisions=collisions)
    before = tokenizer.fit(small_catalog(), small_vectors())
    values = np.concatenate([small_vectors(), small_vectors()[:NEW]])
    more = small_catalog(ITEMS + NEW)
    after = tokenizer.add(before, more.take(np.arange(ITEMS, ITEMS + NEW)), values[ITEMS:])
    dataset = small_dataset(40)
    return before, after, dataset, replace(dataset, catalog=more), values


@pytest.fixture(scope="module")
def world():
    return world_of("reassign")


@pytest.mark.parametrize("collisions", ["reassign", "append"])
def test_old_items_keep_their_ids_byte_for_byte(collisions):
    before, after, *_ = world_of(collisions)
    assert after.codes[:ITEMS].tobytes() == before.codes.tobytes()
    assert after.item_ids[:ITEMS] == before.item_ids


def test_a_hybrid_ranks_new_items_by_their_content_and_old_ones_as_before(world, tmp_path):
    before, after, dataset, larger, values = world
    config = GenerativeConfig(hybrid=HybridConfig(tune=False))
    trained = GenerativeRecommender.train(
        "tiny",
        dataset,
        before,
        config=config,
        vectors=item_vectors(ITEMS, values[:ITEMS]),
        folder=tmp_path,
        **OPTIONS,
    )
    trained.hybrid.weights = weights = (0.3, 0.1, 2.0, 0.5)
    table = trained.backbone.items.vectors().detach().clone()
    more = grown(trained, after, larger, item_vectors(ITEMS + NEW, values))
    found = more.backbone.items.vectors().detach()
    torch.testing.assert_close(found[:ITEMS], table)
    content = more.backbone.items.content(torch.from_numpy(values[ITEMS:]))
    torch.testing.assert_close(found[ITEMS:], content)
    assert not more.backbone.items.trained[ITEMS:].any()
    assert more.hybrid.transitions.counts.shape == (ITEMS + NEW,)
    assert more.hybrid.weights == weights
    assert more.rank(larger.sequences.take([0]), 5).items.max() < ITEMS + NEW


def test_a_hybrid_of_codes_and_counts_grows_without_vectors(world, tmp_path):
    before, after, dataset, larger, _ = world
    config = GenerativeConfig(hybrid=HybridConfig(table=None, habit=3.0))
    folder = tmp_path / "fit"
    trained = GenerativeRecommender.train(
        "tiny", dataset, before, config=config, folder=folder, **OPTIONS
    )
    weights = trained.hybrid.weights
    more = grown(trained, after, larger)
    assert more.backbone.items is None
    assert more.hybrid.weights == weights
    assert more.hybrid.transitions.counts.shape == (ITEMS + NEW,)
    # A new item that somebody chose again and again is among the first for them.
    history = Sequences.of([[0, ITEMS, ITEMS, ITEMS]])
    assert ITEMS in more.rank(history, 3).items[0]


def test_a_grown_recommender_is_trained_on_written_and_read(tmp_path):
    before, after, dataset, larger, _ = world_of("append")
    assert after.codebook_sizes[-1] > before.codebook_sizes[-1]
    trained = GenerativeRecommender.train("tiny", dataset, before, folder=tmp_path / "a", **OPTIONS)
    more = grown(trained, after, larger)
    rows = more.rows(Sequences.of([[0, ITEMS, 3, ITEMS + 1]] * 4), 1)
    more.fit(rows, FitConfig(steps=2, batch_size=2), folder=tmp_path / "b")
    more.save(tmp_path / "kept")
    again = GenerativeRecommender.load(tmp_path / "kept", larger.catalog)
    histories = larger.sequences.take([0, 1])
    assert np.array_equal(again.rank(histories, 5).items, more.rank(histories, 5).items)
    assert more.fitted.steps == 2


def test_one_pass_keeps_its_heads(world, tmp_path):
    before, after, dataset, larger, _ = world
    trained = OnePassRecommender.train("tiny", dataset, before, folder=tmp_path, **OPTIONS)
    heads = trained.network.heads.detach().clone()
    more = grown(trained, after, larger)
    torch.testing.assert_close(more.network.heads.detach(), heads)
    assert more.rank(larger.sequences.take([0]), ITEMS + NEW).items.max() == ITEMS + NEW - 1


def test_groups_with_weights_of_their_own_are_refused():
    config = GenerativeConfig(
        backbone=BackboneConfig(adapt="mixture"), prompt=PromptConfig(group_by="kind")
    )
    with pytest.raises(ConfigError, match="group_by is 'kind'"):
        check_can_grow(config)
    check_can_grow(GenerativeConfig())
    other = GenerativeConfig(tasks=TaskConfig(next_item=0.0, title_to_id=1.0))
    with pytest.raises(ConfigError, match=r"tasks\.next_item is 0"):
        check_can_grow(other)
