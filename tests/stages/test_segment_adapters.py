import json

import numpy as np
import polars as pl
import pytest

pytest.importorskip("diffusers", reason="needs the extra 'diffusion'")

from PIL import Image

from genrec.creatives.artist import Wish
from genrec.creatives.media_folder import read_media
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.media import MediaFolder
from genrec.data.storage import write_dataset
from genrec.errors import ArtefactError, ConfigError
from genrec.profiles.options import SegmentConfig
from genrec.profiles.segments import Segment, Segments
from genrec.recipe import Recipe
from genrec.stages.ads import AdOptions, make_ads, plan_ads
from genrec.stages.ads_desk import Desk
from genrec.stages.ads_media_desk import MediaDesk
from genrec.stages.finetune_image_lora import finetune
from genrec.stages.run import Run
from genrec.stages.segment_adapters import AdapterNote, adapters_by_segment
from genrec.training.image_lora_options import ImageLoraConfig
from genrec.workspace import Workspace
from tests.creatives.small_shop import campaign, shop
from tests.small_diffusion import tiny_folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tiny_folder(tmp_path_factory.mktemp("model") / "tiny", dims=81))


@pytest.fixture(scope="module")
def run(tmp_path_factory, model):
    """A shop with photos and four segments, and the adapter of those who buy mugs."""
    folder = tmp_path_factory.mktemp("shop")
    data = shop()
    for number in range(40):
        photo = Image.new("RGB", (32, 32), (250, 250, 250))
        photo.paste((6 * number, 99, 250 - 6 * number), (4, 4, 28, 28))
        photo.save(folder / f"{number}.png")
    table = data.catalog.table.with_columns(
        image=pl.Series([f"{n}.png" for n in range(40)]),
        # Of the first mugs it is not known what they are made of.
        material=pl.when(pl.int_range(pl.len()) < 20).then(None).otherwise(pl.col("material")),
    )
    photographed = Dataset(
        data.name, Catalog(table, media=MediaFolder(folder)), data.users, data.events
    )
    recipe = Recipe.parse(
        {"name": "shop", "data": {"source": "toy_shop"}, "segments": {"segments": 4, "floor": 2}}
    )
    workspace = Workspace(folder / "run")
    workspace.record("recipe", recipe.model_dump(mode="json"))
    with workspace.write("dataset", "d") as at:
        write_dataset(photographed, at)
    made = Run(recipe, workspace)
    finetune(made, photographed, options(model))
    return made


def options(model, **changed):
    given = {
        "pretrained_model_name_or_path": model,
        "segment": "mug",
        "instance_prompt": "a mug of {material}",
        "resolution": 32,
        "max_train_steps": 2,
        "train_batch_size": 2,
        "learning_rate": 0.1,
        "checkpointing_steps": 0,
    }
    return ImageLoraConfig(**{**given, **changed})


def opened(run, model, **who):
    picture = {
        "model": model,
        "steps": 2,
        "taste": False,
        "words": False,
        "segment_adapters": [str(run.path("image_lora"))],
    }
    return MediaDesk.open(Desk.open(run, campaign(**who, picture=picture)))


def adapters(media):
    names = media.desk.audience.names
    return {name: media.tastes.of(number).liking.adapter for number, name in enumerate(names)}


def test_an_adapter_is_written_with_its_segment_and_what_was_learned(run, model):
    folder = run.path("image_lora")
    note = AdapterNote.read(folder)
    assert (note.model, note.prompt, note.segment["name"]) == (model, "a mug of {material}", "mug")
    lacking = pl.read_csv(folder / "left_out.csv")
    assert note.pictures >= 1
    assert {int(name[1:]) % 4 for name in lacking["item_id"]} == {1}
    assert lacking["problem"].str.contains("instance_prompt names").all()


def test_users_of_the_segment_get_its_adapter_and_others_none(run, model):
    media = opened(run, model)
    found = adapters(media)
    # Every fourth user buys mugs, and the last two nothing.
    assert {name for name, adapter in found.items() if adapter} == {"u1", "u5", "u9"}
    assert len(set(found.values())) == 2


def test_a_campaign_for_segments_by_id_or_name_takes_it_too(run, model):
    ids = opened(run, model, who={"segments": "all"})
    assert sum(map(bool, adapters(ids).values())) == 1
    assert bool(adapters(opened(run, model, who={"segments": ["mug"]}))["mug"])


def test_backgrounds_of_several_users_in_one_batch_differ_by_the_adapter_alone(run, model):
    media = opened(run, model, who={"users": ["u0", "u1"]})
    artist = media.studio.artist
    likings = [media.tastes.of(number).liking for number in range(2)]
    other, own = artist.paint([Wish(None, one, (32, 32), 7) for one in likings])
    (plain,) = artist.paint([Wish(None, likings[0], (32, 32), 7)])
    assert np.abs(other.pixels.astype(int) - plain.pixels).max() <= 1
    assert np.abs(own.pixels.astype(int) - plain.pixels).max() > 1


def test_a_picture_says_that_an_adapter_painted_too_and_not_whose(run, model, tmp_path):
    pytest.importorskip("c2pa", reason="needs the extra 'credentials'")
    pytest.importorskip("resvg_py", reason="needs the extra 'ads'")
    picture = {
        "model": model,
        "steps": 1,
        "side": 32,
        "layouts": ["leaderboard"],
        "segment_adapters": [str(run.path("image_lora"))],
    }
    asked = campaign(who={"users": ["u0", "u1"]}, what={"items": ["p0"]}, picture=picture)
    folder = tmp_path / "ads"
    report = make_ads(run, asked, folder, AdOptions())["media"]
    media = read_media(folder).values()
    told = {one.medium.details.get("adapter") for shown in media for one in shown}
    painted = [one for shown in media for one in shown if one.medium.background == "painted"]
    assert painted and told == {None, True}
    assert 0 < report["with_adapter"] < report["pictures"]


@pytest.mark.parametrize("does", [plan_ads, make_ads])
def test_an_adapter_that_is_not_there_is_told_before_anything_is_written(run, tmp_path, does):
    asked = campaign(picture={"segment_adapters": [str(tmp_path / "nowhere")]})
    with pytest.raises(ArtefactError, match="nowhere holds no image adapter"):
        does(run, asked, tmp_path / "ads", AdOptions())
    assert not (tmp_path / "ads").exists()


def segments(*names):
    found = tuple(Segment(f"s{n}", name, 9, ()) for n, name in enumerate(names, 1))
    return Segments(found, pl.DataFrame({"user_id": [], "segment": []}), 0, SegmentConfig())


def noted(folder, name=None, number="s1"):
    folder.mkdir()
    segment = None if name is None else {"id": number, "name": name}
    AdapterNote("toy", "a mug", 3, segment).write(folder)
    return str(folder)


def test_a_segment_is_known_by_its_name_when_its_number_has_changed(tmp_path):
    folder = noted(tmp_path / "one", "mugs + teal", number="s1")
    assert adapters_by_segment([folder], segments("lamps", "mugs + teal")) == {"s2": folder}


def test_all_that_does_not_fit_is_told_at_once(tmp_path):
    folders = [
        noted(tmp_path / "gone", "bags"),
        noted(tmp_path / "product"),
        noted(tmp_path / "one", "mugs"),
        noted(tmp_path / "two", "mugs"),
    ]
    with pytest.raises(ConfigError) as caught:
        adapters_by_segment(folders, segments("mugs", "lamps"))
    said = str(caught.value)
    assert "'bags', which there is not; there are: s1 (mugs), s2 (lamps)" in said
    assert "product is of a product" in said
    assert "are both of 'mugs'" in said


@pytest.mark.parametrize("content", [None, "[]", '{"segment": {"id": 1}}', "{"])
def test_a_folder_that_is_no_adapter_of_ours_is_told(tmp_path, content):
    if content is not None:
        full = json.loads(content) if content.startswith('{"') else None
        about = {"model": "toy", "prompt": "a", "pictures": 1} | (full or {})
        (tmp_path / "adapter.json").write_text(json.dumps(about) if full else content)
    with pytest.raises(ArtefactError, match="finetune/image-lora"):
        adapters_by_segment([str(tmp_path)], segments("mugs"))
