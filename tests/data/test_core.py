import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.errors import ConfigError, InputError


def dataset(pairs):
    items = sorted({item for _, item in pairs})
    table = pl.DataFrame(pairs, schema=["user_id", "item_id"], orient="row")
    return assemble(Catalog.of_ids(items), table)


def shown(data):
    return [
        (data.users[user], data.catalog.ids[item])
        for user, item in data.events.select("user", "item").iter_rows()
    ]


def test_removing_one_user_can_take_an_item_and_then_another_user_along():
    pairs = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("w", "b"), ("w", "c"), ("x", "c")]
    core = dataset(pairs).core(2)
    assert shown(core) == [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b")]
    assert core.users.tolist() == ["u", "v"] and core.catalog.ids == ["a", "b"]


def test_repeats_count_as_events_but_not_as_distinct_partners():
    data = dataset([("u", "a"), ("u", "a"), ("v", "b"), ("v", "b")])
    assert len(data.core(2)) == 4
    with pytest.raises(InputError, match="2-core of own is empty"):
        data.core(2, basis="distinct")


def test_wrong_options_are_named():
    data = dataset([("u", "a")])
    with pytest.raises(ConfigError, match="did you mean 'events'"):
        data.core(1, basis="event")
    with pytest.raises(ConfigError, match="k is 0"):
        data.core(0)


@given(
    st.lists(st.tuples(st.sampled_from("uvwxy"), st.sampled_from("abcde")), min_size=1),
    st.integers(1, 4),
)
def test_the_core_equals_removal_one_by_one(pairs, k):
    left = list(pairs)
    while True:
        small = [
            pair
            for pair in left
            if sum(p[0] == pair[0] for p in left) < k or sum(p[1] == pair[1] for p in left) < k
        ]
        if not small:
            break
        left = [pair for pair in left if pair not in small]
    if not left:
        with pytest.raises(InputError):
            dataset(pairs).core(k)
        return
    core = dataset(pairs).core(k)
    assert sorted(shown(core)) == sorted(left)
    counts = np.bincount(core.events["user"], minlength=len(core.users))
    assert counts.min() >= k and len(set(core.events["item"])) == len(core.catalog)


def test_users_and_items_may_have_bounds_of_their_own():
    items = [f"i{n}" for n in range(4)]
    events = [("a", "i0"), ("a", "i1"), ("a", "i2"), ("b", "i0"), ("b", "i1"), ("c", "i0")]
    table = pl.DataFrame(events, schema=["user_id", "item_id"], orient="row")
    data = assemble(Catalog.of_ids(items), table)
    kept = data.core(2, min_user=1)
    assert (list(kept.users), kept.catalog.ids) == (["a", "b", "c"], ["i0", "i1"])
    kept = data.core(2, min_item=1)
    assert (list(kept.users), kept.catalog.ids) == (["a", "b"], ["i0", "i1", "i2"])
    with pytest.raises(InputError, match="4 events of each user and 1 of each item"):
        data.core(1, min_user=4)
