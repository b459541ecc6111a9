"""What an update holds out, where late events were kept in their place in time."""

from dataclasses import replace

import numpy as np
import polars as pl

from genrec.data.assemble import in_order
from genrec.data.growth import Growth
from genrec.evaluation.protocol import Protocol
from genrec.evaluation.update_options import UpdateConfig
from genrec.stages.update_cases import NEW, divided
from tests.small import small_dataset


def events(*rows):
    columns = {"user": pl.UInt32, "item": pl.UInt32, "time": pl.Int64}
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_nobody_is_asked_what_they_chose_before_what_is_known_of_them():
    old = events((0, 1, 0), (0, 2, 10), (1, 3, 0), (1, 4, 5), (1, 5, 100))
    late, new = events((1, 6, 60), (0, 7, 50)), events((0, 8, 200))
    marked = [(old, False), (late, True), (new, True)]
    both = in_order(
        pl.concat([table.with_columns(fresh=pl.lit(value=fresh)) for table, fresh in marked])
    )
    before = replace(small_dataset(2), events=old)
    growth = Growth(
        before, replace(before, events=both.drop("fresh")), both["fresh"].to_numpy().copy()
    )
    # Of three new events the newest two were to be held out, and one of them is late.
    rules, options = Protocol(split="global-time"), UpdateConfig(held=0.7)
    found = divided(growth, rules, options, history=10)
    (case,) = zip(found.cases[NEW].histories, found.cases[NEW].targets, strict=True)
    history, targets = case
    assert (history.user, history.items.tolist(), targets.items.tolist()) == ("u0", [1, 2, 7], [8])
    assert found.training.sequences[1].items.tolist() == [3, 4, 6, 5]
    assert np.array_equal(found.users, [0, 1])
