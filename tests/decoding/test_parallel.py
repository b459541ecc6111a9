import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.decoding import parallel
from genrec.decoding.parallel import best_items, parallel_search
from tests.decoding.test_beam import PROMPTS, backbone_of
from tests.small import small_index


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(0, 2**30), st.booleans(), st.integers(8, 80))
def test_blocks_of_items_give_the_best_of_all(beams, seed, masked, cells):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 3, (30, 2), generator=generator)
    # Whole numbers, so that equal scores are truly equal.
    chances = [torch.randint(-4, 0, (2, 3), generator=generator).float() for _ in range(2)]
    allowed = (torch.rand(2, 30, generator=generator) < 0.4).numpy() if masked else None
    before, parallel.CELLS = parallel.CELLS, cells
    try:
        found = best_items(chances, codes, beams, allowed)
    finally:
        parallel.CELLS = before
    for user in range(2):
        total = (chances[0][user, codes[:, 0]] + chances[1][user, codes[:, 1]]).numpy()
        if allowed is not None:
            total = np.where(allowed[user], total, -np.inf)
        expected = np.sort(total)[::-1][:beams]
        assert found.scores[user].tolist() == expected.tolist()
        real = found.items[user] >= 0
        assert real.tolist() == (expected > -np.inf).tolist()
        assert total[found.items[user][real].numpy()].tolist() == expected[real.numpy()].tolist()
        assert len(set(found.items[user][real].tolist())) == int(real.sum())


def test_a_catalogue_smaller_than_the_beams_leaves_places_empty():
    chances = [torch.tensor([[-1.0, -2.0]]), torch.tensor([[-1.0, -3.0]])]
    codes = torch.tensor([[1, 1], [0, 0], [0, 1]])
    found = best_items(chances, codes, beams=7)
    assert found.items.tolist() == [[1, 2, 0, -1, -1, -1, -1]]
    assert found.scores.tolist() == [[-2.0, -4.0, -5.0, *[-np.inf] * 4]]


def test_scores_are_those_of_every_level_after_the_prompt_alone():
    backbone, index = backbone_of("llama"), small_index()
    allowed = np.arange(60) % 2 == 0
    found = parallel_search(backbone, PROMPTS, index.codes, beams=40, allowed=allowed)
    for row, prompt in enumerate(PROMPTS):
        logits = backbone.model(input_ids=torch.tensor([prompt])).logits[0, -1].detach()
        total = torch.zeros(60)
        for level, size in enumerate(backbone.codebook_sizes):
            start = sum(backbone.codebook_sizes[:level])
            rows = backbone.token_ids[start : start + size]
            here = torch.log_softmax(logits[rows], dim=-1)
            total += here[torch.tensor(index.codes[:, level]).long()]
        kept = found.items[row, :30]
        assert sorted(kept.tolist()) == list(range(0, 60, 2))
        assert (found.items[row, 30:] == -1).all()
        np.testing.assert_allclose(found.scores[row, :30], total[kept], atol=2e-5)


@pytest.mark.parametrize(
    ("beams", "cells", "blocks"),
    [(1, 8, [0, 4, 8]), (1, 6, [0, 3, 6, 9]), (5, 6, [0, 5]), (2, 100, [0])],
)
def test_a_block_holds_as_many_scores_as_it_may(beams, cells, blocks, monkeypatch):
    class Noted:
        """Codes that note where each block of them begins."""

        device = torch.device("cpu")

        def __len__(self):
            return len(codes)

        def __getitem__(self, block):
            begun.append(block.start)
            return codes[block]

    begun, codes = [], torch.zeros(10, 1, dtype=torch.long)
    monkeypatch.setattr(parallel, "CELLS", cells)
    found = best_items([torch.zeros(2, 1)], Noted(), beams)
    assert begun == blocks
    assert all(len(set(row)) == beams for row in found.items.tolist())


def test_progress_counts_prompts():
    backbone, index = backbone_of("llama"), small_index()
    told = []
    parallel_search(
        backbone,
        PROMPTS,
        index.codes,
        beams=2,
        batch_size=2,
        progress=lambda done, of: told.append((done, of)),
    )
    assert told == [(2, 3), (3, 3)]


def test_along_a_graph_it_explores_a_hundred_items_unless_told_otherwise():
    backbone, index = backbone_of("llama"), small_index()
    asked = []

    class Graph:
        def best_items(self, chances, codes, beams, *, explored, allowed):
            asked.append(explored)
            return best_items(chances, codes, beams, allowed)

    for more in ({}, {"explored": 7}):
        parallel_search(backbone, PROMPTS[:1], index.codes, beams=2, graph=Graph(), **more)
    assert asked == [100, 7]
