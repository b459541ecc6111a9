import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import InputError
from genrec.evaluation.task_figures import Sureness, area_under_curve


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=12))
def test_the_area_is_the_share_of_pairs_in_order(cases):
    scores = np.array([score for score, _ in cases])
    truth = np.array([one for _, one in cases])
    if truth.all() or not truth.any():
        with pytest.raises(InputError):
            area_under_curve(scores, truth)
        return
    pairs = [(a > b) + (a == b) / 2 for a in scores[truth] for b in scores[~truth]]
    assert area_under_curve(scores, truth) == pytest.approx(np.mean(pairs))


def test_intervals_hold_their_figures_and_shrink_with_more_cases():
    dice = np.random.default_rng(0)
    widths = []
    for cases in (20, 2000):
        ours, theirs = dice.normal(1.0, 1.0, cases), dice.normal(0.0, 1.0, cases)

        def means(rows, ours=ours, theirs=theirs):
            return {"model": ours[rows].mean(), "control": theirs[rows].mean()}

        found = Sureness.of(means, cases)
        low, high = found.intervals["model"]
        assert low < ours.mean() < high
        by, least, most = found.differences["control"]
        assert by == pytest.approx(ours.mean() - theirs.mean())
        assert least < by < most
        widths.append(high - low)
        # Draws are shared: what is the same in every case differs by nothing.
        same = Sureness.of(
            lambda rows, ours=ours: dict.fromkeys(("model", "b"), ours[rows].sum()), 9
        )
        assert same.differences["b"] == (0.0, 0.0, 0.0)
    # A hundred times the cases, a tenth of the width.
    assert widths[1] / widths[0] == pytest.approx(0.1, rel=0.5)
