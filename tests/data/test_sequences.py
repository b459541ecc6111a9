"""Histories that go on."""

import numpy as np

from genrec.data.sequences import History


def test_items_behind_a_history_leave_what_is_known_of_the_others():
    whole = History(
        np.array([4, 5, 4], np.int32),
        np.array([10, 20, 20]),
        np.array([0, 3, 3], np.int32),
        "ann",
        np.array([1, 3, 2], np.uint8),
    )
    longer = whole.followed_by(np.array([7, 8]))
    assert longer.user == "ann"
    assert longer.items.tolist() == [4, 5, 4, 7, 8]
    assert longer.times.tolist() == [10, 20, 20, 20, 20]
    assert longer.baskets.tolist() == [0, 3, 3, 4, 5]
    assert longer.kinds.tolist() == [1, 3, 2, 0, 0]
    assert [one.dtype for one in (longer.items, longer.kinds)] == [np.int32, np.uint8]


def test_what_nobody_knows_of_a_history_stays_unknown():
    empty = History(np.zeros(0, np.int32), np.zeros(0, np.int64)).followed_by(np.array([2]))
    bare = History(np.array([1], np.int32)).followed_by(np.array([2]))
    for one, items in ((empty, [2]), (bare, [1, 2])):
        assert one.items.tolist() == items
        assert one.times is one.baskets is one.kinds is None
