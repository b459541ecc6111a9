from dataclasses import replace

import pytest

from genrec.data.dataset import Dataset
from genrec.errors import ArtefactError
from genrec.recipe import Recipe
from genrec.stages.prepare import build_ids
from genrec.stages.run import Run
from genrec.workspace import Workspace


@pytest.mark.parametrize("option", ["llm.start_from", "semantic_ids.codebooks_from"])
def test_a_run_without_semantic_ids_to_start_from_is_named_by_its_option(tmp_path, option):
    recipe = Recipe.load("toy-shop", [f"{option}={tmp_path / 'tower'}"])
    run = replace(Run(recipe, Workspace(tmp_path / "run")), keys={"item_vectors": "any"})
    dataset = Dataset.load("toy_shop", items=40, shoppers=10)
    with pytest.raises(ArtefactError, match=f"^{option} is .*tower, which has no semantic IDs"):
        build_ids(run, dataset, None)
