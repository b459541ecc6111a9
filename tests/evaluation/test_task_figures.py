import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import InputError
from genrec.evaluation.task_figures import area_under_curve


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
