import numpy as np
import pytest
import torch

from genrec.data.sequences import Sequences
from genrec.recommenders.base import top_n
from genrec.recommenders.step_choice import ndcg_sum


def by_hand(scores, targets):
    """NDCG@10 of every list that ``top_n`` makes, summed up."""
    total = 0.0
    for row, wanted in zip(top_n(scores, 10).items, targets, strict=True):
        wanted = set(wanted.items.tolist())
        gained = sum(1 / np.log2(place + 2) for place, item in enumerate(row) if item in wanted)
        total += gained / sum(1 / np.log2(place + 2) for place in range(min(10, len(wanted))))
    return total


@pytest.mark.parametrize("items", [4, 40, 400])
@pytest.mark.parametrize("decimals", [0, 6])
def test_the_figure_that_chooses_is_that_of_the_lists(items, decimals):
    drawn = np.random.default_rng(items + decimals)
    # With no decimals most scores are equal to others.
    scores = drawn.normal(size=(30, items)).astype(np.float32).round(decimals)
    wanted = [drawn.choice(items, drawn.integers(1, 4), replace=False) for _ in range(30)]
    wanted[0] = np.repeat(wanted[0], 2)
    targets = Sequences.of([row.tolist() for row in wanted])
    scores[np.arange(20), [row[0] for row in wanted[:20]]] += 3
    expected = by_hand(scores, targets)
    assert expected > 5
    assert ndcg_sum(torch.from_numpy(scores), targets) == pytest.approx(expected)


def test_where_all_are_equal_the_first_items_stand_first():
    targets = Sequences.of([[0], [9], [10]])
    expected = 1 + 1 / np.log2(11)
    assert ndcg_sum(torch.zeros(3, 60), targets) == pytest.approx(expected)
