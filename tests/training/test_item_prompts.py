import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.errors import ConfigError
from genrec.training.item_prompts import item_prompts

CATALOG = Catalog(
    pl.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "title": ["Alba mug", "Birk {kind}", "Cove"],
            "kind": ["mug", "lamp", None],
            "colours": [["red", "blue"], ["teal"], ["grey"]],
        }
    )
)


def test_each_item_is_said_by_its_own_values_and_one_that_lacks_one_is_not():
    said = item_prompts(CATALOG, [1, 0, 2], "a {kind} in {colours}")
    assert said == ["a lamp in teal", "a mug in red, blue", ""]


def test_a_value_that_looks_like_a_placeholder_stays_as_it_is():
    assert item_prompts(CATALOG, [1], "{title}, new") == ["Birk {kind}, new"]


def test_a_prompt_without_placeholders_is_said_of_all():
    assert item_prompts(CATALOG, [0, 2], "a zkw mug") == ["a zkw mug"] * 2


@pytest.mark.parametrize(
    ("prompt", "said"), [("a {kid} of {siz}", "'kid'.*'kind'.*'siz'"), ("a {kind", "stands alone")]
)
def test_what_cannot_be_filled_in_is_named(prompt, said):
    with pytest.raises(ConfigError, match=said):
        item_prompts(CATALOG, [0], prompt)
