import errno
import json
import os
import random
import shutil
from dataclasses import replace
from types import SimpleNamespace

import polars as pl
import pytest

import genrec.creatives.ad_store as ad_store
from genrec.creatives.ad_folder import folder_of, read_ads
from genrec.creatives.ad_store import AdStore
from genrec.creatives.provenance import ENGINE_VERSION
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.storage import write_dataset
from genrec.errors import ArtefactError, ConfigError, InputError, StorageError
from genrec.stages.ads import AdOptions, make_ads, make_again, plan_ads
from genrec.stages.run import Observer, Run
from genrec.versions import Versions
from genrec.workspace import Workspace
from tests.creatives.small_shop import (
    Killer,
    campaign,
    content_of,
    outputs,
    shop,
    shop_run,
)
from tests.ray_workers import one_killed


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return shop_run(tmp_path_factory.mktemp("runs") / "shop")


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """A campaign that nothing disturbed, and its folder."""
    folder = tmp_path_factory.mktemp("ads") / "whole"
    report = make_ads(run, campaign(), folder, AdOptions())
    return folder, report


def test_every_recipient_gets_an_ad_of_every_item_in_every_placement(whole):
    folder, report = whole
    deliveries = pl.read_parquet(folder / "deliveries.parquet")
    assert deliveries.height == report["deliveries"] == 12 * 4 * 2
    assert deliveries.select("recipient", "item_id", "placement").is_unique().all()
    ads = {ad.id: ad for ad in read_ads(folder)}
    assert set(deliveries["ad_id"]) == set(ads)
    for row in deliveries.iter_rows(named=True):
        ad = ads[row["ad_id"]]
        assert (ad.item, ad.channel, ad.language) == (row["item_id"], row["placement"], "en")
        assert ad.text


def test_users_of_whom_nothing_is_known_share_their_ads_and_are_listed(whole):
    folder, report = whole
    deliveries = pl.read_parquet(folder / "deliveries.parquet")
    newcomers = deliveries.filter(pl.col("recipient").is_in(["u10", "u11"]))
    assert newcomers.height == 16
    assert newcomers["ad_id"].n_unique() == 8
    (said,) = [one for one in report["problems"] if one["what"].startswith("nothing is known")]
    assert said["ads"] == 8
    problems = pl.read_csv(folder / "problems.csv")
    assert set(problems["ad_id"]) >= set(newcomers["ad_id"])


def test_each_ad_has_a_folder_a_line_and_a_row_that_agree(whole):
    folder, _ = whole
    ads = read_ads(folder)
    table = pl.read_parquet(folder / "ads.parquet")
    assert table["ad_id"].to_list() == [ad.id for ad in ads]
    for ad in ads:
        place = folder_of(folder / "ads", ad.id)
        assert json.loads((place / "ad.json").read_text()) == ad.to_dict()
        assert all(text in (place / "copy.txt").read_text() for text in ad.fields.values())
    assert len(list((folder / "ads").glob("??/*"))) == len(ads)


def test_an_ad_says_where_it_comes_from(whole):
    ad = next(ad for ad in read_ads(whole[0]) if ad.provenance.evidence or ad.provenance.profile)
    origin = ad.provenance
    assert all((origin.item, origin.brief, origin.writer, origin.profile)), origin
    assert origin.engine == ENGINE_VERSION
    assert origin.seed == 0


def test_any_ad_can_be_made_again_alone_byte_by_byte(run, whole):
    folder, _ = whole
    for ad in random.Random(0).sample(read_ads(folder), 4):
        stored, again = make_again(folder, ad.id[:12], run, campaign())
        assert again.to_json() == stored.to_json() == ad.to_json()


def test_what_has_changed_since_is_named_when_an_ad_cannot_be_made_again(run, whole, tmp_path):
    folder, _ = whole
    ad = read_ads(folder)[0]
    with pytest.raises(InputError) as error:
        make_again(folder, ad.id, run, campaign(brief={"intensity": "quiet", "tone": "warm"}))
    assert error.value.problems == ["the brief"]
    data = shop()
    dearer = data.catalog.table.with_columns(pl.col("price") + 1)
    other = shop_run(
        tmp_path / "dearer",
        type(data)(data.name, type(data.catalog)(dearer), data.users, data.events),
    )
    with pytest.raises(InputError) as error:
        make_again(folder, ad.id, other, campaign())
    assert "the item's record" in error.value.problems
    with pytest.raises(InputError, match="No ad begins with"):
        make_again(folder, "zzz", run, campaign())


def test_killed_at_random_points_nothing_is_lost_and_nothing_is_doubled(run, whole, tmp_path):
    folder, cache, killer = tmp_path / "ads", tmp_path / "cache", Killer()
    asked, killed = content_of(campaign()), 0
    for seed in range(6):
        killed += killer.kill(run.workspace.folder, folder, cache, asked, seed)
    report = make_ads(run, campaign(), folder, AdOptions(cache=cache, part_jobs=7))
    assert killed >= 3
    assert outputs(folder) == outputs(whole[0])
    assert report["written"] + report["cached"] == report["distinct"]
    parts = pl.concat(pl.read_parquet(part) for part in (folder / "parts").glob("*.parquet"))
    assert parts["key"].is_unique().all()
    assert parts.height == report["distinct"]
    assert not [path for path in folder.rglob("*") if ".new" in path.name]


def test_a_campaign_goes_on_with_the_version_of_the_run_that_it_began_with(run, whole, tmp_path):
    folder, into, options = tmp_path / "run", tmp_path / "ads", AdOptions()
    shutil.copytree(run.workspace.folder, folder)
    data, version = shop(), Workspace(folder, version="0001")
    dearer = Catalog(data.catalog.table.with_columns(pl.col("price") + 1))
    with version.write("dataset", "d2") as at:
        write_dataset(Dataset(data.name, dearer, data.users, data.events), at)
    stopped = make_ads(
        Run(run.recipe, Workspace(folder)), campaign(budget={"jobs": 5}), into, options
    )
    assert stopped["left"] > 0
    Workspace(folder).point_to(Versions(folder, ("0001",)))
    report = make_ads(Run(run.recipe, Workspace(folder)), campaign(), into, options)
    assert (report["left"], report["cached"]) == (0, 5)
    assert outputs(into) == outputs(whole[0])
    ad = read_ads(into)[0]
    stored, again = make_again(into, ad.id, Run(run.recipe, Workspace(folder)), campaign())
    assert again.to_json() == stored.to_json()


def test_a_warm_rerun_writes_nothing_and_leaves_the_same_bytes(run, whole, tmp_path):
    options = AdOptions(cache=tmp_path / "cache")
    cold = make_ads(run, campaign(), tmp_path / "cold", options)
    warm = make_ads(run, campaign(), tmp_path / "warm", options)
    assert (cold["written"], cold["cached_share"]) == (cold["distinct"], 0)
    assert (warm["written"], warm["cached_share"]) == (0, 1)
    assert outputs(tmp_path / "cold") == outputs(tmp_path / "warm") == outputs(whole[0])


def test_campaigns_share_the_ads_that_both_ask_for(run, tmp_path):
    options = AdOptions(cache=tmp_path / "cache")
    make_ads(run, campaign(), tmp_path / "one", options)
    wider = campaign(name="summer", what={"items": ["p3", "p4"]})
    report = make_ads(run, wider, tmp_path / "two", options)
    assert report["cached"] == report["written"] == report["distinct"] // 2
    louder = campaign(brief={"intensity": "quiet", "tone": "brisk"})
    assert make_ads(run, louder, tmp_path / "three", options)["cached"] == 0


def test_the_plan_says_what_the_run_then_does(run, tmp_path):
    options = AdOptions(cache=tmp_path / "cache")
    plan = plan_ads(run, campaign(), tmp_path / "ads", options)
    assert not (tmp_path / "ads").exists()
    assert "seconds" not in plan
    report = make_ads(run, campaign(), tmp_path / "ads", options)
    assert (plan["deliveries"], plan["distinct"]) == (report["deliveries"], report["distinct"])
    assert (plan["cached"], plan["to_write"]) == (0, report["written"])
    other = campaign(what={"items": ["p3", "p4"]})
    again = plan_ads(run, other, tmp_path / "other", options)
    assert again["cached"] == again["to_write"] == again["distinct"] // 2
    assert set(again) >= {"seconds", "cost"}
    assert again["cost"] == 0


class Stages(Observer):
    def __init__(self):
        self.seen = []

    def started(self, stage):
        self.seen.append(("started", stage))

    def finished(self, stage, note, seconds, *, reused):
        self.seen.append(("finished", stage))


def test_one_stage_ends_before_the_next_begins(run, tmp_path):
    stages = Stages()
    make_ads(replace(run, observer=stages), campaign(), tmp_path / "ads", AdOptions())
    assert [what for what, _ in stages.seen] == ["started", "finished"] * 2
    assert [stage for _, stage in stages.seen[::2]] == ["Write ads", "Write files"]


def test_a_budget_of_ads_stops_lists_what_is_left_and_goes_on(run, whole, tmp_path):
    folder, options = tmp_path / "ads", AdOptions(part_jobs=16)
    first = make_ads(run, campaign(budget={"jobs": 30}), folder, options)
    assert (first["written"], first["ads"], first["left"]) == (30, 30, first["distinct"] - 30)
    assert first["stopped"] == "budget.jobs: 30 ads are written"
    left = pl.read_parquet(folder / "left.parquet")
    made = pl.read_parquet(folder / "ads.parquet")
    assert left["ad_id"].n_unique() == first["left"]
    assert not set(left["ad_id"]) & set(made["ad_id"])
    assert make_ads(run, campaign(budget={"jobs": 30}), folder, options)["written"] == 0
    last = make_ads(run, campaign(), folder, options)
    assert (last["cached"], last["left"], last["stopped"]) == (30, 0, "")
    assert outputs(folder) == outputs(whole[0])


def test_a_budget_of_seconds_stops_between_parts(run, whole, tmp_path):
    folder = tmp_path / "ads"
    report = make_ads(run, campaign(budget={"seconds": 1e-6}), folder, AdOptions(part_jobs=5))
    assert report["written"] == 0
    assert report["stopped"].startswith("budget.seconds")
    assert make_ads(run, campaign(), folder, AdOptions())["left"] == 0
    assert outputs(folder) == outputs(whole[0])


def test_a_budget_that_ends_with_the_last_ad_has_stopped_nothing(run, tmp_path, monkeypatch):
    moments = iter((0.0, 0.0))
    clock = SimpleNamespace(perf_counter=lambda: next(moments, 1e12))
    monkeypatch.setattr("genrec.stages.ads_writing.time", clock)
    report = make_ads(run, campaign(budget={"seconds": 1e9}), tmp_path / "ads", AdOptions())
    assert next(moments, "read") == "read"
    assert (report["left"], report["stopped"]) == (0, "")


def test_ads_from_the_cache_cost_no_budget(run, tmp_path):
    options = AdOptions(cache=tmp_path / "cache")
    make_ads(run, campaign(), tmp_path / "one", options)
    report = make_ads(run, campaign(budget={"jobs": 0}), tmp_path / "two", options)
    assert (report["left"], report["stopped"], report["cached_share"]) == (0, "", 1)


def test_damaged_parts_of_the_cache_are_made_again(run, whole, tmp_path):
    cache = tmp_path / "cache"
    options = AdOptions(cache=cache, part_jobs=20)
    make_ads(run, campaign(), tmp_path / "one", options)
    parts = sorted(cache.rglob("*.parquet"))
    assert len(parts) >= 4
    for part in (tmp_path / "one" / "parts").iterdir():
        part.unlink()
    parts[0].write_bytes(parts[0].read_bytes()[:-20])
    parts[1].write_bytes(b"")
    lying = pl.read_parquet(parts[2]).with_columns(record=pl.lit("{}"))
    lying.write_parquet(parts[2], metadata={"genrec": pl.read_parquet_metadata(parts[2])["genrec"]})
    report = make_ads(run, campaign(), tmp_path / "two", options)
    assert report["broken_parts"] == 3
    assert report["left"] == 0
    assert outputs(tmp_path / "two") == outputs(whole[0])


def test_several_processes_leave_the_same_bytes(run, whole, tmp_path):
    report = make_ads(run, campaign(), tmp_path / "ads", AdOptions(workers=2, part_jobs=30))
    assert report["written"] == report["distinct"]
    assert outputs(tmp_path / "ads") == outputs(whole[0])


def test_two_processes_do_not_write_to_one_folder(run, whole):
    with Workspace(whole[0]).lock(), pytest.raises(ConfigError, match="Another genrec run"):
        make_ads(run, campaign(), whole[0], AdOptions())


def test_two_campaigns_that_write_the_same_ads_at_once_agree(run, whole, tmp_path):
    # What another process kept in between is found when the ads are read.
    options = AdOptions(cache=tmp_path / "cache")
    held = AdStore.held
    make_ads(run, campaign(), tmp_path / "one", options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AdStore, "held", lambda self: held(self).head(0))
        report = make_ads(run, campaign(), tmp_path / "two", options)
    assert report["written"] == report["distinct"]
    assert outputs(tmp_path / "two") == outputs(tmp_path / "one")
    assert make_ads(run, campaign(), tmp_path / "three", options)["cached_share"] == 1


def test_a_full_disk_keeps_what_was_written(run, whole, tmp_path, monkeypatch):
    folder, written = tmp_path / "ads", []
    real = ad_store.write_sealed

    def full(table, file, key):
        if len(written) == 3:
            raise StorageError(f"{file} could not be written: {os.strerror(errno.ENOSPC)}.")
        written.append(file)
        real(table, file, key)

    monkeypatch.setattr(ad_store, "write_sealed", full)
    with pytest.raises(StorageError, match="No space left"):
        make_ads(run, campaign(), folder, AdOptions(part_jobs=10))
    assert not (folder / "_manifest.json").exists()
    monkeypatch.undo()
    assert make_ads(run, campaign(), folder, AdOptions())["cached"] == 30
    assert outputs(folder) == outputs(whole[0])


def test_a_folder_of_another_campaign_or_of_something_else_is_left_alone(run, whole, tmp_path):
    before = outputs(whole[0])
    with pytest.raises(ConfigError, match="holds ads of another job: the campaign's file"):
        make_ads(run, campaign(name="summer"), whole[0], AdOptions())
    (tmp_path / "thesis.txt").write_text("do not lose me")
    with pytest.raises(ConfigError, match=r"holds 'thesis.txt' and is no folder of ads"):
        make_ads(run, campaign(), tmp_path, AdOptions())
    assert outputs(whole[0]) == before
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_refused_campaign_leaves_what_the_folder_was_asked_for(run, tmp_path):
    pytest.importorskip("c2pa", reason="needs the extra 'credentials'")
    folder, other = tmp_path / "ads", shop(users=5)
    make_ads(run, campaign(), folder, AdOptions())
    before = (folder / "_job.json").read_bytes()
    changed = shop_run(tmp_path / "other", other)
    with pytest.raises(ConfigError, match="its users, items, or what is known of them"):
        make_ads(changed, campaign(picture={"model": "none"}), folder, AdOptions())
    assert (folder / "_job.json").read_bytes() == before


def test_all_that_is_not_there_is_named_at_once(run, tmp_path):
    asked = campaign(
        what={"items": ["p0", "ghost", "spectre"]},
        placements=["pusch"],
        languages=["en", "tlh"],
        brief={"must_say": ["Only {prise}"]},
    )
    with pytest.raises(InputError) as error:
        plan_ads(run, asked, tmp_path, AdOptions())
    told = "\n".join(error.value.problems)
    for words in ("did you mean 'push'", "'tlh'", "did you mean 'price'", "'ghost'", "'spectre'"):
        assert words in told
    with pytest.raises(InputError, match="none of 40 items passes"):
        plan_ads(run, campaign(what={"where": {"price": {"above": 999}}}), tmp_path, AdOptions())
    with pytest.raises(InputError, match="unknown user 'nobody'"):
        plan_ads(run, campaign(who={"users": ["u1", "nobody"]}), tmp_path, AdOptions())


def test_a_folder_without_a_finished_campaign_says_so(run, tmp_path):
    with pytest.raises(ArtefactError, match="holds no finished campaign"):
        read_ads(tmp_path)


@pytest.mark.slow
def test_ray_leaves_the_same_bytes_although_a_worker_is_killed(run, whole, tmp_path):
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    options = AdOptions(engine="ray", workers=2, part_jobs=4)
    parts = tmp_path / "ads" / "parts"
    with one_killed(lambda: any(parts.glob("*.parquet"))) as killed:
        report = make_ads(run, campaign(), tmp_path / "ads", options)
    assert killed
    # A part whose worker was killed between writing and telling so is written, and paid for, twice.
    assert report["distinct"] <= report["written"] <= report["distinct"] + 2 * options.part_jobs
    assert outputs(tmp_path / "ads") == outputs(whole[0])
