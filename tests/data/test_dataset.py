"""A data set without some of its users."""

from dataclasses import replace

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from genrec.data.dataset import Dataset
from tests.small import reviewed, small_dataset

WHOLE = reviewed(small_dataset(12, baskets=True))
_, CASES = WHOLE.split("last-out")
WHOLE = replace(
    WHOLE,
    user_table=pl.DataFrame({"user_id": list(WHOLE.users), "age": range(12)}),
    published={"test": CASES},
)


def told(dataset: Dataset, user: str) -> tuple:
    """All that a data set says of a user."""
    cases = dataset.published["test"]
    (row,) = np.flatnonzero(cases.targets.users == user)
    return (
        dataset.history(user).items.tolist(),
        dataset.user_table.filter(user_id=user).rows(),
        dataset.extras["reviews"].filter(user_id=user).rows(),
        cases.histories[row].items.tolist(),
    )


@given(st.sets(st.sampled_from(sorted(WHOLE.users)), max_size=11))
def test_nothing_of_those_users_is_left_and_all_of_the_others(gone):
    left = WHOLE.without_users({*gone, "nobody"})
    assert list(left.users) == [user for user in WHOLE.users if user not in gone]
    assert all(told(left, user) == told(WHOLE, user) for user in left.users)
    names = [left.user_table["user_id"], left.extras["reviews"]["user_id"]]
    assert not gone & {*left.published["test"].targets.users, *pl.concat(names)}
    assert left.sequences.lengths.sum() == len(left)
