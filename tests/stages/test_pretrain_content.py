"""The content recipe on a small toy shop: it runs, is reused, and its ablation says what adds."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.data.dataset import Dataset
from genrec.encoders.base import ItemVectors
from genrec.errors import ArtefactError, ConfigError
from genrec.recipe import Recipe
from genrec.recommenders.content import ContentRecommender
from genrec.shipped import shipped_names
from genrec.stages.ablate import ablate_run
from genrec.stages.find import find
from genrec.stages.loaded import open_run
from genrec.stages.prepare import encode, stored_data, stored_modalities
from genrec.stages.pretrain import run_pretraining
from genrec.stages.recommend import open_llm, open_recommender
from genrec.stages.run import Observer, Run
from genrec.stages.shop import open_shop
from genrec.workspace import Workspace
from tests.small_towers import vision_folder

BROKEN = (7, 8)
RECIPES = ("content-next-item", "content-masked-item", "user-item")


class Watcher(Observer):
    def __init__(self) -> None:
        self.reused: list[bool] = []

    def finished(self, stage, note, seconds, *, reused) -> None:
        self.reused.append(reused)


def small(folder, *words: str) -> Recipe:
    return Recipe.load(
        "pretrain/content-next-item",
        [
            "data.options.items=40",
            "data.options.shoppers=60",
            f"data.options.image_folder={folder / 'pictures'}",
            "pretrain.content.tower={steps: 3, side: 32, width: 16, batch_size: 8}",
            "pretrain.content.fusion.width=16",
            "train.steps=4",
            "train.validate_every=2",
            "train.batch_size=8",
            "evaluate.against=[popular]",
            *words,
        ],
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("content")
    recipe, workspace = small(folder), Workspace(folder / "run")
    catalog = Dataset.load("toy_shop", **recipe.data.options).catalog
    for row in BROKEN:
        path = folder / "pictures" / catalog.files("image")[row]
        path.write_bytes(path.read_bytes()[:200])
    return folder, recipe, workspace, run_pretraining(recipe, workspace)


def test_recipes_for_every_objective_are_shipped() -> None:
    assert {f"pretrain/{name}" for name in RECIPES} <= set(shipped_names("recipes"))
    objectives = {Recipe.load(f"pretrain/{name}").pretrain.content.objective for name in RECIPES}
    assert objectives == {"next-item", "masked-item", "user-item"}


def test_a_run_leaves_the_recommender_its_fused_vectors_and_figures(done) -> None:
    _, recipe, workspace, judgement = done
    dataset = stored_data(Run(recipe, workspace))
    recommender = ContentRecommender.load(workspace.open("content") / "model", dataset.catalog)
    assert recommender.modalities.groups == ("text", "image")
    fused = ItemVectors.load(workspace.path("content") / "fused", dataset.catalog)
    assert fused.fingerprint == recommender.item_vectors().fingerprint
    assert set(judgement.values["recommenders"]) == {"content", "popular"}
    assert "beam" not in judgement.values["protocol"]["line"]


def test_pictures_that_cannot_be_used_are_listed_by_the_tower_and_by_the_encoder(done) -> None:
    _, recipe, workspace, _ = done
    ids = stored_data(Run(recipe, workspace)).catalog.ids
    for name in ("tower", "item_vectors"):
        listed = pl.read_csv(workspace.path(name) / "left_out.csv")
        assert listed["item_id"].to_list() == [ids[row] for row in BROKEN]


def test_a_second_run_reuses_everything_but_the_reading_of_data(done) -> None:
    _, recipe, workspace, judgement = done
    watcher = Watcher()
    again = run_pretraining(recipe, workspace, watcher)
    assert watcher.reused == [True] * 5
    assert again.text == judgement.text


def test_the_ablation_prints_and_is_json(done) -> None:
    _, _, workspace, _ = done
    shown = CliRunner().invoke(app, ["ablate", str(workspace.folder), "-q"])
    assert shown.exit_code == 0
    assert "text + image" in shown.stdout
    values = json.loads(
        CliRunner().invoke(app, ["ablate", str(workspace.folder), "--json", "-q"]).stdout
    )
    assert [row["seen"] for row in values["rows"]] == [["text", "image"], ["text"], ["image"]]


def test_words_and_pictures_find_items_by_the_run_s_own_tower(done) -> None:
    _, recipe, workspace, _ = done
    run = Run(recipe, workspace)
    catalog = stored_data(run).catalog
    file = catalog.media.root / catalog.files("image")[3]
    assert find(run, picture=file, n=2)[0].item.id == catalog.ids[3]
    by_words = find(run, catalog[3].title, n=40)
    assert {name for one in by_words for name in one.ranks} == {"words in texts"}


def test_the_ablation_trains_again_on_request(done) -> None:
    _, recipe, workspace, _ = done
    found = ablate_run(recipe, workspace, retrain=True)
    assert [row.how for row in found.rows].count("trained without it") == 2


def test_the_ablation_of_a_run_without_the_recommender_is_an_error(tmp_path) -> None:
    with pytest.raises(ArtefactError):
        ablate_run(small(tmp_path), Workspace(tmp_path / "run"))


def test_the_ablation_of_another_recipe_is_an_error(tmp_path) -> None:
    with pytest.raises(ConfigError, match="One that has: genrec run pretrain/content"):
        ablate_run(Recipe.load("quickstart"), Workspace(tmp_path / "run"))


def test_a_stage_to_end_after_is_refused_and_not_passed_over(tmp_path) -> None:
    into = tmp_path / "run"
    words = ["run", "pretrain/content-next-item", "--until", "load_data", "--into", str(into)]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, ConfigError)
    assert "leave --until load_data out" in str(done.exception)
    assert not into.exists()


def test_a_tower_of_our_own_and_a_named_one_are_refused_together(done, tmp_path) -> None:
    folder, *_ = done
    model = vision_folder("vit", tmp_path / "vit")
    recipe = small(folder, f"encode.image={{model: {model}}}")
    with pytest.raises(ConfigError, match=r"both encode\.image and"):
        run_pretraining(recipe, Workspace(tmp_path / "run"))


def test_a_named_tower_is_used(done, tmp_path) -> None:
    folder, *_ = done
    model = vision_folder("vit", tmp_path / "vit")
    words = ["pretrain.content.tower=null", f"encode.image={{model: {model}}}"]
    workspace = Workspace(tmp_path / "run")
    run_pretraining(small(folder, *words), workspace)
    dataset = stored_data(Run(small(folder), workspace))
    found = ContentRecommender.load(workspace.open("content") / "model", dataset.catalog)
    assert found.modalities.dimensions["image"] == 32
    assert not workspace.path("tower").exists()


def test_hierarchical_fusion_pools_the_named_fields_before_the_modalities(done, tmp_path) -> None:
    folder, *_ = done
    words = (
        "pretrain.content.fusion.kind=hierarchical",
        "encode.fields=[title, category, material]",
        "pretrain.content.tower=null",
        "evaluate.test_users=5",
    )
    recipe, workspace = small(folder, *words), Workspace(tmp_path / "run")
    run_pretraining(recipe, workspace)
    run = Run(recipe, workspace)
    names = ("text.title", "text.category", "text.material")
    assert tuple(stored_modalities(run)) == names
    catalog = stored_data(run).catalog
    model = workspace.open("content") / "model"
    recommender = ContentRecommender.load(model, catalog)
    assert recommender.modalities.names == names
    assert recommender.modalities.groups == ("text",)
    stored = load_file(model / "weights.safetensors")
    assert stored["fusion.attention.0.weights"].shape == (3, 16)
    # Each is of its own field: a category is the same for many, a title is not.
    vectors = recommender.modalities.vectors
    categories = np.unique(vectors["text.category"].vectors, axis=0)
    assert len(categories) == len(set(catalog.texts(["category"])))
    assert len(np.unique(vectors["text.title"].vectors, axis=0)) > len(categories)
    assert find(run, catalog[3].title, n=1)[0].item.title == catalog[3].title
    # Another fusion reads the same fields as one text.
    other = small(folder, *words[1:])
    with run.workspace.lock():
        encode(Run(other, workspace), stored_data(run))
    assert tuple(stored_modalities(Run(other, workspace))) == ("text",)


def said(*words: str) -> str:
    shown = CliRunner().invoke(app, list(words))
    assert shown.exit_code == 0, shown.exception
    return shown.stdout


def test_its_recommender_answers_users_histories_and_a_service(done, tmp_path) -> None:
    _, recipe, workspace, _ = done
    folder, dataset = str(workspace.folder), stored_data(Run(recipe, workspace))
    user, ids = str(dataset.users[0]), dataset.catalog.ids
    recommender = ContentRecommender.load(workspace.open("content") / "model", dataset.catalog)
    best = [one.item.id for one in recommender.recommend(dataset.history(user), 4)]
    of_user = json.loads(said("recommend", folder, "--user", user, "-n", "4", "--json"))
    assert [one["item_id"] for one in of_user["recommendations"]] == best
    by_hand = f"{ids[3]},{ids[5]}"
    shown = json.loads(said("recommend", folder, "--history", by_hand, "-n", "3", "--json"))
    wanted = recommender.recommend([ids[3], ids[5]], 3)
    assert [one["item_id"] for one in shown["recommendations"]] == [one.item.id for one in wanted]
    shards = tmp_path / "lists"
    said("recommend", folder, "--all-users", "-n", "4", "--into", str(shards), "-q")
    lists = pl.read_parquet(shards / "*.parquet").filter(pl.col("user") == user)
    assert lists.sort("rank")["item_id"].to_list() == best
    loaded = open_run(workspace.folder)
    loaded.verify()
    assert loaded.recommender.name == "content"
    assert open_shop(workspace.folder).recommender.name == "content"


def test_what_needs_an_llm_says_so_of_a_content_run(done) -> None:
    _, recipe, workspace, _ = done
    run = Run(recipe, workspace)
    with pytest.raises(ArtefactError, match="content recommender can recommend and be served; for"):
        open_llm(run)
    with pytest.raises(ConfigError, match="no LLM that the back-end 'vllm' could run"):
        open_recommender(run, "vllm")
    with pytest.raises(ConfigError, match="did you mean 'vllm'"):
        open_recommender(run, "vlm")


def test_a_content_run_that_was_not_finished_says_what_is_missing(tmp_path) -> None:
    run = Run(small(tmp_path), Workspace(tmp_path / "run"))
    with pytest.raises(ArtefactError, match="has no 'content'. Make it first"):
        open_recommender(run)
