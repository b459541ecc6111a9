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


@pytest.mark.parametrize("width", [WIDTH, 200])
def test_neighbours_are_the_items_whose_codes_point_the_same_way(world, width):
    codes = world[2]
    draw = np.random.default_rng(0)
    directions = draw.normal(size=(LEVELS * SIZE, width))
    # Of other lengths: only where a code points to counts.
    directions *= draw.uniform(0.1, 10, size=(len(directions), 1))
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    few = codes[:400].numpy()
    points = unit.reshape(LEVELS, SIZE, width)[np.arange(LEVELS), few].reshape(len(few), -1)
    likeness = points @ points.T
    near = CodeGraph.build(few, (SIZE,) * LEVELS, directions, 10).neighbours.numpy()
    assert near.shape == (400, 11)
    found = np.take_along_axis(likeness, near, axis=1)
    best = np.sort(likeness, axis=1)[:, ::-1]
    # The item itself or its like comes first; the projection mistakes a few of the others.
    assert found[:, 0] == pytest.approx(best[:, 0])
    assert found.mean() > 0.9 * best[:, :11].mean()
    assert found.mean() > 1.2 * best[:, 11:33].mean()


def test_codes_that_point_nowhere_are_like_none():
    directions = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [-1.0, 0.0]])
    graph = CodeGraph.build(np.array([[0], [1], [2], [3]]), (4,), directions, 1)
    assert graph.neighbours[1].tolist() == [1, 2]
    assert graph.neighbours[2].tolist() == [2, 1]


def test_eight_items_that_hold_a_code_are_kept_unless_told_otherwise(world):
    graph, _, codes = world
    assert graph.holders.shape == (LEVELS * SIZE, 8)
    directions = np.eye(LEVELS * SIZE)
    less = CodeGraph.build(codes.numpy(), (SIZE,) * LEVELS, directions, 2, holders=3)
    assert less.holders.shape == (LEVELS * SIZE, 3)
    assert (less.holders >= 0).any(dim=1).all()


@pytest.fixture
def scored(monkeypatch):
    """The items of each call that scores some, in order."""
    asked, scores = [], code_graph._scores

    def noted(chances, codes, items):
        asked.append(items.tolist())
        return scores(chances, codes, items)

    monkeypatch.setattr(code_graph, "_scores", noted)
    return asked


def test_it_begins_at_the_holders_of_the_four_likeliest_codes_of_each_level(scored):
    # Each item has a code of its own on the first level, and one of three on the second.
    codes = torch.tensor([[item, item % 3] for item in range(12)])
    holders = torch.full((15, 1), -1)
    holders[:12, 0] = torch.arange(12)
    holders[12:15, 0] = torch.tensor([0, 1, 11])
    graph = CodeGraph(torch.arange(12)[:, None], holders, (0, 12))
    first = torch.tensor([[-9.0, -1, -9, -2, -9, -3, -9, -4, -9, -5, -9, -9]])
    graph.best_items([first, torch.zeros(1, 3)], codes, 2, explored=2)
    assert scored[0] == [0, 1, 3, 5, 7, 11]


def test_it_ends_at_once_where_nothing_new_is_near(scored):
    graph = CodeGraph(
        torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long), (0,)
    )
    found = graph.best_items(
        [torch.zeros(1, 1)], torch.zeros(1, 1, dtype=torch.long), 1, explored=1
    )
    assert found.items.tolist() == [[0]]
    assert scored == [[0], []]


def test_a_walk_that_gets_better_and_better_ends_after_twenty_rounds(scored):
    items = torch.arange(50)
    # Every item is likelier than the one before; of the likely codes no holder is known but item 0.
    chances = torch.linspace(-5, -1, 50)[None]
    holders = torch.full((50, 1), -1)
    holders[46:, 0] = 0
    graph = CodeGraph((items + 1).clamp(max=49)[:, None], holders, (0,))
    found = graph.best_items([chances], items[:, None], 1, explored=1)
    assert scored == [[0], *([item] for item in range(1, 21))]
    assert found.items.tolist() == [[20]]


def test_as_many_of_the_best_are_walked_from_as_it_is_told(scored):
    # A star: the seeds are four items, and each leads to one that no other leads to.
    codes = torch.arange(8)[:, None]
    neighbours = torch.tensor([[4], [5], [6], [7], [4], [5], [6], [7]])
    holders = torch.full((8, 1), -1)
    holders[:4, 0] = torch.arange(4)
    chances = torch.tensor([[-1.0, -2, -3, -4, -9, -9, -9, -9]])
    graph = CodeGraph(neighbours, holders, (0,))
    graph.best_items([chances], codes, 1, explored=3)
    assert scored[:2] == [[0, 1, 2, 3], [4, 5, 6]]
    scored.clear()
    # Where rules leave few, the best of those are walked from too.
    allowed = np.array([[False, False, False, True, False, False, False, True]])
    graph.best_items([chances], codes, 1, explored=1, allowed=allowed)
    assert scored[:2] == [[0, 1, 2, 3], [4, 7]]


def test_items_of_equal_scores_come_in_the_order_of_the_catalogue():
    codes = torch.zeros(6, 1, dtype=torch.long)
    graph = CodeGraph(torch.arange(6).repeat(6, 1), torch.tensor([[5, 2]]), (0,))
    found = graph.best_items([torch.zeros(1, 1)], codes, 4, explored=6)
    assert found.items.tolist() == [[0, 1, 2, 3]]
