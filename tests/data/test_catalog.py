import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.data.media import MediaFolder
from genrec.errors import ConfigError, InputError


def test_every_bad_row_is_told_at_once():
    table = pl.DataFrame(
        {
            "item_id": ["a", None, "a", "b", "c"],
            "title": ["A"] * 5,
            "price": [1.0, 1.0, 1.0, float("nan"), -2.0],
        }
    )
    with pytest.raises(InputError) as caught:
        Catalog(table)
    assert caught.value.problems == [
        "row 1: item_id is empty",
        "row 2: item_id 'a' stands in an earlier row too",
        "row 3: price is nan, not a finite number of at least 0",
        "row 4: price is -2.0, not a finite number of at least 0",
    ]


def test_an_item_without_a_title_is_called_by_its_id():
    assert Catalog(pl.DataFrame({"item_id": [1], "title": [" "]}))[0].title == "1"


def test_positions_out_of_range_are_index_errors_as_of_any_sequence():
    catalog = Catalog.of_ids(["a", "b"])
    assert catalog[-1].id == "b" and catalog["a"].id == "a"
    assert [item.id for item in catalog[1:5]] == ["b"]
    with pytest.raises(IndexError):
        catalog[2]
    assert "a" in catalog and "z" not in catalog


def test_columns_that_cannot_be_text_are_problems():
    with pytest.raises(InputError) as caught:
        Catalog(pl.DataFrame({"item_id": [[1]], "title": [["x"]], "price": [True]}))
    assert len(caught.value.problems) == 3


def test_files_and_texts_come_by_position_with_gaps_told_apart(tmp_path):
    table = pl.DataFrame(
        {
            "item_id": ["a", "b"],
            "title": ["Red mug", "Lamp"],
            "image": ["a.png", ""],
            "video": [None, "b.mp4"],
            "price": [2.5, None],
            "colour": ["red", None],
        }
    )
    catalog = Catalog(table, media=MediaFolder.at(tmp_path))
    assert catalog.files("image") == ["a.png", None]
    assert catalog.files("audio") == [None, None]
    assert (catalog[0].image, catalog[1].image, catalog[1].video) == ("a.png", None, "b.mp4")
    assert "a.png" not in catalog[0].describe()
    assert catalog.texts(["title", "colour", "price"]) == ["Red mug. red. 2.5", "Lamp"]
    assert catalog.take([1]).media == catalog.media
    with pytest.raises(ConfigError, match="no field 'color'; did you mean 'colour'"):
        catalog.texts(["color"])
