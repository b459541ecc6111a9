"""The cost model of ``benchmarks.scaling`` and the page that quotes it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scaling import (
    SIZES,
    Assumptions,
    Measured,
    codebook,
    plan,
    shown,
    text,
    trie_bytes,
)
from genrec.decoding.trie import Trie


@pytest.mark.parametrize(("items", "levels", "size"), [(500, 3, 16), (4000, 4, 8), (3000, 2, 256)])
def test_the_formula_of_the_trie_is_that_of_a_real_one(items, levels, size):
    places = np.random.default_rng(0).choice(size**levels, items, replace=False)
    codes = np.stack([places // size ** (levels - 1 - level) % size for level in range(levels)], 1)
    trie = Trie.build(codes)
    held = [*trie.starts, *trie.codes, *trie.leaf_ranges, trie.items]
    assert {tensor.dtype for tensor in held} == {torch.int32}
    measured = sum(tensor.numel() * 4 for tensor in held)
    assert trie_bytes(items, levels, size) == pytest.approx(measured, rel=0.02)


@given(st.floats(1e3, 1e12))
def test_codebooks_leave_the_room_that_was_assumed_and_no_more_than_eightfold(items):
    levels, size = codebook(items, Assumptions())
    assert size <= Assumptions().widest_codebook
    assert items * 25 <= float(size) ** levels * (1 + 1e-9)
    assert float(size / 2) ** levels < items * 25 * (1 + 1e-9)


def test_a_plan_grows_with_the_shop_and_says_what_was_not_measured():
    measured = Measured(load_events_per_second=1e6, load_bytes_per_event=100)
    small, _, large = (plan(*size, measured, Assumptions()) for size in SIZES.values())
    assert large["events"] == 100 * small["events"] == 1e11
    assert large["loading all events, process-hours"] == pytest.approx(1e11 / 1e6 / 3600)
    assert large["shards of the events"] == 40
    assert large["codebook_size"] == 4 * small["codebook_size"]
    assert large["encoding all texts, process-days"] is None
    assert shown(None) == "not measured"


def test_training_hours_are_the_arithmetic_of_the_page():
    found = plan(1e8, 1e9, Measured(), Assumptions())
    assert found["tokens trained on"] == 1e9 * 0.1 * 20 * 3
    assert found["training, GPU-hours"] == pytest.approx(6e9 * 6e9 / (989e12 * 0.35) / 3600)


def test_the_page_has_the_tables_that_the_module_prints(repository):
    page = (repository / "docs" / "scaling.md").read_text()
    between = page.split("<!-- scaling -->\n")[1].split("\n<!-- /scaling -->")[0]
    assert between == text(Measured.read(), Assumptions()), "python -m benchmarks.scaling --write"
