"""New events and items behind the old ones, and what of a file cannot be used."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.growth import grow
from genrec.data.growth_files import Choices
from genrec.data.media import MediaFolder
from genrec.errors import ConfigError, InputError

DAY = 86_400


@pytest.fixture
def shop() -> Dataset:
    catalog = Catalog(
        pl.DataFrame(
            {"item_id": ["a", "b", "c"], "title": ["A", "B", "C"], "price": [1.0, 2.0, 3.0]}
        )
    )
    events = pl.DataFrame(
        {
            "user_id": ["ann", "ann", "bob", "bob"],
            "item_id": ["a", "b", "b", "c"],
            "time": [DAY, 2 * DAY, DAY, 3 * DAY],
            "basket_id": ["1", "2", "3", "4"],
        }
    )
    return Dataset.from_tables(catalog, events, name="shop")


def plain(shop: Dataset) -> Dataset:
    """Without baskets."""
    return replace(shop, events=shop.events.drop("basket"))


def written(folder, name="events.csv", **columns):
    pl.DataFrame(columns).write_csv(folder / name)
    return folder / name


def chosen(dataset, user):
    return [dataset.catalog[int(item)].id for item in dataset.history(user).items]


@pytest.mark.parametrize("told", [True, False])
def test_kinds_of_events_are_read_where_the_run_has_them(shop, tmp_path, told):
    known = shop.events.drop("basket").with_columns(kind=pl.Series(["view", "buy", None, "view"]))
    columns = {"user_id": ["ann", "eve"], "item_id": ["c", "a"], "time": [4 * DAY, 5 * DAY]}
    if told:
        columns["action"] = ["purchase", "view"]
    events = written(tmp_path, **columns)
    growth = grow(replace(shop, events=known), events, choices=Choices(columns={"kind": "action"}))
    sequences = growth.after.sequences
    assert sequences.kinds.tolist() == [1, 3, 3 * told, 0, 1, 1 * told]
    assert any("lacks kind" in note for note in growth.notes) == (not told)
    # A run without them has no use for them.
    without = grow(plain(shop), events)
    assert without.after.sequences.kinds is None
    assert any("not used: action" in note for note in without.notes) == told


def test_items_and_users_keep_their_numbers_and_new_ones_follow(shop, tmp_path):
    events = written(
        tmp_path,
        user_id=["bob", "eve", "ann"],
        item_id=["d", "a", "d"],
        time=[5 * DAY, 5 * DAY, 4 * DAY],
    )
    items = written(
        tmp_path, "items.csv", item_id=["d", "a"], title=["D", "other"], price=["4", "9"]
    )
    grown = grow(plain(shop), events, items)
    assert grown.after.catalog.ids == ["a", "b", "c", "d"]
    assert grown.after.catalog["a"].title == "A"
    assert grown.after.catalog["d"].price == 4.0
    assert list(grown.after.users) == ["ann", "bob", "eve"]
    assert chosen(grown.after, "ann") == ["a", "b", "d"]
    assert chosen(grown.after, "bob") == ["b", "c", "d"]
    assert grown.fresh_counts.tolist() == [1, 1, 1]
    assert grown.new_users == 1
    assert "1 items of items.csv are in the catalogue and stay as they were" in grown.notes


def test_new_items_have_photos_by_their_id_and_attributes_by_other_names(shop, tmp_path):
    table = shop.catalog.table.with_columns(image=pl.lit("a.jpg"), colour=pl.lit("red"))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "d.png").write_bytes(b"bytes")
    known = Catalog(table, media=MediaFolder.at(tmp_path / "photos"))
    columns = {"user_id": ["ann"], "item_id": ["d"], "time": [4 * DAY], "basket_id": ["9"]}
    events = written(tmp_path, **columns)
    items = {"item_id": ["d", "e"], "title": ["D", "E"], "price": [4.0, 5.0]}
    file = written(tmp_path, "items.csv", **items, baseColour=["blue", "grey"])
    growth = grow(
        replace(shop, catalog=known), events, file, Choices(columns={"colour": "baseColour"})
    )
    assert growth.new_items.files("image") == ["d.png", None]
    assert growth.new_items.table["colour"].to_list() == ["blue", "grey"]
    assert not any("not used" in note or "lacks" in note for note in growth.notes)


def test_new_baskets_follow_the_old_ones(shop, tmp_path):
    events = written(
        tmp_path,
        user_id=["ann"] * 3,
        item_id=["c", "a", "b"],
        time=[4 * DAY, 4 * DAY, 5 * DAY],
        basket_id=["x", "x", "y"],
    )
    grown = grow(shop, events)
    history = grown.after.history("ann")
    assert history.baskets.tolist() == [0, 1, 2, 2, 3]
    assert chosen(grown.after, "ann") == ["a", "b", "c", "a", "b"]


def test_all_problems_are_told_at_once_with_counts_and_choices(shop, tmp_path):
    events = written(
        tmp_path,
        user_id=["ann", "", "bob", "bob"],
        item_id=["x", "a", "y", "a"],
        time=["1970-02-01", "1970-02-01", "1970-02-01", "1970-01-02"],
    )
    items = written(tmp_path, "items.csv", item_id=["d"], title=["D"], price=["cheap"])
    with pytest.raises(InputError) as refused:
        grow(plain(shop), events, items)
    told = "\n".join(refused.value.problems)
    assert (
        "'price' are not numbers, as they are in the catalogue, the first in line 2: 'cheap'"
        in told
    )
    assert "2 events are of 2 items that the catalogue lacks ('x', 'y')" in told
    assert "--unknown drop" in told
    assert "1 events are from before the last known event (1970-01-04" in told
    assert "--late keep" in told
    assert "line 3: user_id is empty" in told


def test_a_missing_column_is_named_with_the_nearest_of_the_file(shop, tmp_path):
    events = written(tmp_path, customer=["ann"], item_id=["a"], times=[9 * DAY])
    with pytest.raises(InputError) as refused:
        grow(shop, events)
    told = "\n".join(refused.value.problems)
    # What is taken for another column already is not proposed.
    assert "for user_id, which the run's events have; columns not used: customer, times." in told
    assert "no column 'user_id' for user_id" in told
    assert "did you mean 'times'?" in told
    assert "no column 'basket_id'" in told
    assert "--column user_id=" in told


def test_columns_may_have_other_names_and_unused_ones_are_told(shop, tmp_path):
    events = written(tmp_path, who=["ann"], item_id=["a"], time=[9 * DAY], device=["phone"])
    grown = grow(plain(shop), events, choices=Choices(columns={"user_id": "who"}))
    assert chosen(grown.after, "ann") == ["a", "b", "a"]
    assert grown.notes == ("events.csv: columns not used: device",)


@pytest.mark.parametrize(("late", "history"), [("keep", ["a", "c", "b"]), ("drop", ["a", "b"])])
def test_late_events_are_kept_in_their_place_or_left_out(shop, tmp_path, late, history):
    events = written(tmp_path, user_id=["ann", "bob"], item_id=["c", "a"], time=[DAY + 5, 9 * DAY])
    grown = grow(plain(shop), events, choices=Choices(late=late))
    assert chosen(grown.after, "ann") == history
    assert grown.fresh.sum() == (2 if late == "keep" else 1)


def test_events_that_are_there_already_are_passed_over(shop, tmp_path):
    events = written(tmp_path, user_id=["bob", "bob"], item_id=["c", "a"], time=[3 * DAY, 4 * DAY])
    grown = grow(plain(shop), events)
    assert chosen(grown.after, "bob") == ["b", "c", "a"]
    assert "1 events are in the run already and are passed over" in grown.notes
    again = written(tmp_path, user_id=["bob"], item_id=["c"], time=[3 * DAY])
    with pytest.raises(
        InputError, match="no event is left to add: 1 events are in the run already"
    ):
        grow(plain(shop), again)


@pytest.mark.parametrize(("unknown", "items"), [("drop", 3), ("add", 4)])
def test_unknown_items_are_left_out_or_taken_by_their_ids(shop, tmp_path, unknown, items):
    events = written(tmp_path, user_id=["ann"] * 2, item_id=["a", "new"], time=[5 * DAY, 6 * DAY])
    grown = grow(plain(shop), events, choices=Choices(unknown=unknown))
    assert len(grown.after.catalog) == items
    assert len(grown.after) - len(grown.before) == items - 2
    if unknown == "add":
        assert grown.after.catalog["new"].title == "new"
        assert grown.after.catalog["new"].price is None


def test_events_of_forgotten_users_are_left_out(shop, tmp_path):
    events = written(tmp_path, user_id=["ann", "eve"], item_id=["a", "a"], time=[5 * DAY] * 2)
    grown = grow(plain(shop), events, forgotten=lambda users: {"eve"} & set(users))
    assert "eve" not in list(grown.after.users)
    assert any("asked to be forgotten" in note for note in grown.notes)


def test_a_published_split_has_no_place_for_new_events(shop, tmp_path):
    parted = replace(shop, events=shop.events.with_columns(part=pl.lit("train")))
    events = written(tmp_path, user_id=["ann"], item_id=["a"], time=[5 * DAY])
    with pytest.raises(ConfigError, match="published split"):
        grow(parted, events)


def test_a_choice_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'keep'"):
        Choices(late="keeps")


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"), st.integers(0, 30)),
        min_size=1,
        max_size=12,
    ),
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz"), st.integers(31, 60)),
        min_size=1,
        max_size=12,
    ),
)
def test_growing_is_the_same_as_reading_everything_at_once(tmp_path_factory, old, new):
    folder = tmp_path_factory.mktemp("grown")
    schema = ["user_id", "item_id", "time"]
    catalog = Catalog.of_ids(["x", "y", "z"])
    first = pl.DataFrame(old, schema=schema, orient="row")
    second = pl.DataFrame(new, schema=schema, orient="row")
    second.write_parquet(folder / "new.parquet")
    grown = grow(Dataset.from_tables(catalog, first), folder / "new.parquet")
    whole = Dataset.from_tables(catalog, pl.concat([first, second]))
    assert list(grown.after.users) == list(whole.users)
    assert grown.after.events.equals(whole.events)
    assert int(grown.fresh.sum()) == len(new)
    assert np.array_equal(
        grown.after.events["time"].to_numpy()[grown.fresh] > 30, [True] * len(new)
    )
