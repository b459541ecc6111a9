"""What changed with new events, on data whose change is known."""

from dataclasses import replace
from math import log

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.data.growth import Growth
from genrec.errors import ConfigError, InputError
from genrec.evaluation.drift import Fit, drift, stability
from genrec.evaluation.update_options import DriftConfig, UpdateConfig
from genrec.evaluation.update_page import update_page
from genrec.evaluation.update_report import UpdateReport
from genrec.semantic_ids.index import SemanticIndex
from tests.small import small_catalog, small_dataset

NOBODY = Fit(np.zeros(0), np.zeros(0), 0)


def grown(items, *, new_items=0, users=None):
    """The small world with further events of these items."""
    before = small_dataset(50)
    rows = {
        "user": pl.Series(users or [0] * len(items), dtype=pl.UInt32),
        "item": pl.Series(items, dtype=pl.UInt32),
        "time": pl.Series([100] * len(items), dtype=pl.Int64),
    }
    after = replace(
        before,
        catalog=small_catalog(60 + new_items),
        events=pl.concat([before.events, pl.DataFrame(rows)]),
    )
    fresh = np.arange(len(after.events)) >= len(before.events)
    return Growth(before, after, fresh)


def index_of(items):
    codes = np.stack([np.arange(items) // 8, np.arange(items) % 8], axis=1).astype(np.int32)
    return SemanticIndex([f"i{n}" for n in range(items)], codes, (10, 8))


def test_the_stability_index_by_hand():
    found = stability([0.5, 0.5], [0.8, 0.2])
    assert found == pytest.approx(0.3 * log(1.6) + -0.3 * log(0.4))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.permutations(range(8)))
def test_the_stability_index_is_zero_for_equals_symmetric_and_never_negative(shares, order):
    other = [shares[place] for place in order if place < len(shares)]
    assert stability(shares, shares) == 0
    assert stability(shares, other) >= 0
    assert stability(shares, other) == pytest.approx(stability(other, shares))


def test_events_like_those_before_ask_for_nothing():
    before = small_dataset(50).events["item"].to_list()
    found = drift(grown(before), index_of(60), 60, NOBODY, DriftConfig())
    assert found.popularity[0] == pytest.approx(0)
    assert found.head[0] == pytest.approx(found.head[1])
    assert found.advice == []
    assert "Nothing asks for more" in str(found)


def test_events_of_one_item_alone_are_another_world():
    found = drift(grown([7] * 200), index_of(60), 60, NOBODY, DriftConfig())
    assert found.popularity[0] > found.popularity[1] + 1
    assert all(value > chance + 1 for value, chance in found.codes)
    assert any("Other items are chosen" in line for line in found.advice)
    assert any("Other codes are chosen" in line for line in found.advice)


def test_new_items_and_users_are_counted():
    growth = grown([60, 61, 0], new_items=20, users=[50, 0, 0])
    growth = replace(
        growth, after=replace(growth.after, users=np.array([*growth.after.users, "x"]))
    )
    found = drift(growth, index_of(80), 60, NOBODY, DriftConfig(new_items=0.2))
    assert (found.items, found.users) == (20, 1)
    assert found.users_share == 0.5
    assert found.items_share == 0.25
    assert any("25% of the items have come since" in line for line in found.advice)


def test_codebooks_that_do_not_fit_new_items_are_to_be_made_anew():
    fit = Fit(np.linspace(0, 1, 101), np.array([0.5, 2.0, 3.0, 4.0]), 3)
    growth = grown([60], new_items=4)
    found = drift(growth, index_of(64), 60, fit, DriftConfig())
    assert found.fit.limit == pytest.approx(0.95)
    assert found.fit.far == 0.75
    assert "Re-make the semantic IDs" in found.advice[0]
    assert "75% of the new items" in found.advice[0]
    assert any("with more codes" in line for line in found.advice)
    assert drift(growth, index_of(64), 60, fit, DriftConfig(far=0.8, moved=0.8)).advice == [
        line for line in found.advice if "Re-make" not in line
    ]


def test_nothing_to_compare_is_said():
    with pytest.raises(InputError, match="Nothing to compare"):
        drift(grown([]), index_of(60), 60, NOBODY, DriftConfig())


def test_the_page_has_the_figures_and_escapes_names():
    fit = Fit(np.linspace(0, 1, 101), np.array([0.5, 2.0]), 0)
    found = drift(grown([60, 1], new_items=2), index_of(62), 60, fit, DriftConfig())
    page = update_page(UpdateReport("<shop>", found, notes=["2 events <late>"]))
    assert "&lt;shop&gt;" in page and "<shop>" not in page
    assert "&lt;late&gt;" in page
    assert page.count("<svg") == 2
    assert "new items stand in" in UpdateReport("shop", found).shown_line
    nothing_new = drift(grown([5, 1]), index_of(60), 60, NOBODY, DriftConfig())
    assert UpdateReport("shop", nothing_new).shown_line == ""
    assert "Re-make the semantic IDs" in page


@pytest.mark.parametrize(
    ("options", "why"),
    [({"replay": 1.0}, "replay is 1.0"), ({"steps": -1, "rate": 0}, "steps is -1.*rate is 0")],
)
def test_options_that_cannot_be_are_refused(options, why):
    with pytest.raises(ConfigError, match=why):
        UpdateConfig(**options)
