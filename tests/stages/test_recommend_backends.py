"""The back-ends of a finished run by name."""

import numpy as np
import pytest

from genrec.data.sequences import History
from genrec.decoding.static import StaticSearch
from genrec.errors import ArtefactError, ConfigError, MissingExtra
from genrec.recipe import Recipe
from genrec.recommenders.backends import BACKENDS
from genrec.stages.recommend import open_recommender
from genrec.stages.run import Run
from genrec.workspace import Workspace
from tests.small import small_recommender


def run_in(folder) -> Run:
    recipe = Recipe.parse({"name": "small", "data": {"source": "toy_shop"}})
    return Run(recipe, Workspace(folder))


def test_an_unknown_backend_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'vllm'"):
        open_recommender(run_in(tmp_path), "vlm")


@pytest.mark.parametrize("name", ["pretrain/product-photos", "finetune/image-lora"])
def test_a_run_that_trains_no_llm_to_recommend_is_told_apart(tmp_path, name):
    with pytest.raises(ArtefactError, match="trains no LLM that recommends"):
        open_recommender(Run(Recipe.load(name), Workspace(tmp_path)))


def test_transformers_has_no_options_of_vllm(tmp_path):
    with pytest.raises(ConfigError, match="no option 'max_model_len'"):
        BACKENDS.load("transformers")(tmp_path, None, max_model_len=3)


def test_static_passes_recommend_the_same(tmp_path):
    made = small_recommender(tmp_path / "made")
    made.save(tmp_path / "run" / "recommender")
    opened = [
        BACKENDS.load("transformers")(tmp_path / "run", made.catalog, **options)
        for options in ({}, {"static": True})
    ]
    histories = [History(np.array([4, 9])), History(np.array([1]))]
    plain, static = (one.rank(histories, 5) for one in opened)
    assert isinstance(opened[1].search, StaticSearch)
    assert static.items.tolist() == plain.items.tolist()
    np.testing.assert_allclose(static.scores, plain.scores, atol=2e-5)


def test_static_is_true_or_false(tmp_path):
    with pytest.raises(ConfigError, match="static is 'yes'; it is true or false"):
        BACKENDS.load("transformers")(tmp_path, None, static="yes")


def test_the_names_are_listed_without_anything_heavy():
    assert BACKENDS.names() == ["transformers", "vllm"]
    assert MissingExtra("vllm", BACKENDS.entry("vllm").extra, "x").extra == "vllm"
