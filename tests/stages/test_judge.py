"""What a run is judged by was not trained on."""

import pytest

from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.stages.judge_chat import judge_chat
from genrec.stages.judge_reranked import judge_reranked
from genrec.stages.judge_tasks import judge_tasks
from genrec.stages.pipeline import evaluate_again
from genrec.versions import Versions
from genrec.workspace import Workspace

RECIPE = {
    "name": "timed",
    "data": {"source": "toy_shop"},
    "evaluate": {"split": "global-time"},
}


@pytest.fixture
def updated(tmp_path):
    """A run that is split by time, at its first update."""
    Workspace(tmp_path).point_to(Versions(tmp_path).with_promoted("0001"))
    Workspace(tmp_path).record("recipe", Recipe.parse(RECIPE).model_dump(mode="json"))
    return tmp_path


@pytest.mark.parametrize(
    "judge",
    [
        judge_chat,
        judge_tasks,
        lambda folder: judge_reranked(folder, "nobody"),
        lambda folder: evaluate_again(Recipe.parse(RECIPE), Workspace(folder)),
    ],
)
def test_what_an_update_has_trained_on_judges_nothing(updated, judge):
    with pytest.raises(ConfigError, match=r"trained on events of the last tenth.*report\.txt"):
        judge(updated)
