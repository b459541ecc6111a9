"""Levels with few branches left are computed together: the same lists by fewer passes."""

import numpy as np
import pytest
import torch

from genrec.data.allowed import AllowedItems
from genrec.decoding import beam
from genrec.decoding.beam import beam_search
from genrec.decoding.folded import FoldedTrie
from genrec.decoding.frontier import Frontier
from genrec.decoding.options import DecodeConfig
from genrec.decoding.trie import Trie
from tests.decoding.test_beam import FAMILIES, backbone_of
from tests.small import ITEMS, small_index

LEVELS = 5
# They begin with nothing in common, which would have a pass of its own.
PROMPTS = [[1, 5, 9], [2, 7], [3, 20, 30, 40, 50, 60, 70]]


@pytest.fixture
def passes(monkeypatch):
    """A search with so much to be saved by a pass, and the tokens of each of its passes."""

    def searched(backbone, trie, worth, **options):
        forward, widths = backbone.hidden_states, []

        def counted(**inputs):
            widths.append(inputs["input_ids"].shape[1])
            return forward(**inputs)

        with monkeypatch.context() as patch:
            patch.setattr(beam, "PASS_CPU", worth)
            patch.setattr(backbone, "hidden_states", counted)
            return beam_search(backbone, PROMPTS, trie, **options), widths

    return searched


def assert_same(one, other):
    assert one.items.tolist() == other.items.tolist()
    np.testing.assert_allclose(one.scores, other.scores, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("normalise", ["level", "legal"])
def test_fewer_passes_find_the_same(passes, family, attention, normalise):
    backbone = backbone_of(family, attention, LEVELS)
    trie = FoldedTrie(Trie.build(small_index(LEVELS).codes), normalise=normalise)
    for beams in (3, 12, ITEMS):
        step_by_step, many = passes(backbone, trie, 0, beams=beams)
        ahead, few = passes(backbone, trie, 50, beams=beams)
        assert_same(ahead, step_by_step)
        assert len(many) == LEVELS
        assert len(few) < LEVELS


@pytest.mark.parametrize("strategy", ["best", "diverse", "sample"])
def test_rules_of_each_user_hold_on_the_way(passes, strategy):
    backbone = backbone_of("llama", levels=LEVELS)
    trie = Trie.build(small_index(LEVELS).codes)
    rules = AllowedItems(
        ITEMS,
        [np.arange(ITEMS) % 2 == 0, np.arange(ITEMS) == 7],
        ["even", "seven"],
        np.array([0, -1, 1]),
        [np.arange(10), np.arange(30), np.zeros(0, np.int64)],
    )
    options = {"beams": 8, "allowed": rules, "config": DecodeConfig(strategy=strategy)}
    step_by_step, many = passes(backbone, trie, 0, **options)
    ahead, few = passes(backbone, trie, 30, **options)
    assert_same(ahead, step_by_step)
    assert len(few) < len(many)
    assert ahead.items[2].tolist() == [7] + [-1] * 7


def test_long_ids_without_branches_take_two_passes_behind_the_prompt(passes):
    """Eight items that differ in their first code: what follows it is one path each."""
    backbone = backbone_of("llama", levels=8)
    codes = np.random.default_rng(0).integers(0, 8, size=(8, 8))
    codes[:, 0] = np.arange(8)
    limits = np.array(backbone.codebook_sizes)
    codes = np.minimum(codes, limits - 1)
    trie = Trie.build(codes)
    step_by_step, many = passes(backbone, trie, 0, beams=4)
    ahead, few = passes(backbone, trie, 8, beams=4)
    assert_same(ahead, step_by_step)
    longest = max(map(len, PROMPTS))
    assert many == [longest] + [4] * 7
    # All beams that may come, level by level, in one pass.
    assert few == [longest, 4 * 7]


def wide_and_then_narrow():
    """Two first codes with ten children each, of which every one has a single path."""
    codes = [[first, second, 1, 1] for first in range(2) for second in range(10)]
    return Trie.build(np.array(codes))


def logs(width, codes):
    return torch.zeros(1, width, codes).log_softmax(-1)


def test_a_level_is_looked_at_as_long_as_it_is_worth_it():
    frontier = Frontier(FoldedTrie(wide_and_then_narrow()), 1, 4)
    frontier.advance(logs(1, 2))
    # Twenty children of two beams: sixteen more than can be chosen.
    assert frontier.ahead(15, 100) == []
    found = frontier.ahead(16, 100)
    assert [one.nodes.shape for one in found] == [(1, 20), (1, 20)]
    assert found[0].codes.tolist() == [list(range(10)) * 2]
    assert found[0].parents[0].tolist() == [0] * 10 + [1] * 10
    assert found[1].parents[0].tolist() == list(range(20))
    # Two beams and their children are 22, with those below 42.
    assert len(frontier.ahead(16, 42)) == 2
    assert len(frontier.ahead(16, 41)) == 1
    assert frontier.ahead(16, 21) == []
    frontier.advance(logs(2, 10))
    assert [one.nodes.shape for one in frontier.ahead(1, 100)] == [(1, 4)]
    places = found[0].places(frontier.nodes)
    assert torch.equal(found[0].nodes.gather(1, places), frontier.nodes)


def test_dead_beams_lead_nowhere():
    trie, only = FoldedTrie(wide_and_then_narrow()), np.zeros(20, bool)
    only[[3, 12]] = True
    rules = AllowedItems.of_mask(only, 1, 20)
    frontier = Frontier(trie, 1, 4, rules=rules)
    frontier.advance(logs(1, 2))
    found = frontier.ahead(1, 100)
    assert [one.nodes.tolist() for one in found] == [[[3, 12]], [[3, 12]]]
    nothing = AllowedItems.of_mask(np.zeros(20, bool), 1, 20)
    frontier = Frontier(trie, 1, 4, rules=nothing)
    frontier.advance(logs(1, 2))
    assert frontier.ahead(1, 100) == []


def test_users_with_fewer_nodes_are_filled_up_with_none():
    masks = [np.arange(20) == 3, np.arange(20) < 12]
    rules = AllowedItems(20, masks, ["a", "b"], np.array([0, 1]), [np.zeros(0, np.int64)] * 2)
    frontier = Frontier(FoldedTrie(wide_and_then_narrow()), 2, 4, rules=rules)
    frontier.advance(logs(1, 2).expand(2, -1, -1))
    first, second = frontier.ahead(100, 100)
    assert first.nodes.tolist() == [[3] + [-1] * 11, list(range(12))]
    assert second.nodes.tolist() == [[3] + [-1] * 11, list(range(12))]
