import polars as pl
import pytest

from genrec.data.dataset import Dataset
from genrec.data.storage import read_dataset
from genrec.errors import ConfigError, InputError
from genrec.profiles.build import build_profiles
from genrec.recipe import Recipe
from genrec.stages.pipeline import run_recipe
from genrec.workspace import Workspace


@pytest.fixture
def files(tmp_path):
    """Thirty users of ten visits; all were sent one campaign, u0 alone redeems in it."""
    days = [f"2024-01-{day:02}" for day in range(1, 11)]
    rows = [(f"u{n}", f"p{(n + at) % 5}", day) for n in range(30) for at, day in enumerate(days)]
    schema = ["user_id", "item_id", "time"]
    pl.DataFrame(rows, schema=schema, orient="row").write_csv(tmp_path / "events.csv")
    sent = [(f"u{n}", "1") for n in range(30)]
    pl.DataFrame(sent, schema=["user_id", "campaign_id"], orient="row").write_csv(
        tmp_path / "campaigns.csv"
    )
    used = [("u0", "1", "007", day) for day in days]
    schema = ["user_id", "campaign_id", "coupon_upc", "redemption_date"]
    pl.DataFrame(used, schema=schema, orient="row").write_csv(tmp_path / "used.csv")
    (tmp_path / "coupons.csv").write_text("coupon_upc,item_id,campaign_id\n007,p0,1\n007,p1,1\n")
    return tmp_path


def options(folder, **promotions):
    named = {
        "campaigns": str(folder / "campaigns.csv"),
        "coupon_redemptions": str(folder / "used.csv"),
        "coupons": str(folder / "coupons.csv"),
    }
    return {"interactions": str(folder / "events.csv"), "promotions": {**named, **promotions}}


def test_who_redeems_more_than_those_who_were_sent_the_same_shows_it(files):
    profiles = build_profiles(Dataset.load("tables", **options(files)))
    (trait,) = [one for one in profiles["u0"].traits if one.kind == "promotion"]
    assert trait.value == "redeems coupons"
    # Evidence: what the coupon is good for, bought on the day that it was redeemed.
    assert trait.evidence == (0, 1, 5, 6)
    assert not [one for one in profiles["u1"].traits if one.kind == "promotion"]


def test_all_that_is_wrong_with_promotions_is_said_at_once(files):
    (files / "used.csv").write_text("user_id,campaign,redemption_date\nu0,1,May\n")
    (files / "coupons.csv").write_text("coupon_upc,sku\n7,p0\n")
    with pytest.raises(InputError) as caught:
        Dataset.load("tables", **options(files))
    assert "no column 'campaign_id'" in str(caught.value)
    assert "no column 'item_id'" in str(caught.value)
    (files / "used.csv").write_text("user_id,campaign_id,redemption_date\nu0,1,May\n")
    (files / "coupons.csv").write_text("coupon_upc,item_id\n7,p0\n")
    with pytest.raises(InputError, match="'May' is no ISO date"):
        Dataset.load("tables", **options(files))
    with pytest.raises(ConfigError, match="did you mean 'coupons'"):
        Dataset.load("tables", **options(files, coupon="x.csv"))
    with pytest.raises(ConfigError, match="lacks campaigns"):
        Dataset.load(
            "tables",
            interactions=str(files / "events.csv"),
            promotions={"coupon_redemptions": str(files / "used.csv")},
        )


def test_a_run_takes_in_promotions_that_changed(files):
    recipe = Recipe.parse({"name": "own", "data": {"source": "tables", "options": options(files)}})
    workspace = Workspace(files / "run")
    run_recipe(recipe, workspace, until="load_data")
    assert read_dataset(workspace.open("dataset")).extras["campaigns"].height == 30
    with (files / "campaigns.csv").open("a") as more:
        more.write("u0,2\n")
    run_recipe(recipe, workspace, until="load_data")
    assert read_dataset(workspace.open("dataset")).extras["campaigns"].height == 31
