import numpy as np
import pytest
import torch

from genrec.decoding import code_graph
from genrec.decoding.code_graph import CodeGraph
from genrec.decoding.parallel import best_items

LEVELS, SIZE, ITEMS, WIDTH = 6, 16, 3000, 8


@pytest.fixture(scope="module")
def world():
    """Codes of items in clusters, directions of the codes, and users who look along one each."""
    draw = np.random.default_rng(0)
    centres = draw.integers(SIZE, size=(60, LEVELS))
    codes = centres[draw.integers(60, size=ITEMS)]
    changed = draw.random(codes.shape) < 0.3
    codes[changed] = draw.integers(SIZE, size=int(changed.sum()))
    directions = draw.normal(size=(LEVELS * SIZE, WIDTH)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    graph = CodeGraph.build(codes, (SIZE,) * LEVELS, directions, 20)
    wanted = directions.reshape(LEVELS, SIZE, WIDTH)
    chances = []
    for level in range(LEVELS):
        states = wanted[level][codes[draw.integers(ITEMS, size=12), level]]
        logits = torch.from_numpy(states @ wanted[level].T / 0.2)
        chances.append(torch.log_softmax(logits, dim=-1))
    return graph, chances, torch.from_numpy(codes).long()


def test_the_holders_of_a_code_are_different_items_that_have_it(world):
    graph, _, codes = world
    for level in range(LEVELS):
        for code in range(SIZE):
            row = graph.holders[level * SIZE + code]
            held = row[row >= 0]
            assert (codes[held, level] == code).all()
            assert len(held.unique()) == len(held)
            assert len(held) == min(len(row), int((codes[:, level] == code).sum()))


def test_the_walk_finds_nearly_all_of_the_best_items(world):
    graph, chances, codes = world
    exact = best_items(chances, codes, 10).items
    found = graph.best_items(chances, codes, 10, explored=100).items
    recall = np.mean(
        [len(set(a.tolist()) & set(b.tolist())) / 10 for a, b in zip(exact, found, strict=True)]
    )
    assert recall > 0.9


def test_its_scores_are_those_of_exact_scoring(world):
    graph, chances, codes = world
    found = graph.best_items(chances, codes, 5, explored=50)
    for user in range(len(found.items)):
        for item, score in zip(
            found.items[user].tolist(), found.scores[user].tolist(), strict=True
        ):
            summed = sum(float(row[user, codes[item, level]]) for level, row in enumerate(chances))
            assert score == pytest.approx(summed, abs=1e-4)


def test_a_wider_walk_never_finds_less(world):
    graph, chances, codes = world
    narrow, wide = (
        graph.best_items(chances, codes, 10, explored=explored).scores.sum(1)
        for explored in (10, 400)
    )
    assert (wide >= narrow - 1e-4).all()


def test_only_allowed_items_come_back_and_as_many_as_there_are(world):
    graph, chances, codes = world
    allowed = np.zeros((12, ITEMS), bool)
    allowed[:, [5, 17, 1200]] = True
    found = graph.best_items(chances, codes, 5, explored=20, allowed=allowed)
    for row in found.items.tolist():
        assert sorted(row[:3]) == [5, 17, 1200]
        assert row[3:] == [-1, -1]


def test_with_rules_for_half_of_the_items_nearly_all_of_the_best_are_found(world):
    graph, chances, codes = world
    allowed = np.tile(np.arange(ITEMS) % 2 == 0, (12, 1))
    exact = best_items(chances, codes, 10, allowed).items
    found = graph.best_items(chances, codes, 10, explored=100, allowed=allowed).items
    assert (found % 2 == 0).all()
    recall = np.mean(
        [len(set(a.tolist()) & set(b.tolist())) / 10 for a, b in zip(exact, found, strict=True)]
    )
    assert recall > 0.85


def test_one_item_is_a_graph_too():
    graph = CodeGraph.build(np.zeros((1, 2), int), (2, 2), np.eye(4, dtype=np.float32), 5)
    chances = [torch.log_softmax(torch.zeros(1, 2), -1)] * 2
    found = graph.best_items(chances, torch.zeros(1, 2, dtype=torch.long), 3, explored=3)
    assert found.items.tolist() == [[0, -1, -1]]


def test_where_the_graph_falls_apart_every_item_can_still_come_back():
    draw = np.random.default_rng(0)
    codes = draw.integers(3, size=(40, 2))
    graph = CodeGraph.build(codes, (3, 3), draw.normal(size=(6, 4)).astype(np.float32), 1)
    chances = [torch.log_softmax(torch.randn(1, 3), -1) for _ in range(2)]
    found = graph.best_items(chances, torch.from_numpy(codes), 40, explored=5)
    assert sorted(found.items[0].tolist()) == list(range(40))


def test_the_walk_begins_where_the_likely_codes_are_though_no_path_leads_there():
    # Two islands of fifty items; those of one share no code with those of the other.
    draw = np.random.default_rng(0)
    island = np.repeat([0, 1], 50)
    codes = draw.integers(4, size=(100, 2)) + 4 * island[:, None]
    directions = np.zeros((16, 2), np.float32)
    directions[np.arange(16), np.arange(16) % 8 // 4] = 1
    graph = CodeGraph.build(codes, (8, 8), directions, 3)
    away = torch.tensor([[-9.0] * 4 + [-1.0, -2.0, -3.0, -4.0]])
    found = graph.best_items([away, away], torch.from_numpy(codes), 10, explored=10)
    exact = best_items([away, away], torch.from_numpy(codes), 10)
    assert found.scores.tolist() == exact.scores.tolist()
    assert (found.items >= 50).all()


def test_it_ends_when_everything_near_was_looked_at(world, monkeypatch):
    graph, chances, codes = world
    rounds, scores = [], code_graph._scores
    monkeypatch.setattr(
        code_graph, "_scores", lambda *asked: rounds.append(len(asked[2])) or scores(*asked)
    )
    graph.best_items([row[:1] for row in chances], codes, 10, explored=20)
    assert len(rounds) < 12
    assert max(rounds[1:]) <= 20 * 21
