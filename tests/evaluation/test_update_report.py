"""Cases measured by a recommender that does not know all of their items."""

import numpy as np

from genrec.data.sequences import History, Sequences
from genrec.evaluation.update_report import known_only


def history(items, user):
    count = len(items)
    return History(
        np.array(items, np.int32),
        10 * np.arange(count),
        np.arange(count, dtype=np.int32),
        user,
        np.arange(1, count + 1, dtype=np.uint8),
    )


def test_items_that_are_not_known_are_passed_over_with_all_that_is_said_of_their_events():
    found = known_only(Sequences.of([history([3, 9, 1], "a"), history([9], "b")]), 9)
    assert [one.items.tolist() for one in found] == [[3, 1], []]
    kept = found[0]
    assert (kept.times.tolist(), kept.baskets.tolist()) == ([0, 20], [0, 2])
    assert kept.kinds.tolist() == [1, 3]
    assert (kept.user, found[1].user) == ("a", "b")


def test_histories_of_known_items_stay_as_they_are():
    whole = Sequences.of([history([3, 8, 1], "a")])
    assert known_only(whole, 9) is whole
