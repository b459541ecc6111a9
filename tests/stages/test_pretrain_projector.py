import json

import polars as pl
import pytest
from transformers import AutoModelForImageTextToText, AutoProcessor

from genrec.data.dataset import Dataset
from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.stages.pipeline import run_recipe
from genrec.stages.pretrain import run_pretraining
from genrec.workspace import Workspace
from tests.small_sight import text_folder
from tests.small_towers import vision_folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def recipe(tmp_path):
    llm, tower = text_folder(tmp_path / "text"), vision_folder("clip", tmp_path / "tower")
    return {
        "name": "sight",
        "data": {
            "source": "toy_shop",
            "options": {"items": 40, "shoppers": 30, "pictures": True},
        },
        "pretrain": {
            "projector": {
                "llm": str(llm),
                "tower": str(tower),
                "pictures": 1,
                "said": ["category"],
                "held_out": 8,
                "candidates": 3,
            }
        },
        "train": {"steps": 3, "batch_size": 4},
    }


def test_a_joined_llm_is_kept_judged_and_used_again(recipe, tmp_path):
    workspace = Workspace(tmp_path / "run")
    judged = run_pretraining(Recipe.parse(recipe), workspace)
    folder = workspace.path("seeing_llm")
    assert AutoModelForImageTextToText.from_pretrained(folder).config.model_type == "llava"
    assert "<image>" in AutoProcessor.from_pretrained(folder).tokenizer.get_vocab()
    assert 0 <= judged.values["named_right"] <= 1
    assert judged.values["chance"] == pytest.approx(1 / 3)
    assert "another item's (control)" in judged.text
    assert len(json.loads((tmp_path / "run/report/report.json").read_text())["examples"]) == 8
    before = (folder / "model.safetensors").stat().st_mtime_ns
    again = run_pretraining(Recipe.parse(recipe), workspace)
    assert again.values == judged.values
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_a_recommender_is_made_of_it_and_sees_the_shop(recipe, tmp_path):
    options = recipe["data"]["options"] | {"image_folder": str(tmp_path / "pictures")}
    recipe["data"]["options"] = options
    catalog = Dataset.load("toy_shop", **options).catalog
    for row in (2, 5, 30):
        path = tmp_path / "pictures" / catalog.files("image")[row]
        path.write_bytes(path.read_bytes()[:200])
    run_pretraining(Recipe.parse(recipe), Workspace(tmp_path / "sight"))
    shop = {
        "name": "shop",
        "data": recipe["data"],
        "encode": {"model": "", "image": {"model": str(tmp_path / "tower")}},
        "semantic_ids": {"levels": 2, "codebook_size": 16},
        "llm": {"name": str(tmp_path / "sight/seeing_llm"), "adapt": "lora", "pictures": 1},
        "train": {"steps": 2, "batch_size": 2},
        "evaluate": {"against": ["popular"], "test_users": 10},
    }
    workspace = Workspace(tmp_path / "shop")
    outcome = run_recipe(Recipe.parse(shop), workspace)
    assert outcome.report.values["recommenders"]["genrec"]["invalid_generations"] == 0
    assert (workspace.path("recommender") / "picture_tokens.safetensors").is_file()
    # What cannot be seen is listed wherever it would have been looked at.
    for place in ("sight/seeing_llm", "sight/report", "shop/item_vectors", "shop/recommender"):
        listed = pl.read_csv(tmp_path / place / "left_out.csv")
        assert listed["item_id"].to_list() == [catalog.ids[row] for row in (2, 5, 30)]
    opened = GenerativeRecommender.load(workspace.open("recommender"), catalog)
    assert len(opened.backbone.pictures.problems) == 3
    first = workspace.run["artefacts"]["recommender"]["key"]
    run_recipe(Recipe.parse(shop), workspace)
    assert workspace.run["artefacts"]["recommender"]["key"] == first


def test_unfit_options_are_named_together(recipe):
    recipe["pretrain"]["projector"] |= {"pictures": 0, "candidates": 1, "said": []}
    with pytest.raises(ConfigError, match=r"pictures is 0.*candidates is 1.*said is empty"):
        Recipe.parse(recipe)
