import json
import zipfile

import polars as pl
import pytest
from transformers import AutoModel, AutoModelForMaskedLM

from genrec.data.catalog import Catalog
from genrec.data.item_split import hold_out
from genrec.errors import ConfigError, InputError
from genrec.recipe import Recipe
from genrec.stages.judge_elsewhere import judge_elsewhere
from genrec.stages.judge_tower import JudgedItems
from genrec.stages.pretrain import run_pretraining
from genrec.stages.run import Observer
from genrec.workspace import Workspace
from tests.command_line import genrec
from tests.small_photos import photo_shop

FIT = {"steps": 4, "batch_size": 16, "checkpoint_every": 2}


class Watching(Observer):
    def __init__(self):
        self.reused, self.notes = {}, {}

    def finished(self, stage, note, seconds, *, reused):
        self.reused[stage], self.notes[stage] = reused, note


def shop_files(folder, count=60, *, take=None):
    """A folder of the form of Fashion Product Images: images.zip and styles.parquet."""
    shop = photo_shop(folder, count)
    table = shop.table if take is None else shop.table[take]
    empty = ("masterCategory", "subCategory", "season", "usage")
    table.select(
        pl.col("item_id").alias("id"),
        pl.col("title").alias("productDisplayName"),
        pl.col("shape").alias("articleType"),
        pl.col("colour").alias("baseColour"),
        pl.lit("Unisex").alias("gender"),
        *(pl.lit(None, pl.String).alias(name) for name in empty),
    ).write_parquet(folder / "styles.parquet")
    return folder


def recipe(folder, objective, options):
    data = {"source": "fashion_photos", "options": {"folder": str(folder)}}
    return Recipe.parse(
        {"name": "photos", "data": data, "pretrain": {objective: options}, "train": FIT}
    )


IMAGE_TEXT = {
    "tower": "tiny",
    "side": 16,
    "fields": ["colour"],
    "held_out": 20,
    "pool": 20,
    "probes": ["colour"],
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))
    return shop_files(tmp_path / "shop")


def test_a_run_leaves_a_tower_and_a_report_and_a_second_run_reuses_both(files, tmp_path):
    chosen = recipe(files, "image_text", IMAGE_TEXT)
    workspace = Workspace(tmp_path / "run")
    judged = run_pretraining(chosen, workspace)
    assert judged.values["title_to_photo"]["chance@10"] == 0.5
    assert judged.values["title_to_photo"]["queries"] == 20
    assert set(judged.values["probes"]["colour"]) == {
        "tower",
        "raw pixels",
        "colour histogram",
        "most frequent",
    }
    assert "times chance" in judged.text and judged.page.exists()
    assert AutoModel.from_pretrained(workspace.open("tower")).config.model_type == "clip"
    watching = Watching()
    again = run_pretraining(chosen, workspace, watching)
    assert watching.reused["Train towers"] and watching.reused["Judge towers"]
    assert again.values == judged.values


def test_a_tower_is_judged_on_another_folder_without_what_it_was_trained_on(files, tmp_path):
    chosen = recipe(files, "image_text", IMAGE_TEXT)
    workspace = Workspace(tmp_path / "run")
    run_pretraining(chosen, workspace)
    # 60 known items, 40 of them trained on, and 30 new ones.
    more = shop_files(tmp_path / "more", 90)
    judged = judge_elsewhere(recipe(more, "image_text", {**IMAGE_TEXT, "pool": 25}), workspace)
    assert judged.values["judged"] == 50
    assert judged.values["title_to_photo"]["pool"] == 25
    assert judged.values["title_to_photo"]["queries"] == 50
    own = judge_elsewhere(chosen, workspace)
    assert own.values["judged"] == 20
    with pytest.raises(InputError, match="trained on all but 0"):
        seen = JudgedItems.of_training(photo_shop(tmp_path / "x", 60), 20, seed=0).learned
        known = shop_files(tmp_path / "seen", 60, take=seen)
        judge_elsewhere(recipe(known, "image_text", IMAGE_TEXT), workspace)


def held_photos(folder, count=30, **more):
    """A folder of photos called by their id, and the table of styles beside them."""
    shop = photo_shop(folder, count, first=100)
    with zipfile.ZipFile(folder / "images.zip") as archive:
        archive.extractall(folder)
    (folder / "images.zip").unlink()
    shop.table.select(
        pl.col("item_id").alias("id"),
        pl.col("title").alias("productDisplayName"),
        pl.col("colour").alias("baseColour"),
        *(pl.lit(value).alias(name) for name, value in more.items()),
    ).write_csv(folder / "styles.csv")
    return folder


def test_probes_learn_from_the_trained_photos_and_guess_those_of_another_folder(files, tmp_path):
    workspace = Workspace(tmp_path / "run")
    run_pretraining(recipe(files, "image_text", IMAGE_TEXT), workspace)
    held = held_photos(tmp_path / "held")
    judged = judge_elsewhere(recipe(held, "image_text", {**IMAGE_TEXT, "pool": 15}), workspace)
    assert judged.values["probed"] == {"colour": {"learned": 40, "guessed": 30, "unknown": 0.0}}
    assert "40 items that the tower was trained on and guess 30" in judged.values["protocol"]
    assert judged.values["title_to_photo"]["queries"] == 30
    # Colour fills the same places of every photo, here and there.
    assert judged.values["probes"]["colour"]["raw pixels"] == 1
    alone = {**IMAGE_TEXT, "probes_learn_from": "judged"}
    judged = judge_elsewhere(recipe(held, "image_text", alone), workspace)
    assert judged.values["probed"]["colour"] == {"learned": 24, "guessed": 6, "unknown": 0.0}
    watching = Watching()
    judge_elsewhere(recipe(held, "image_text", alone), workspace, watching)
    assert watching.reused["Judge tower"]


def test_values_that_no_trained_photo_has_are_counted_and_missed(files, tmp_path):
    workspace = Workspace(tmp_path / "run")
    run_pretraining(recipe(files, "image_text", IMAGE_TEXT), workspace)
    held = held_photos(tmp_path / "held")
    table = pl.read_csv(held / "styles.csv")
    table.with_columns(pl.col("baseColour").replace("red", "crimson")).write_csv(
        held / "styles.csv"
    )
    judged = judge_elsewhere(recipe(held, "image_text", IMAGE_TEXT), workspace)
    assert judged.values["probed"]["colour"]["unknown"] == pytest.approx(4 / 30)
    assert judged.values["probes"]["colour"]["raw pixels"] == pytest.approx(26 / 30)


def test_probes_that_fit_no_other_photos_are_all_told_before_anything_is_encoded(files, tmp_path):
    workspace = Workspace(tmp_path / "run")
    run_pretraining(recipe(files, "image_text", IMAGE_TEXT), workspace)
    held = held_photos(tmp_path / "held", season="Monsoon", usage=None)
    probes = ["colour", "article_type", "season", "usage"]
    chosen = recipe(held, "image_text", {**IMAGE_TEXT, "probes": probes})
    with pytest.raises(InputError) as refused:
        judge_elsewhere(chosen, workspace)
    message = str(refused.value)
    assert "3 of 4 probes cannot be taken" in message
    assert "'article_type': the photos to judge have no such attribute" in message
    assert "'season': the photos that the tower was trained on have no value of it" in message
    assert "'usage': the photos to judge have no value of it" in message
    assert "add pretrain.image_text.probes=[colour]" in message
    assert "pretrain.image_text.probes_learn_from=judged" in message
    files.rename(tmp_path / "away")
    with pytest.raises(InputError, match="no longer in .*images.zip, and probes learn from them"):
        judge_elsewhere(recipe(held, "image_text", IMAGE_TEXT), workspace)


def test_what_the_tower_was_trained_with_cannot_be_changed_when_it_is_judged(files, tmp_path):
    workspace = Workspace(tmp_path / "run")
    run_pretraining(recipe(files, "image_text", IMAGE_TEXT), workspace)
    # More held-out items would be items that training saw.
    with pytest.raises(ConfigError, match=r"image_text\.held_out cannot be changed: .*\.pool"):
        judge_elsewhere(recipe(files, "image_text", {**IMAGE_TEXT, "held_out": 40}), workspace)


def test_how_a_tower_is_judged_trains_no_other(files, tmp_path):
    workspace = Workspace(tmp_path / "run")
    run_pretraining(recipe(files, "image_text", IMAGE_TEXT), workspace)
    watching = Watching()
    other = {**IMAGE_TEXT, "probes": [], "pool": 10, "probes_learn_from": "judged"}
    run_pretraining(recipe(files, "image_text", other), workspace, watching)
    assert watching.reused["Train towers"] and not watching.reused["Judge towers"]


def own_photos(folder):
    """A folder of pictures and a table of one's own that names them."""
    table = photo_shop(folder, 24).table
    table.select("item_id", "title", "image", "colour").write_csv(folder / "items.csv")
    return [
        "data.source=tables",
        f"data.options.items={folder / 'items.csv'}",
        f"data.options.media={folder / 'images.zip'}",
    ]


def test_own_photos_without_any_shoppers_are_learned_from_and_found(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))
    own = own_photos(tmp_path / "shop")
    quick = ["pretrain.image_text.tower=tiny", "pretrain.image_text.side=16"]
    quick += ["train.steps=2", "train.batch_size=8", "train.warmup_steps=1"]
    run = ["run", "pretrain/product-photos", *own, *quick, "--into", "run"]
    refused = genrec(tmp_path, *run)
    assert refused.returncode == 2 and not (tmp_path / "run" / "tower").exists()
    assert "fields has gender, article_type, subcategory, which the items lack" in refused.stderr
    # What the message says to add is all that it takes.
    added = refused.stderr.partition("Add: ")[2].split()
    assert "pretrain.image_text.held_out=2" in added
    done = genrec(tmp_path, *run, *added)
    assert done.returncode == 0, done.stderr
    assert "Title to photo" in done.stdout
    found = genrec(tmp_path, "find", "run", "red tile", "-n", "3", "--json")
    assert len(json.loads(found.stdout)) == 3, found.stderr
    # Photos called by their id, a table of other names, another source than the run's own.
    held = held_photos(tmp_path / "held")
    names = "{item_id: id, title: productDisplayName, colour: baseColour}"
    own = ["data.source=tables", f"data.options.items={held / 'styles.csv'}"]
    own += [f"data.options.media={held}", f"data.options.item_columns={names}"]
    judged = genrec(tmp_path, "evaluate", "run", *own, "pretrain.image_text.probes=[colour]")
    assert judged.returncode == 0, judged.stderr
    assert "that the tower was trained on and guess 30" in judged.stdout
    folder = genrec(
        tmp_path,
        "evaluate",
        "run",
        "data.source=fashion_photos",
        f"data.options.folder={held}",
        "pretrain.image_text.probes=[colour]",
    )
    assert folder.returncode == 0, folder.stderr


def test_masked_patches_leave_an_encoder_and_its_error(files, tmp_path):
    options = {"tower": "tiny", "side": 16, "held_out": 20, "probes": ["article_type"]}
    workspace = Workspace(tmp_path / "run")
    judged = run_pretraining(recipe(files, "masked_patches", options), workspace)
    assert 0 < judged.values["rebuilt_error"] < 3
    assert "title_to_photo" not in judged.values
    assert AutoModel.from_pretrained(workspace.open("tower")).config.model_type == "vit_mae"


def test_masked_tokens_leave_a_language_model_beside_word_frequency(files, tmp_path):
    options = {"model": "tiny", "vocabulary": 300, "held_out": 20}
    workspace = Workspace(tmp_path / "run")
    judged = run_pretraining(recipe(files, "masked_tokens", options), workspace)
    stored = json.loads((workspace.open("report") / "report.json").read_text())
    assert stored["tokens"] > 0 and stored["frequent_loss"] > 0
    assert judged.values == stored
    assert AutoModelForMaskedLM.from_pretrained(workspace.open("tower")).config.vocab_size <= 300
    with pytest.raises(ConfigError, match="no picture tower"):
        judge_elsewhere(recipe(files, "masked_tokens", options), workspace)


def test_the_items_that_are_judged_are_apart_from_those_that_are_learned_from():
    catalog = Catalog.of_ids([f"i{n}" for n in range(50)])
    items = JudgedItems.of_others_alone(catalog, seed=0)
    assert len(items.searched) == 50 and len(items.tested) == 10
    assert not set(items.learned) & set(items.tested)
    assert len(JudgedItems.of_others(catalog).learned) == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"side": 20}, "side must be a multiple of patch"),
        ({"loss": "hinge"}, "choose info_nce, sigmoid"),
        ({"probes_learn_from": "others"}, "choose training, judged"),
        ({"title_share": 0.5}, "fields is empty"),
        ({"momentum": 0.9, "title_share": 1.0}, "momentum is set without a queue"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, problem):
    with pytest.raises(ConfigError, match=problem):
        Recipe.parse(
            {"name": "x", "data": {"source": "toy_shop"}, "pretrain": {"image_text": options}}
        )


def truncated(folder, broken):
    """The same archive, with half a file for these items."""
    with zipfile.ZipFile(folder / "images.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for name, content in files.items():
            cut = name.removesuffix(".jpg") in broken
            archive.writestr(name, content[: len(content) // 2] if cut else content)


@pytest.mark.parametrize("objective", ["image_text", "masked_patches"])
def test_every_picture_that_cannot_be_used_is_listed(files, tmp_path, objective):
    train, held = hold_out([f"p{number}" for number in range(60)], 20, seed=0)
    in_training = [f"p{row}" for row in train[:7]]
    broken = {*in_training, *(f"p{row}" for row in held[:3])}
    truncated(files, broken)
    options = IMAGE_TEXT if objective == "image_text" else {"tower": "tiny", "side": 16}
    workspace, watcher = Workspace(tmp_path / "run"), Watching()
    chosen = recipe(files, objective, {**options, "held_out": 20, "probes": [], "split_seed": 0})
    judged = run_pretraining(chosen, workspace, watcher)
    listed = pl.read_csv(workspace.path("report") / "left_out.csv")
    assert set(listed["item_id"]) == broken
    assert len(listed) == len(judged.values["left_out"]) == 10
    assert "Left out: 10 items" in judged.text
    own = pl.read_csv(workspace.path("tower") / "left_out.csv")["item_id"].to_list()
    assert set(own) >= set(in_training)
    note = next(note for stage, note in watcher.notes.items() if stage.startswith("Train tower"))
    assert f"{len(own)} files left out, see {workspace.path('tower') / 'left_out.csv'}" in note
