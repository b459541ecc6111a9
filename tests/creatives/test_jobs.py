import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.creatives.jobs import MOST_JOBS, Variant, plan_jobs, variants_of
from genrec.creatives.provenance import digest
from genrec.errors import InputError


def plan(users, items, *, base="b", variants=None):
    """Every user by every item; what is known of them is given as words."""
    who = np.repeat(np.arange(len(users)), len(items))
    what = np.tile(np.arange(len(items)), len(users))
    return plan_jobs(
        (who, what),
        variants or [Variant("push", "en", 0)],
        base=base,
        recipients=[digest(word) if word else "" for word in users],
        items=[digest(word) for word in items],
    )


def test_a_key_is_the_hash_of_all_that_decides_an_ad():
    made = plan(["likes red"], ["lamp"])
    whole = b"b" + b"".join(
        bytes.fromhex(one) for one in (digest("likes red"), digest("lamp"), digest("push", "en", 0))
    )
    assert made.table["key"].to_list() == [hashlib.sha256(whole).hexdigest()[:32]]


def test_jobs_come_recipient_by_recipient_item_by_item_variant_by_variant():
    variants = variants_of(["push", "sms"], ["en", "de"], [0, 1])
    assert len(variants) == 8
    made = plan(["a", "b"], ["x", "y"], variants=variants)
    assert made.table.select("recipient", "item", "variant").rows() == [
        (who, what, variant) for who in range(2) for what in range(2) for variant in range(8)
    ]
    assert made.table["key"].n_unique() == 32


@given(
    st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=8),
    st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=5),
)
def test_equal_work_is_one_job_and_other_work_is_another(users, items):
    made = plan(users, items)
    assert len(made) == len(users) * len(items)
    assert made.jobs.height == len(set(users)) * len(set(items))
    first = made.jobs.row(0, named=True)
    assert (first["recipient"], first["item"]) == (0, 0)


def test_another_base_is_another_plan():
    assert plan(["a"], ["x"]).key == plan(["a"], ["x"]).key
    others = [plan(["a"], ["x"], base="c"), plan(["b"], ["x"]), plan(["a"], ["y"])]
    assert len({one.key for one in (*others, plan(["a"], ["x"]))}) == 4


def test_a_plan_is_the_same_in_one_piece_and_in_many(monkeypatch):
    whole = plan(["a", "b", ""], ["x", "y"])
    monkeypatch.setattr("genrec.creatives.jobs._TOGETHER", 4)
    parts = plan(["a", "b", ""], ["x", "y"])
    assert parts.table.equals(whole.table)
    assert parts.key == whole.key


def test_what_is_held_is_not_among_what_is_left():
    made = plan(["a", "b"], ["x", "y"])
    held = made.jobs["key"].gather([0, 3])
    left = made.without(held)
    assert left["key"].to_list() == made.jobs["key"].gather([1, 2]).to_list()


def test_no_jobs_and_too_many_are_refused_before_they_are_made():
    with pytest.raises(InputError, match="asks for no ad"):
        plan([], ["x"])
    who = np.zeros(MOST_JOBS + 1, np.int64)
    with pytest.raises(InputError, match="20,000,001 ads; a plan holds 20,000,000"):
        plan_jobs((who, who), [Variant("push", "en", 0)], base="", recipients=[""], items=[""])
