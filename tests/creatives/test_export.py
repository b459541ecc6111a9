import csv
import io
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.creatives.ad import Ad
from genrec.creatives.csv_cells import _CONTROL, csv_text, harmless
from genrec.creatives.export import ExportOptions, export
from genrec.creatives.provenance import Provenance
from genrec.data.catalog import Catalog
from genrec.errors import ConfigError, InputError

CATALOG = Catalog(
    pl.DataFrame(
        {
            "item_id": ["p1", "p/2", "p3"],
            "title": ["Lamp", "Mug", "Bag"],
            "price": [9.5, 3.0, None],
            "brand": ["Alba", None, "=cmd"],
            "in_stock": [True, False, True],
        }
    )
)
SHOP = ExportOptions(
    "spring",
    "https://shop.example/p/{item_id}",
    "https://shop.example/i/{item_id}.png",
    "The Shop",
)


def ad(item="p1", channel="search", language="en", number=0, failure="", **fields) -> Ad:
    return Ad(
        f"{item}-{channel}-{number}",
        item,
        channel,
        language,
        fields,
        "rank",
        "rank",
        Provenance(seed=number),
        failure=failure,
    )


def searched(**changes) -> Ad:
    texts = {
        "headline_1": "Lamp",
        "headline_2": "Costs $9.50",
        "headline_3": "Made of oak",
        "description_1": "A lamp for your desk.",
        "description_2": "Come and look.",
    }
    return ad(**{**texts, **changes})


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_search_ad_has_its_headlines_descriptions_and_page():
    made = export("google", [searched()], CATALOG, SHOP)
    (row,) = rows(made.text)
    assert (row["Headline 1"], row["Headline 3"], row["Headline 4"]) == ("Lamp", "Made of oak", "")
    assert (row["Description 2"], row["Final URL"]) == (
        "Come and look.",
        "https://shop.example/p/p1",
    )
    assert (row["Campaign"], row["Status"]) == ("spring", "Paused")
    assert made.left_out == []


def test_texts_beyond_a_limit_are_left_out_and_told_never_cut():
    long = "x" * 31
    made = export("google", [searched(headline_4=long)], CATALOG, SHOP)
    assert long not in made.text
    assert made.left_out == [f"p1 (en): headline longer than 30: {long}"]
    made = export("google", [searched(headline_3=long)], CATALOG, SHOP)
    assert made.rows == 0
    assert made.left_out == ["p1 (en): 2 headline(s), 3 are needed, 1 are longer than 30"]


def test_double_width_letters_count_twice():
    assert export("google", [searched(headline_3="灯" * 15)], CATALOG, SHOP).rows == 1
    assert export("google", [searched(headline_3="灯" * 16)], CATALOG, SHOP).rows == 0


@given(
    st.lists(st.text(min_size=1, max_size=60), min_size=3, max_size=20),
    st.lists(st.text(min_size=1, max_size=120), min_size=2, max_size=8),
)
def test_no_export_ever_exceeds_googles_limits(headlines, details):
    texts = {f"headline_{n}": text for n, text in enumerate(headlines)}
    texts |= {f"description_{n}": text for n, text in enumerate(details)}
    for platform in ("google", "performance-max"):
        for row in rows(export(platform, [ad(**texts)], CATALOG, SHOP).text):
            for name, text in row.items():
                if name.startswith("Headline"):
                    assert len(text) <= 30
                elif name.startswith(("Description", "Long")):
                    assert len(text) <= 90


def test_an_asset_group_gathers_the_texts_of_all_placements():
    ads = [searched(), ad(channel="push", title="A warm light", body="Only $9.50 today.")]
    made = export("performance-max", ads, CATALOG, SHOP)
    (row,) = rows(made.text)
    assert row["Headline 4"] == "A warm light"
    assert row["Business name"] == "The Shop"
    assert row["Long headline 1"]
    assert len(row["Description 1"]) <= 60
    with pytest.raises(ConfigError, match="--brand is longer than 25"):
        export("performance-max", ads, CATALOG, ExportOptions("s", SHOP.link, brand="x" * 26))


def test_a_feed_has_each_item_once_with_what_the_platform_asks_for():
    ads = [
        ad("p1", "push", title="Lamp", body="A lamp."),
        ad("p1", "push", "de", title="Lampe", body="Eine Lampe."),
        ad("p/2", "push", title="Mug", body="A mug."),
        ad("p3", "push", title="Bag", body="A bag."),
    ]
    made = export("meta", ads, CATALOG, SHOP)
    lamp, mug = rows(made.text)
    assert (lamp["price"], lamp["availability"], lamp["brand"]) == ("9.50 USD", "in stock", "Alba")
    assert mug["link"] == "https://shop.example/p/p%2F2"
    assert (mug["availability"], mug["brand"]) == ("out of stock", "The Shop")
    assert made.left_out == ["p1 (de): a feed has one language, here en", "p3: has no price"]


def test_json_has_everything_and_failed_ads_are_listed():
    ads = [searched(), ad("p3", number=1, failure="no facts")]
    made = export("json", ads, CATALOG, SHOP)
    (one,) = json.loads(made.text)["ads"]
    assert one["fields"]["headline_1"] == "Lamp"
    assert one["provenance"]["seed"] == 0
    assert made.left_out == ["p3-search-1: not written: no facts"]


def test_an_unknown_platform_and_missing_addresses_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'google'"):
        export("gogle", [], CATALOG, SHOP)
    with pytest.raises(ConfigError, match="needs --link, --image-link"):
        export("meta", [], CATALOG, ExportOptions("s"))
    with pytest.raises(InputError) as error:
        ExportOptions("s", "javascript:alert(1)", "https://shop.example/x")
    assert len(error.value.problems) == 2


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "\u00a0-2+3", "\0=1"],
)
def test_what_a_spreadsheet_would_run_is_neutralised(text):
    assert harmless(text).startswith("'")


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_no_cell_of_a_table_begins_a_formula_and_texts_come_back(cells):
    (row,) = list(csv.reader(io.StringIO(csv_text(["h"] * len(cells), [cells]), newline="")))[1:]
    assert not [cell for cell in row if cell.strip() and cell.strip()[0] in "=+-@＝＋－＠"]
    for cell, text in zip(row, cells, strict=True):
        assert cell.removeprefix("'").split() == _CONTROL.sub(" ", text).removeprefix("'").split()
