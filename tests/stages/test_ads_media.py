import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("c2pa", reason="needs the extra 'credentials'")
pytest.importorskip("resvg_py", reason="needs the extra 'ads'")
pytest.importorskip("av", reason="needs the extra 'media'")

from PIL import Image

from genrec.creatives.ad_folder import read_ads
from genrec.creatives.campaign import Campaign
from genrec.creatives.credentials import check, manifest_of
from genrec.creatives.film.mux import inspect
from genrec.creatives.media_folder import read_media
from genrec.errors import InputError, StorageError
from genrec.stages.ads import (
    AdOptions,
    make_ads,
    make_again,
    make_media_again,
    plan_ads,
    stored_job,
)
from genrec.stages.ads_export import export_ads
from tests.creatives.small_pictures import FILM, photographed_run, pictures
from tests.creatives.small_shop import Killer, content_of, outputs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return photographed_run(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """A campaign with pictures and films that nothing disturbed, and what it shares."""
    folder = tmp_path_factory.mktemp("ads")
    report = make_ads(run, pictures(film=FILM), folder / "whole", AdOptions(cache=folder / "cache"))
    return folder / "whole", report, folder / "cache"


def unsigned(folder: Path) -> dict[str, object]:
    """What a folder holds without signatures, which no two runs share, and without the bytes of
    films, which an encoder may once in a thousand times choose otherwise.
    """
    found: dict[str, object] = dict(outputs(folder))
    lines = [json.loads(line) for line in (folder / "media.jsonl").read_text().splitlines()]
    for line in lines:
        if line["kind"] == "film":
            del line["content"]
    found["media.jsonl"] = lines
    manifest = json.loads((folder / "_manifest.json").read_text())
    del manifest["files"]["media.jsonl"]
    found["_manifest.json"] = manifest
    return {
        name: one for name, one in found.items() if name.split("/")[0] not in ("pictures", "films")
    }


def test_every_delivery_has_its_picture_and_its_film(whole):
    folder, report, _ = whole
    deliveries = pl.read_parquet(folder / "deliveries.parquet")
    media = pl.read_parquet(folder / "media.parquet")
    assert media.height == 2 * deliveries.height
    both = media.group_by("recipient", "ad_id").agg(pl.col("kind").sort())
    assert all(kinds == ["film", "picture"] for kinds in both["kind"].to_list())
    for file in media["file"].unique():
        path = folder / file
        assert check(path) == ("Valid", [])
        assert json.loads(path.with_name(f"{path.name}.json").read_text())["self_signed"]
    made = report["media"]
    assert made["pictures"] + made["films"] == media["media_id"].n_unique() == made["made"]
    assert made["backgrounds"].keys() <= {"drawn", "plain"}


def test_pictures_have_the_layouts_size_and_films_their_length(whole):
    folder = whole[0]
    for shown in read_media(folder).values():
        for one in shown:
            if one.medium.kind == "film":
                seen = inspect((folder / one.file).read_bytes())
                assert (seen.frames, seen.size, seen.seconds) == (12, (64, 64), 6)
            else:
                with Image.open(folder / one.file) as picture:
                    assert picture.size == (728, 90)


def test_ads_that_say_the_same_share_their_picture(whole):
    media = pl.read_parquet(whole[0] / "media.parquet").filter(pl.col("kind") == "picture")
    assert media["media_id"].n_unique() < media["ad_id"].n_unique()


def test_texts_are_the_same_bytes_as_without_pictures(run, whole, tmp_path):
    plain = pictures(picture=None)
    make_ads(run, plain, tmp_path / "plain", AdOptions())
    for name in ("ads.parquet", "ads.jsonl", "deliveries.parquet"):
        assert (tmp_path / "plain" / name).read_bytes() == (whole[0] / name).read_bytes()
    stored = stored_job(tmp_path / "plain")
    assert "media" not in stored
    assert not {"picture", "film"} & set(stored["campaign"])
    assert "media" not in json.loads((tmp_path / "plain" / "report.json").read_text())


def test_pictures_can_be_asked_for_later_and_stay_asked_for(run, whole, tmp_path):
    folder, options = tmp_path / "ads", AdOptions(cache=whole[2])
    make_ads(run, pictures(picture=None), folder, options)
    later = make_ads(run, pictures(film=FILM), folder, options)
    assert later["written"] == later["media"]["made"] == 0
    assert unsigned(folder) == unsigned(whole[0])
    again = make_ads(run, pictures(picture=None), folder, options)
    assert again["media"]["pictures"] == whole[1]["media"]["pictures"]
    assert unsigned(folder) == unsigned(whole[0])


def test_a_warm_rerun_makes_nothing_and_signs_nothing_anew(run, whole):
    folder = whole[0]
    files = {path: path.read_bytes() for path in folder.glob("*s/??/*.png")}
    assert files
    report = make_ads(run, pictures(film=FILM), folder, AdOptions(cache=whole[2]))
    assert (report["media"]["made"], report["media"]["left"]) == (0, 0)
    assert all(path.read_bytes() == content for path, content in files.items())


def test_killed_at_random_points_the_folder_comes_out_the_same(run, whole, tmp_path):
    folder, cache, killer = tmp_path / "ads", tmp_path / "cache", Killer()
    asked, killed = content_of(pictures(film=FILM)), 0
    for seed in range(3, 6):
        killed += killer.kill(run.workspace.folder, folder, cache, asked, seed)
    report = make_ads(run, pictures(film=FILM), folder, AdOptions(cache=cache))
    assert killed >= 1
    assert unsigned(folder) == unsigned(whole[0])
    assert report["media"]["made"] + report["media"]["cached"] == whole[1]["media"]["made"]
    assert all(check(path) == ("Valid", []) for path in folder.glob("*s/??/*.png"))
    assert not [path for path in folder.rglob(".*") if path.name != ".lock"]


def test_items_without_a_usable_photo_get_text_alone_and_are_listed(run, tmp_path):
    asked = pictures(what={"items": ["p0", "p2", "p3"]}, who={"users": ["u0"]})
    report = make_ads(run, asked, tmp_path / "ads", AdOptions())
    assert report["failed"] == 0
    assert len(read_ads(tmp_path / "ads")) == 6
    shown = read_media(tmp_path / "ads")
    failures = {one.medium.item: one.medium.failure for own in shown.values() for one in own}
    assert failures["p0"] == ""
    assert failures["p2"] == "the item has no photo"
    assert failures["p3"].startswith("the photo p3.png cannot be used: it is damaged")
    told = [one for one in report["problems"] if one["kind"] == "text only"]
    assert sum(one["ads"] for one in told) == 4
    listed = pl.read_csv(tmp_path / "ads" / "problems.csv").filter(pl.col("kind") == "text only")
    assert set(listed["item_id"]) == {"p2", "p3"}
    failed = {one.medium.id for own in shown.values() for one in own if one.medium.failure}
    assert report["media"]["failed"] == len(failed) >= 2


def test_a_logo_is_in_every_picture_and_in_its_name(run, tmp_path):
    from genrec.stages.ads_desk import Desk
    from genrec.stages.ads_media_desk import MediaDesk

    Image.new("RGB", (90, 30), (20, 40, 200)).save(tmp_path / "logo.png")
    look = {"layouts": ["landscape"], "attempts": 1, "style": "studio", "tone": "pale"}
    one = {"what": {"items": ["p0"]}, "who": {"users": ["u0"]}, "placements": ["push"]}
    marked = {**look, "logo": str(tmp_path / "logo.png")}
    report = make_ads(run, pictures(**one, picture=marked), tmp_path / "ads", AdOptions())
    assert report["media"]["pictures"] == 1
    ((shown,),) = read_media(tmp_path / "ads").values()
    with Image.open(tmp_path / "ads" / shown.file) as picture:
        assert (np.asarray(picture.convert("RGB")) == (20, 40, 200)).all(-1).any()
    decided = [
        MediaDesk.open(Desk.open(run, pictures(**one, picture=given)))._decides["picture"]
        for given in (look, marked)
    ]
    # Whoever names none keeps the pictures that are there.
    assert set(decided[0]) == {"style", "tone", "file", "attempts"}
    assert set(decided[1]) - set(decided[0]) == {"logo"}


def test_any_picture_can_be_made_again_alone(run, whole):
    folder = whole[0]
    ad = read_ads(folder)[0]
    stored = Campaign.parse(stored_job(folder)["campaign"])
    before, after = make_again(folder, ad.id, run, stored)
    assert before.to_json() == after.to_json()
    found = make_media_again(folder, ad.id, run, stored)
    assert {one.stored.kind for one in found} == {"picture", "film"}
    (picture,) = [one for one in found if one.stored.kind == "picture"]
    assert "identical before signing" in picture.words
    assert all(one.same or 0 <= one.apart <= 16 for one in found), [one.words for one in found]


def test_a_picture_that_comes_out_otherwise_says_how(run, whole, monkeypatch):
    import genrec.creatives.studio as studio

    folder, real = whole[0], studio.encoded
    lighter = lambda pixels, file: real(np.minimum(pixels, 252) + np.uint8(3), file)  # noqa: E731
    monkeypatch.setattr(studio, "encoded", lighter)
    stored = Campaign.parse(stored_job(folder)["campaign"])
    found = make_media_again(folder, read_ads(folder)[0].id, run, stored)
    (picture,) = [one for one in found if one.stored.kind == "picture"]
    assert not picture.same
    assert picture.words.endswith("colours are up to 3/255 apart")


def test_a_budget_leaves_pictures_and_goes_on(run, whole, tmp_path):
    folder = tmp_path / "ads"
    first = make_ads(
        run, pictures(film=FILM, budget={"pictures": 2, "films": 0}), folder, AdOptions()
    )
    assert (first["media"]["pictures"], first["media"]["films"]) == (2, 0)
    assert first["media"]["left"] == whole[1]["media"]["made"] - 2
    assert "budget." in first["media"]["stopped"]
    second = make_ads(run, pictures(film=FILM), folder, AdOptions())
    assert second["media"]["left"] == 0
    assert unsigned(folder) == unsigned(whole[0])


def test_the_plan_says_how_many_there_may_be(run, whole, tmp_path):
    plan = plan_ads(run, pictures(film=FILM), tmp_path / "ads", AdOptions())
    assert plan["pictures_at_most"] == plan["films_at_most"] == plan["deliveries"]
    assert plan["pictures_at_most"] >= whole[1]["media"]["pictures"]
    assert not (tmp_path / "ads").exists()


def test_the_review_page_shows_them_by_relative_paths_and_lets_nothing_else_in(whole):
    page = (whole[0] / "review.html").read_text()
    files = pl.read_parquet(whole[0] / "media.parquet")["file"].unique().to_list()
    assert files
    for file in files:
        assert f'src="{file}' in page
    assert "default-src 'none'" in page
    assert "media-src 'self'" in page
    assert 'src="/' not in page
    assert "file:" not in page


def test_the_page_served_to_this_machine_shows_them_and_no_other_file(whole):
    import threading
    from http.client import HTTPConnection

    from genrec.creatives.review_server import ReviewServer

    folder = whole[0]
    files = pl.read_parquet(folder / "media.parquet")["file"].unique().to_list()
    with ReviewServer(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def asked(path):
            connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read()

        for file in files:
            kind = "video/mp4" if file.endswith("mp4") else "image/png"
            assert asked(f"/{file}") == (200, kind, (folder / file).read_bytes())
        name = files[0].rsplit("/", 1)[1]
        for path in (f"/{files[0]}.json", f"/pictures/../{name}", "/_job.json", f"/parts/{name}"):
            assert asked(path)[0] == 404
        server.shutdown()


def test_credentials_say_what_was_drawn_and_keep_the_photo(whole):
    folder = whole[0]
    media = [one for shown in read_media(folder).values() for one in shown]
    for one in media[:2]:
        manifest = manifest_of(folder / one.file)
        active = manifest["manifests"][manifest["active_manifest"]]
        text = json.dumps(active)
        # No model painted: a photograph before what was drawn by rule.
        assert "compositeSynthetic" in text
        assert "trainedAlgorithmicMedia" not in text
        assert [part["title"] for part in active["ingredients"]] == [f"photo of {one.medium.item}"]


def test_exports_name_the_files_of_each_ad(run, whole):
    folder = whole[0]
    link, image = "https://shop.example/p/{item_id}", "https://cdn.example/{file}"
    feed = export_ads(folder, run, "meta", link=link, image_link=image, brand="A", approved=False)
    assert "https://cdn.example/pictures/" in feed.text
    assert ".mp4" not in feed.text
    whole_text = json.loads(export_ads(folder, run, "json", approved=False).text)
    files = [file for ad in whole_text["ads"] for file in ad["files"]]
    assert all((folder / file).is_file() for file in files)
    assert {file.rsplit(".", 1)[1] for file in files} == {"png", "mp4"}


def test_a_full_disk_keeps_what_was_made(run, whole, tmp_path, monkeypatch):
    import errno
    import os

    import genrec.workspace as workspace

    folder, real, left = tmp_path / "ads", os.replace, [3]

    def full(source, target):
        if "media" in str(target) and str(target).endswith(".png"):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(workspace.os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        make_ads(run, pictures(film=FILM), folder, AdOptions())
    monkeypatch.undo()
    assert not (folder / "_manifest.json").exists()
    report = make_ads(run, pictures(film=FILM), folder, AdOptions())
    assert report["media"]["cached"] == 3
    assert unsigned(folder) == unsigned(whole[0])


def test_a_campaign_that_asks_for_what_there_is_not_says_all_of_it():
    with pytest.raises(InputError) as error:
        pictures(picture={"layouts": ["sqare"], "intensity": 2}, film={"seconds": 5, "frames": 3})
    told = "\n".join(error.value.problems)
    for words in ("did you mean 'square'", "intensity is 2", "there is no such key"):
        assert words in told


@pytest.mark.slow
def test_several_processes_leave_the_same_folder(run, whole, tmp_path):
    make_ads(run, pictures(film=FILM), tmp_path / "ads", AdOptions(workers=2))
    assert unsigned(tmp_path / "ads") == unsigned(whole[0])


def test_a_diffusion_model_paints_for_each_shopper_what_is_then_said(run, tmp_path):
    pytest.importorskip("diffusers", reason="needs the extra 'diffusion'")
    from tests.diffusion.small_models import saved

    saved("sd", tmp_path / "sd")
    painting = {"model": str(tmp_path / "sd"), "layouts": ["leaderboard"], "steps": 1, "side": 32}
    asked = pictures(what={"items": ["p0"]}, placements=["push"], picture=painting)
    report = make_ads(run, asked, tmp_path / "ads", AdOptions())
    media = {one.medium.id: one for own in read_media(tmp_path / "ads").values() for one in own}
    # Two shoppers of whom other things are known.
    assert len(media) == report["media"]["made"] == 2
    for one in media.values():
        painted = one.medium.background == "painted"
        assert painted or one.medium.tries
        claimed = json.dumps(manifest_of(tmp_path / "ads" / one.file))
        assert ("compositeWithTrainedAlgorithmicMedia" in claimed) == painted
        assert ('"seed": ' + str(one.medium.seed)) in claimed
        assert str(tmp_path) not in claimed
    ad = read_ads(tmp_path / "ads")[0]
    (again,) = make_media_again(
        tmp_path / "ads", ad.id, run, Campaign.parse(stored_job(tmp_path / "ads")["campaign"])
    )
    assert again.same or again.apart <= 1
