import itertools

import numpy as np
import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.filters import Limit
from genrec.recommenders.limits import Room
from genrec.recommenders.popular import Popular


def shop(rows):
    """A recommender of items with values, each more popular than the next."""
    names = [f"p{number}" for number in range(len(rows))]
    columns = dict(zip(("brand", "category", "colour"), zip(*rows, strict=True), strict=False))
    catalog = Catalog(pl.DataFrame({"item_id": names, "title": names, **columns}))
    items = np.repeat(np.arange(len(rows)), np.arange(len(rows), 0, -1)).astype(np.uint32)
    users = np.arange(len(items)).astype(np.uint32)
    events = pl.DataFrame({"user": users, "item": items, "time": np.zeros(len(items), np.int64)})
    dataset = Dataset("shop", catalog, np.array([f"u{n}" for n in users], dtype=object), events)
    return Popular.train(dataset)


def holds(chosen, rows, at_most):
    places = {"brand": 0, "category": 1, "colour": 2}
    for name, most in at_most.items():
        values = [rows[item][places[name]] for item in chosen]
        if any(value is not None and values.count(value) > most for value in values):
            return False
    return True


def longest(rows, at_most, n):
    """By trying all lists."""
    for size in range(n, 0, -1):
        found = [
            chosen
            for chosen in itertools.combinations(range(len(rows)), size)
            if holds(chosen, rows, at_most)
        ]
        if found:
            # Items are ranked by their number, so this is the best by its first item, then …
            return min(found)
    return ()


def test_an_early_item_does_not_make_a_list_shorter_than_it_can_be():
    # The first item takes both the brand and the category that the two others need.
    rows = [("a", "x"), ("a", "y"), ("b", "x")]
    found = shop(rows).recommend([], 2, where={"at_most": {"brand": 1, "category": 1}})
    assert [one.item.id for one in found] == ["p1", "p2"]


@pytest.mark.parametrize("names", [("brand", "category"), ("brand", "category", "colour")])
def test_lists_under_several_limits_are_as_long_as_any_and_the_best_of_these(names):
    rng = np.random.default_rng(len(names))
    shorter = 0
    for _ in range(150):
        values = [
            [None if rng.random() < 0.1 else f"{name}{rng.integers(3)}" for name in names]
            for _ in range(8)
        ]
        rows = [tuple(row) for row in values]
        at_most = {name: int(rng.integers(1, 3)) for name in names}
        n = int(rng.integers(2, 7))
        found = shop(rows).recommend([], n, where={"at_most": at_most})
        chosen = tuple(int(one.item.id[1:]) for one in found)
        assert holds(chosen, rows, at_most)
        wanted = longest(rows, at_most, n)
        assert len(chosen) == len(wanted)
        greedy = []
        for item in range(len(rows)):
            if len(greedy) < n and holds([*greedy, item], rows, at_most):
                greedy.append(item)
        if len(greedy) < len(wanted):
            shorter += 1
            assert chosen == wanted
        else:
            assert list(chosen) == greedy
    assert shorter >= 3


def test_seen_items_and_other_rules_count():
    rows = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "z")]
    where = {"at_most": {"brand": 1, "category": 1}, "deny": ["p3"]}
    recommender = shop(rows)
    found = recommender.recommend(["p1"], 2, where=where, exclude_seen=True)
    # Without p1 and p3 no two are left that differ in both.
    assert [one.item.id for one in found] == ["p0"]


def test_a_large_catalogue_is_counted_at_once():
    rng = np.random.default_rng(0)
    limits = [Limit(name, 1, rng.integers(0, 300, 200_000).astype(np.int32)) for name in "ab"]
    room = Room(limits, np.ones(200_000, bool), 20)
    assert room.longest == 20
    assert room.take(0) and room.longest == 19
