import polars as pl
import pytest

from genrec.data.dataset import Dataset
from genrec.data.sources import complete_journey
from genrec.errors import MissingExtra


@pytest.fixture(scope="module")
def shop():
    return Dataset.load("complete_journey")


def test_all_households_and_only_bought_products_are_there(shop):
    assert (len(shop.users), len(shop.catalog), len(shop)) == (2466, 67602, 1438549)
    assert shop.events["item"].n_unique() == len(shop.catalog)
    assert shop.events["user"].n_unique() == len(shop.users)


def test_items_are_readable_and_priced(shop):
    cheese = shop.catalog.table.filter(pl.col("title") == "Shredded cheese, 8 oz - private label")
    assert cheese.height > 0 and cheese["category"].unique().to_list() == ["Cheese"]
    assert 1 < cheese["price"].median() < 4
    titles = shop.catalog.table["title"]
    assert not titles.str.contains(r"\b(FRZN|SFT|DRNK)\b|\(\s*$").any()
    assert titles.str.contains(r"^[A-Z0-9]").all()


def test_nothing_that_is_no_product_is_for_sale(shop):
    table = shop.catalog.table
    said = table.select(pl.concat_str("category", "type", ignore_nulls=True)).to_series()
    assert not said.str.contains("(?i)gasoline|coupon|bottle deposit|gift card|sales trans").any()


def test_a_basket_has_one_time_and_baskets_are_in_order(shop):
    per_basket = shop.events.group_by("user", "basket").agg(pl.col("time").n_unique())
    assert per_basket["time"].max() == 1
    steps = shop.events.select(
        pl.col("time").diff().over("user").min().alias("time"),
        pl.col("basket").cast(pl.Int64).diff().over("user").min().alias("basket"),
    )
    assert steps.row(0) == (0, 0)


def test_the_last_basket_of_almost_every_household_can_be_held_out(shop):
    train, test = shop.split("last-basket")
    assert len(test) > 2400
    assert len(train) + len(test.targets.items) == len(shop)


def test_demographics_and_campaigns_speak_of_the_same_users_and_items(shop):
    assert shop.user_table.columns[0] == "user_id"
    assert set(shop.user_table["user_id"]) <= {*shop.users.tolist()}
    assert set(shop.extras) == set(complete_journey.EXTRAS)
    assert shop.extras["coupons"]["item_id"].is_in(shop.catalog.ids).sum() > 50_000


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(complete_journey, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"genrec\[demo\]"):
        complete_journey.load()
