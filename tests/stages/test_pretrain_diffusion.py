import pytest

from genrec.data import toy_shop
from genrec.diffusion import DiffusionOptions
from genrec.diffusion.painter import Painter
from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.stages.pretrain import run_pretraining
from genrec.stages.pretrain_diffusion import describe, held_out_users, split
from genrec.training.diffusion_options import ProductDiffusionConfig
from genrec.workspace import Workspace
from tests.stages.test_pretrain import Watching, shop_files

TINY = {
    "shape": "tiny",
    "resolution": 32,
    "vocabulary": 600,
    "held_out": 2,
    "held_out_users": 2,
    "steps": 2,
    "judged": 2,
    "vae": {"steps": 2, "batch_size": 4},
}


def photos(folder, **changed):
    options = {**TINY, "noun": "article_type", "details": ["colour"], "held_out_users": 0}
    return Recipe.parse(
        {
            "name": "photos",
            "data": {"source": "fashion_photos", "options": {"folder": str(folder)}},
            "pretrain": {"product_diffusion": options | changed},
            "train": {"steps": 3, "batch_size": 4, "checkpoint_every": 1},
        }
    )


def test_photos_of_any_shape_are_learned_judged_and_used_again(tmp_path):
    recipe = photos(shop_files(tmp_path / "photos", 24))
    judgement = run_pretraining(recipe, Workspace(tmp_path / "run"))
    assert set(judgement.values) >= {"own", "other", "none"}
    assert (tmp_path / "run" / "product_diffusion" / "model_index.json").exists()
    again = Watching()
    run_pretraining(recipe, Workspace(tmp_path / "run"), again)
    assert again.reused["Train denoiser"] and again.reused["Judge pictures"]
    assert again.reused["Fit verifier"]


def test_how_many_pictures_are_judged_of_trains_nothing_again(tmp_path):
    folder = shop_files(tmp_path / "photos", 24)
    run_pretraining(photos(folder), Workspace(tmp_path / "run"))
    watching = Watching()
    run_pretraining(photos(folder, best_of=2), Workspace(tmp_path / "run"), watching)
    assert watching.reused["Train denoiser"] and watching.reused["Fit verifier"]
    assert not watching.reused["Judge pictures"]
    chosen = Painter.load(
        DiffusionOptions(
            name=str(tmp_path / "run" / "product_diffusion"),
            steps=1,
            best_of=2,
            verifier=str(tmp_path / "run" / "verifier"),
        )
    )
    assert chosen.verifier is not None and list(chosen.verifier.values) == ["colour"]


def test_a_field_that_is_not_there_is_named_with_the_nearest_one(tmp_path):
    recipe = photos(shop_files(tmp_path / "photos", 24), noun="articel_type")
    with pytest.raises(ConfigError, match="article_type"):
        run_pretraining(recipe, Workspace(tmp_path / "run"))


def test_whole_combinations_are_held_out():
    shop = toy_shop.load(items=120, shoppers=5)
    options = ProductDiffusionConfig(held_out=10)
    described = describe(shop, options)
    train, test = split(described, options)
    assert len(train) + len(test) == 120
    assert not {described[row] for row in train} & {described[row] for row in test}
    assert len({(described[row].noun, *described[row].details) for row in test}) == 10


def test_users_are_held_out_by_their_ids_alone():
    options = ProductDiffusionConfig(held_out_users=3)
    first = held_out_users(toy_shop.load(items=60, shoppers=20), options)
    assert len(first) == 3
    assert first == held_out_users(toy_shop.load(items=90, shoppers=20), options)
