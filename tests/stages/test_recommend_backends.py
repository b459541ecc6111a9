"""The back-ends of a finished run by name."""

import pytest

from genrec.errors import ConfigError, MissingExtra
from genrec.recipe import Recipe
from genrec.recommenders.backends import BACKENDS
from genrec.stages.recommend import open_recommender
from genrec.stages.run import Run
from genrec.workspace import Workspace


def run_in(folder) -> Run:
    recipe = Recipe.parse({"name": "small", "data": {"source": "toy_shop"}})
    return Run(recipe, Workspace(folder))


def test_an_unknown_backend_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'vllm'"):
        open_recommender(run_in(tmp_path), "vlm")


def test_transformers_has_no_options(tmp_path):
    with pytest.raises(ConfigError, match="no option 'max_model_len'"):
        BACKENDS.load("transformers")(tmp_path, None, max_model_len=3)


def test_the_names_are_listed_without_anything_heavy():
    assert BACKENDS.names() == ["transformers", "vllm"]
    assert MissingExtra("vllm", BACKENDS.entry("vllm").extra, "x").extra == "vllm"
