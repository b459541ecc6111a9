import polars as pl
import pytest

from genrec.data.sources import load_source
from genrec.data.sources.joined import join
from genrec.errors import ConfigError
from tests.small import ITEMS, small_dataset


def test_items_of_two_data_sets_say_where_they_are_from():
    joined = join({"a": small_dataset(20), "b": small_dataset(30, seed=1)})
    assert len(joined.catalog) == 2 * ITEMS
    assert joined.catalog.table["domain"].to_list() == ["a"] * ITEMS + ["b"] * ITEMS
    assert joined.catalog.ids[ITEMS] == "b:i0"
    assert len(joined.users) == 50


def test_each_history_is_what_it_was():
    first, second = small_dataset(20), small_dataset(30, seed=1)
    joined = join({"a": first, "b": second})
    for name, dataset, start in (("a", first, 0), ("b", second, ITEMS)):
        for user in ("u0", "u7"):
            items = joined.history(f"{name}:{user}").items - start
            assert items.tolist() == dataset.history(user).items.tolist()


def test_users_can_be_the_same_people():
    joined = join({"a": small_dataset(20), "b": small_dataset(30, seed=1)}, shared_users=True)
    assert len(joined.users) == 30
    domains = joined.catalog.table["domain"].gather(joined.history("u3").items)
    assert set(domains) == {"a", "b"}


def test_baskets_stay_where_all_parts_have_them():
    with_baskets = join({"a": small_dataset(9, baskets=True), "b": small_dataset(9, baskets=True)})
    assert with_baskets.sequences.baskets is not None
    assert (
        join({"a": small_dataset(9, baskets=True), "b": small_dataset(9)}).sequences.baskets is None
    )


def test_parts_are_named_by_their_sources(tmp_path):
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["x", "y"], "time": [1, 2]})
    events.write_csv(tmp_path / "events.csv")
    items = pl.DataFrame({"item_id": ["x", "y"], "title": ["X", "Y"]})
    items.write_csv(tmp_path / "items.csv")
    options = {"interactions": str(tmp_path / "events.csv"), "items": str(tmp_path / "items.csv")}
    part = {"source": "tables", "options": options}
    joined = load_source("joined", parts={"one": part, "two": part})
    assert joined.catalog.ids == ["one:x", "one:y", "two:x", "two:y"]
    with pytest.raises(ConfigError, match="two data sets"):
        load_source("joined", parts={"one": part})
    with pytest.raises(ConfigError, match="'two' names no source"):
        load_source("joined", parts={"one": part, "two": {}})
