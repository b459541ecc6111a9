"""What a recommender is made from, for those that start from an earlier run."""

import pytest

from genrec.recipe import Recipe
from genrec.stages.run import Observer, Run
from genrec.stages.train import train
from genrec.stages.train_one_pass import train_one_pass
from genrec.workspace import Workspace, write_artefact
from tests.small import small_dataset, small_index


class Stopped(Exception):
    """Nothing is trained."""


class Stopping(Observer):
    def started(self, stage):
        raise Stopped


@pytest.mark.parametrize("stage", [train, train_one_pass])
def test_another_llm_in_the_run_to_start_from_asks_for_another_training(stage, tmp_path):
    def key(weights):
        earlier = tmp_path / "earlier"
        with write_artefact(earlier / "recommender", "recommender") as folder:
            (folder / "weights").write_text(weights)
        content = {"name": "later", "data": {"source": "toy_shop"}, "one_pass": {}}
        recipe = Recipe.parse({**content, "llm": {"start_from": str(earlier)}})
        run = Run(recipe, Workspace(tmp_path / "later"), Stopping(), {"semantic_ids": "same"})
        with pytest.raises(Stopped):
            stage(run, small_dataset(5), small_index())
        return run.keys["recommender"]

    assert key("one") == key("one")
    assert key("one") != key("another")
