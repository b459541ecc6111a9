import datetime as dt
import logging

import polars as pl
import pytest

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.sequences import Sequences
from genrec.errors import ConfigError, InputError

CATALOG = Catalog.of_ids(["a", "b", "c"])
NOON = 1_704_110_400  # 2024-01-01T12:00:00Z


def events_of(*rows, columns=("user_id", "item_id", "time"), **options):
    table = pl.DataFrame(rows, schema=list(columns), orient="row")
    return assemble(CATALOG, table, **options)


def times_of(values, **options):
    table = pl.DataFrame({"user_id": ["u"] * len(values), "item_id": ["a"] * len(values)})
    table = table.with_columns(pl.Series("time", values))
    return assemble(CATALOG, table, **options).events["time"].to_list()


def problems_of(values, **options):
    with pytest.raises(InputError) as caught:
        times_of(values, **options)
    return caught.value.problems


def test_events_are_sorted_by_user_as_they_first_appear_then_by_time():
    data = events_of(("z", "a", 30), ("y", "b", 20), ("z", "c", 10), ("y", "a", 20))
    assert data.users.tolist() == ["z", "y"]
    assert data.events.rows() == [(0, 2, 10), (0, 0, 30), (1, 1, 20), (1, 0, 20)]
    assert data.events.schema == {"user": pl.UInt32, "item": pl.UInt32, "time": pl.Int64}


def test_without_times_the_order_of_the_rows_is_kept():
    data = events_of(("u", "c"), ("v", "a"), ("u", "a"), columns=("user_id", "item_id"))
    assert data.events.rows() == [(0, 2), (0, 0), (1, 0)]


def test_whole_number_ids_equal_their_text_even_where_gaps_made_them_floats():
    catalog = Catalog(pl.DataFrame({"item_id": [7, 8], "title": ["x", "y"]}))
    table = pl.DataFrame({"user_id": [17850.0, 17851.0], "item_id": ["8", "7"]})
    data = assemble(catalog, table)
    assert data.users.tolist() == ["17850", "17851"]
    assert data.events["item"].to_list() == [1, 0]


def test_every_problem_is_told_at_once_with_its_row():
    with pytest.raises(InputError) as caught:
        events_of(("u", "a", 1.0), (None, "x", 2.0), ("u", "", float("nan")), ("", "b", None))
    assert sorted(caught.value.problems) == [
        "row 1: item 'x' is not in the catalogue (add it, or pass unknown='drop')",
        "row 1: user_id is empty",
        "row 2: item_id is empty",
        "row 2: time is empty",
        "row 3: time is empty",
        "row 3: user_id is empty",
    ]


def test_a_flood_of_problems_is_counted_rather_than_listed():
    problems = problems_of(["never"] * 3000)
    assert len(problems) == 1001
    assert problems[-1].startswith("2000 more rows")


def test_unknown_items_are_dropped_only_on_request_and_the_count_is_logged(caplog):
    rows = [("u", "x", 1), ("v", "a", 2), ("w", "b", 3)]
    with caplog.at_level(logging.WARNING):
        data = events_of(*rows, unknown="drop")
    assert data.users.tolist() == ["v", "w"]
    assert data.events.rows() == [(0, 0, 2), (1, 1, 3)]
    assert "1 events with unknown items dropped" in caplog.text
    with pytest.raises(InputError, match="No event of own"):
        events_of(rows[0], unknown="drop")


@pytest.mark.parametrize(
    "values",
    [
        [NOON],
        [float(NOON) + 0.7],
        [str(NOON)],
        ["2024-01-01T12:00:00Z"],
        ["2024-01-01 12:00"],
        ["2024-01-01T13:00:00.250+01:00"],
        ["2024-01-01 13:00:00+0100"],
        [dt.datetime(2024, 1, 1, 12)],
        [dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)],
    ],
    ids=str,
)
def test_one_moment_is_the_same_however_it_is_written(values):
    assert times_of(values) == [NOON]


def test_dates_are_midnights_in_utc():
    assert times_of([dt.date(2024, 1, 1)]) == times_of(["2024-01-01"]) == [NOON - 43200]


def test_units_and_formats_are_taken_when_said():
    assert times_of([NOON * 1000 + 999], time_unit="ms") == [NOON]
    assert times_of(["01/02/2024"], time_format="%d/%m/%Y") == times_of(["2024-02-01"])
    assert times_of([20240101], time_unit="s") == [20240101]


def test_numbers_that_could_mean_something_else_are_refused():
    assert "pass time_unit='ms'" in problems_of([NOON * 1000])[0]
    assert "say which" in problems_of([20240101, 20240102])[0]
    assert "say which" in problems_of(["20240101"])[0]
    assert "mixes 1 numbers with 1 dates" in problems_of(["2024-01-01", "5"])[0]
    # What is no date is told once, as that.
    assert len(problems_of(["soon", "5"])) == 1


@pytest.mark.parametrize("value", ["soon", "2024-13-01", "03/04/2024", "2024-02-30"])
def test_unparsable_times_are_shown(value):
    assert f"row 0: time '{value}' is neither" in problems_of([value])[0]


def test_endless_times_and_columns_of_no_times_are_refused():
    assert "row 0: time is inf" in problems_of([float("inf")])[0]
    assert "Boolean, not times" in problems_of([True])[0]


def test_baskets_stay_together_and_ascend_within_a_user():
    data = events_of(
        ("u", "a", 10, "late"),
        ("u", "b", 5, "early"),
        ("u", "c", 10, "late"),
        ("u", "a", 10, "other"),
        ("u", "b", 10, "late"),
        ("v", "c", 1, "late"),
        columns=("user_id", "item_id", "time", "basket_id"),
    )
    assert data.events.select("user", "item", "basket").rows() == [
        (0, 1, 0),
        (0, 0, 1),
        (0, 2, 1),
        (0, 1, 1),
        (0, 0, 2),
        (1, 2, 0),
    ]


def test_missing_columns_and_empty_tables_are_said():
    with pytest.raises(InputError, match="lack the column\\(s\\) item_id"):
        assemble(CATALOG, pl.DataFrame({"user_id": ["u"]}))
    with pytest.raises(InputError, match="are empty"):
        assemble(CATALOG, pl.DataFrame({"user_id": [], "item_id": []}))


def test_options_that_do_not_exist_are_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'drop'"):
        events_of(("u", "a", 1), unknown="dropp")
    with pytest.raises(ConfigError, match="time_unit is 'min'"):
        events_of(("u", "a", 1), time_unit="min")


def test_dates_beyond_all_calendars_are_no_ids():
    days = pl.Series("basket_id", [2**31 - 1], dtype=pl.Int32).cast(pl.Date)
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "time": [1]}).with_columns(days)
    with pytest.raises(InputError) as caught:
        assemble(Catalog.of_ids(["a"]), events)
    assert "'basket_id' holds Date that cannot be read" in str(caught.value)


def test_kinds_are_known_by_many_words_and_others_are_counted(caplog):
    words = ["Purchase", "view", "", None, "wished", "add_to_cart"]
    events = pl.DataFrame(
        {"user_id": ["u"] * 6, "item_id": ["a"] * 6, "kind": pl.Series(words, dtype=pl.String)}
    )
    data = assemble(CATALOG, events)
    assert data.events["kind"].to_list() == ["buy", "view", None, None, None, "cart"]
    assert data.sequences[0].kinds.tolist() == [3, 1, 0, 0, 0, 2]
    assert "1 events are of a kind such as 'wished'" in caplog.text
    kept = Sequences.of([data.sequences[0], data.sequences[0]]).last(2)
    assert kept.kinds.tolist() == [0, 2, 0, 2]
    assert Sequences.of([data.sequences[0], [0]]).kinds is None
