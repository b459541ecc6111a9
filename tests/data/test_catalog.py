import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.errors import InputError


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
