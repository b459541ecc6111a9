import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import ConfigError, InputError
from genrec.semantic_ids.collisions import append_level, check_rule, reassign, shared_ids

codes_of_items = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=12
).map(lambda rows: np.array(rows, np.int32))


@given(codes_of_items)
def test_shared_ids_are_exactly_the_equal_rows(codes):
    found = {tuple(group.tolist()) for group in shared_ids(codes)}
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, code in enumerate(codes.tolist()):
        groups.setdefault(tuple(code), []).append(row)
    assert found == {tuple(rows) for rows in groups.values() if len(rows) > 1}


@given(codes_of_items)
def test_an_appended_level_makes_ids_unique_and_keeps_the_codes(codes):
    final = append_level(codes)
    assert shared_ids(final) == []
    np.testing.assert_array_equal(final[:, :-1], codes)


def test_an_appended_level_counts_from_zero():
    final = append_level(np.array([[1, 1], [2, 2], [1, 1], [1, 1]]))
    assert final[:, -1].tolist() == [0, 0, 1, 2]


def test_an_appended_level_goes_on_after_ids_in_use():
    final = append_level(np.array([[1, 1]]), taken=np.array([[1, 1, 0], [1, 1, 4]]))
    assert final.tolist() == [[1, 1, 5]]


@given(codes_of_items, st.randoms())
def test_reassigned_ids_are_unique_and_keep_the_first_code(codes, random):
    distances = np.array([[random.random() for _ in range(4)] for _ in codes])
    try:
        final = reassign(codes, distances, (3, 4))
    except InputError:
        assert np.bincount(codes[:, 0]).max() > 4
        return
    assert shared_ids(final) == []
    np.testing.assert_array_equal(final[:, 0], codes[:, 0])


def test_the_nearest_item_keeps_its_id_and_the_other_takes_the_nearest_free_code():
    distances = np.array([[0.5, 0.7, 0.9], [0.1, 0.6, 0.3]])
    final = reassign(np.array([[0, 0], [0, 0]]), distances, (1, 3))
    assert final.tolist() == [[0, 1], [0, 0]]


def test_ids_in_use_are_never_given_again():
    final = reassign(np.array([[0, 0]]), np.array([[0.0, 2.0, 1.0]]), (1, 3), np.array([[0, 0]]))
    assert final.tolist() == [[0, 2]]


def test_a_full_prefix_overflows_into_another_second_code():
    codes = np.zeros((5, 3), np.int32)
    final = reassign(codes, np.tile(np.arange(2.0), (5, 1)), (1, 3, 2))
    assert shared_ids(final) == []
    assert sorted(final[:, 1].tolist()) == [0, 0, 1, 1, 2]


def test_more_items_than_ids_is_an_error_that_says_what_to_raise():
    with pytest.raises(InputError, match="codebook_size"):
        reassign(np.zeros((3, 1), np.int32), np.zeros((3, 2)), (2,))


def test_an_unknown_rule_is_refused():
    with pytest.raises(ConfigError, match="reassign, append"):
        check_rule("ignore")
