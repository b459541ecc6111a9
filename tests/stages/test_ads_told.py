"""Whom a campaign addresses, what it may know of them, and what a brief makes it say."""

import json
from dataclasses import replace

import polars as pl
import pytest

from genrec.creatives.ad_folder import read_ads
from genrec.creatives.campaign import Campaign
from genrec.data.catalog import Catalog
from genrec.errors import InputError
from genrec.profiles.build import build_profiles
from genrec.recipe import Recipe
from genrec.stages.ads import AdOptions, make_ads, make_again, plan_ads, stored_job
from genrec.stages.profile import forget_user
from genrec.stages.write import write_copy
from tests.creatives.small_shop import (
    campaign,
    shop,
    shop_run,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return shop_run(tmp_path_factory.mktemp("runs") / "shop")


def test_who_is_forgotten_gets_no_ad_and_is_in_nobody_else_s(tmp_path):
    run = shop_run(tmp_path / "run")
    before = make_ads(run, campaign(), tmp_path / "before", AdOptions())
    forget_user(run, "u0")
    after = make_ads(run, campaign(), tmp_path / "after", AdOptions())
    assert (before["deliveries"], after["deliveries"]) == (12 * 8, 11 * 8)
    assert "u0" not in pl.read_parquet(tmp_path / "after" / "deliveries.parquet")["recipient"]
    with pytest.raises(InputError, match="unknown user 'u0'"):
        plan_ads(run, campaign(who={"users": ["u0"]}), tmp_path / "named", AdOptions())
    with pytest.raises(InputError, match="'u0'"):
        write_copy(run, "p0", user="u0")


def test_the_run_s_own_options_and_rules_say_what_may_be_known(tmp_path):
    plain = shop_run(tmp_path / "run")
    strict = {**plain.recipe.model_dump(mode="json"), "profiles": {"visits": 1000, "chance": 1e-9}}
    run = replace(plain, recipe=Recipe.parse(strict))
    kinds = {kind for one in build_profiles(shop(), run.recipe.profiles) for kind in _kinds(one)}
    assert "like" not in kinds
    asked = campaign(brief={"intensity": "open"})
    make_ads(plain, asked, tmp_path / "plain", AdOptions())
    make_ads(run, asked, tmp_path / "strict", AdOptions())
    assert any(ad.provenance.evidence for ad in read_ads(tmp_path / "plain"))
    assert not any(ad.provenance.evidence for ad in read_ads(tmp_path / "strict"))


def _kinds(profile):
    return {trait.kind for trait in profile.traits}


def test_an_ad_without_room_for_its_disclosure_is_not_made_and_is_listed(run, tmp_path):
    line = "Paid advertisement of the seller, who answers for all that is said in it here"
    brief = {"disclosures": [line], "must_say": ["A must for your home"], "intensity": "none"}
    make_ads(run, campaign(brief=brief), tmp_path / "ads", AdOptions())
    for ad in read_ads(tmp_path / "ads"):
        if ad.channel == "push":
            assert f"A must for your home. {line}." in ad.text
        else:
            assert "has no room in search" in ad.failure


def test_what_an_item_says_is_made_fit_to_be_shown_before_it_fills_a_sentence(tmp_path):
    data = shop()
    titles = ["Red \u202elamp\u202c\x07", "Long " * 9_000, *data.catalog.table["title"][2:]]
    catalog = Catalog(data.catalog.table.with_columns(title=pl.Series(titles)))
    run = shop_run(tmp_path / "run", replace(data, catalog=catalog))
    asked = campaign(brief={"must_say": ["{title} is here."], "intensity": "none"})
    report = make_ads(run, asked, tmp_path / "ads", AdOptions())
    ads = read_ads(tmp_path / "ads")
    assert all("Red lamp is here." in ad.text for ad in ads if ad.item == "p0")
    assert {ad.failure for ad in ads if ad.item == "p1"} == {
        "the item has too long a value for {title}, which the brief asks for"
    }
    assert len(json.dumps(report)) < 5_000


def test_an_item_without_a_value_for_a_placeholder_costs_only_its_own_ads(run, tmp_path):
    asked = campaign(brief={"must_say": ["By {brand}."], "intensity": "none"})
    report = make_ads(run, asked, tmp_path / "ads", AdOptions())
    ads = read_ads(tmp_path / "ads")
    failed = {ad.item for ad in ads if ad.failure}
    assert failed == {"p0", "p3"}
    assert report["failed"] == 4
    (problem,) = [one for one in report["problems"] if one["kind"] == "failure"]
    assert problem["what"] == "the item has no value for {brand}, which the brief asks for"
    assert all("By Alba." in ad.text for ad in ads if not ad.failure and ad.channel == "push")


def test_where_nobody_is_to_be_known_all_share_one_ad(run, tmp_path):
    report = make_ads(run, campaign(brief={"intensity": "none"}), tmp_path / "ads", AdOptions())
    assert (report["deliveries"], report["distinct"]) == (96, 8)
    assert report["problems"] == []


def test_users_of_a_file_get_ads_and_others_do_not(run, tmp_path):
    (tmp_path / "users.txt").write_text("u3\n\nu5\n")
    file = tmp_path / "c.yaml"
    file.write_text("name: few\nwho: {file: users.txt}\nwhat: {items: [p1]}\nplacements: [push]\n")
    make_ads(run, Campaign.load(file), tmp_path / "ads", AdOptions())
    deliveries = pl.read_parquet(tmp_path / "ads" / "deliveries.parquet")
    assert deliveries["recipient"].to_list() == ["u3", "u5"]
    # What is stored asks for the same without the file.
    (tmp_path / "users.txt").unlink()
    stored = Campaign.parse(stored_job(tmp_path / "ads")["campaign"])
    before, again = make_again(tmp_path / "ads", deliveries["ad_id"][0], run, stored)
    assert before.to_json() == again.to_json()


def test_what_is_written_by_hand_remembers_no_sensitive_purchase(tmp_path):
    def told(title):
        data = shop()
        bought = {data.catalog.ids[int(one)] for one in data.history("u0").items}
        new = next(f"p{n}" for n in range(0, 40, 4) if f"p{n}" not in bought)
        named = pl.when(pl.col("item_id").is_in(list(bought))).then(pl.lit(title))
        named = named.when(pl.col("item_id") == new).then(pl.lit("Lamp"))
        table = data.catalog.table.with_columns(title=named.otherwise(pl.col("title")))
        run = shop_run(tmp_path / title, replace(data, catalog=Catalog(table)))
        # No like stands before what is remembered.
        content = {**run.recipe.model_dump(mode="json"), "profiles": {"visits": 1000}}
        run = replace(run, recipe=Recipe.parse(content))
        return [copy.text.lower() for copy in write_copy(run, new, user="u0", n=4)]

    assert any("bought: reading lamp" in text for text in told("Reading lamp"))
    assert not any("pregnancy" in text for text in told("Pregnancy lamp"))
