import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.data.item_split import drawn_order, hold_out
from genrec.errors import InputError

IDS = [f"i{number}" for number in range(50)]


def test_the_parts_are_disjoint_whole_and_of_the_size_asked_for():
    train, test = hold_out(IDS, 10)
    assert len(test) == 10 and sorted([*train, *test]) == list(range(50))


@given(st.permutations(IDS[:20]))
def test_an_id_decides_for_itself_wherever_it_stands(ids):
    order = [ids[row] for row in drawn_order(ids)]
    assert order == [IDS[row] for row in drawn_order(IDS[:20])]


def test_another_seed_holds_out_others():
    assert not np.array_equal(hold_out(IDS, 10)[1], hold_out(IDS, 10, seed=1)[1])


def test_too_few_items_are_refused():
    with pytest.raises(InputError, match="49 of 50 items cannot be held out"):
        hold_out(IDS, 49)
