import numpy as np
import pytest

from genrec.semantic_ids.closeness import (
    category_purity,
    chance_shared,
    followers,
    nearest_items,
    shared_codes,
)
from genrec.semantic_ids.quality import Evidence, report_quality
from genrec.semantic_ids.quality_table import quality_rows

CODES = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.int32)
# Two pairs that lie close together, and a code of the first level for each pair.
VECTORS = np.array([[0.0, 0], [0, 1], [9, 0], [9, 1]], np.float32)


def report(codes=CODES, **options):
    return report_quality(codes, codes, (2, 2), VECTORS, **options)


def test_shared_codes_count_prefixes_or_single_codes():
    one, other = np.array([0, 0, 0]), np.array([1, 2, 3])
    # With 1 the first code is shared, with 2 only the second, with 3 none.
    assert shared_codes(CODES, one, other, ordered=True) == pytest.approx([0.3333, 0.0], abs=1e-4)
    assert shared_codes(CODES, one, other, ordered=False) == pytest.approx([2 / 6], abs=1e-4)


def test_chance_is_that_of_different_items():
    # Of the three other items, one shares the first code and none both.
    found = chance_shared(CODES, 0, ordered=True)
    assert found[0] == pytest.approx(1 / 3, abs=0.02)
    assert found[1] == 0


def test_neighbours_are_the_nearest_and_never_the_item_itself():
    rows, near = nearest_items(np.array([[0.0], [1], [5], [6]], np.float32), 0)
    assert near.shape == (4, 3)
    first = dict(zip(rows.tolist(), near[:, 0].tolist(), strict=True))
    assert first == {0: 1, 1: 0, 2: 3, 3: 2}


def test_followers_stay_within_a_user_and_differ():
    one, other = followers(np.array([0, 1, 1, 2, 3]), np.array([4, 1]), 0)
    assert sorted(zip(one.tolist(), other.tolist(), strict=True)) == [(0, 1), (1, 2)]


def test_purity_counts_the_commonest_category_of_each_code_by_hand():
    codes = np.array([[0], [0], [0], [1], [1], [2]])
    pure, _ = category_purity(codes, ["a", "a", "b", "c", "c", "a"], 0, ordered=True)
    # Of three, two; of two, two; a code of one item says nothing.
    assert pure == pytest.approx(4 / 5)


def test_items_without_a_category_say_nothing_of_purity():
    codes = np.array([[0], [0], [0]])
    assert category_purity(codes, ["a", "a", ""], 0, ordered=True)[0] == 1.0
    assert category_purity(codes, ["", "", ""], 0, ordered=True) == (0.0, 0.0)


def test_the_report_knows_what_was_bought_next_and_what_is_cold():
    evidence = Evidence(["x", "x", "y", "y"], np.array([0, 1, 0, 1, 2]), np.array([2, 3]))
    found = report(evidence=evidence, rebuilt=VECTORS, name="mine")
    # 0-1, 0-1 share the first code, 1-2 does not.
    assert found.bought_next[0] == pytest.approx(2 / 3, abs=1e-4)
    assert found.cold_items == 1
    assert len(found.cold_neighbours_kept) == 2
    assert found.purity == 1.0
    assert found.reconstruction_error == 0.0
    assert found.perplexity == [2.0, 2.0]


def test_rebuilding_the_mean_alone_loses_everything():
    mean = np.repeat(VECTORS.mean(axis=0, keepdims=True), 4, axis=0)
    assert report(rebuilt=mean).reconstruction_error == pytest.approx(1.0)


def test_a_table_has_a_cell_for_each_report_and_says_what_is_unknown():
    rows = dict(quality_rows([report(name="first"), report(ordered=False, rebuilt=VECTORS)]))
    assert all(len(cells) == 2 for cells in rows.values())
    assert rows["quantiser"] == ["first", "-"]
    assert rows["codes of an item"] == ["2, ordered", "2, unordered"]
    assert rows["reconstruction error"] == ["-", "0.000"]
    assert rows["cold items"] == ["-", "-"]
