"""The recipes of applications, from files in the public formats to figures, for a few steps."""

import pytest

from genrec.recipe import Recipe
from genrec.shipped import RECIPES, shipped_names
from genrec.stages.pipeline import run_recipe
from genrec.workspace import Workspace
from tests.data.sources import small_downloads as small

SMALL = (
    "semantic_ids.levels=2", "semantic_ids.codebook_size=8", "train.steps=3", "train.batch_size=2",
    "train.warmup_steps=0", "train.validate_every=2", "train.checkpoint_every=0",
    "evaluate.against=[popular]", "packing.row_tokens=400",
)  # fmt: skip
RUN = {
    "amazon": (small.amazon2023, ["data.options.domain=Tools"]),
    "movielens": (small.ml_1m, ["data.options.edition=ml-1m"]),
    "online-retail": (small.online_retail, []),
    "mind": (small.mind, []),
    "microlens": (small.microlens, []),
    "lastfm": (small.lastfm_1k, ["data.min_user=6", "data.min_item=3"]),
    "hm": (small.hm, ['data.options.since="2010-01-01"']),
    "yelp": (
        small.yelp,
        ["data.options.category=", "data.options.state=", "data.options.min_rating=0"],
    ),
    "steam": (small.steam, []),
}
QUICK = ("mind", "hm")


@pytest.mark.parametrize(
    "name", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in RUN]
)
def test_a_recipe_goes_from_the_public_files_to_figures(name, tmp_path):
    write, overrides = RUN[name]
    write(tmp_path / "files")
    folder = f"data.options.folder={tmp_path / 'files'}"
    recipe = Recipe.load(name, [folder, *SMALL, *overrides])
    outcome = run_recipe(recipe, Workspace(tmp_path / "run"))
    figures = outcome.report.values["recommenders"]["genrec"]
    assert figures["invalid_generations"] == 0
    assert outcome.report.values["users"] >= 5
    assert len(outcome.shown.recommendations) > 3


@pytest.mark.parametrize("name", [*RUN, "minionerec", "complete-journey"])
def test_every_application_can_be_tuned(name):
    assert name in shipped_names(RECIPES)
    recipe = Recipe.load(name)
    assert recipe.train.validate_every
    ranges = recipe.search_space.ranges
    assert all(recipe.option(path) in one for path, one in ranges.items())
