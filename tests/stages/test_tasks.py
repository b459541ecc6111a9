"""The recipe that mixes tasks, from data to what is answered; and a run's lists re-ranked."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.data.dataset import Dataset
from genrec.errors import ConfigError
from genrec.profiles.options import ProfileConfig
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.tasks.mix import TASKS, LearntTasks
from genrec.stages.judge import protocol
from genrec.stages.judge_tasks import judge_tasks
from genrec.stages.pipeline import run_recipe
from genrec.stages.profile_words import profile_words
from genrec.stages.shop import stored_run
from genrec.workspace import Workspace
from tests.small_chat import write_chat_model

QUICK = [
    "data.options={reviews: true, items: 60, shoppers: 40}",
    "llm.name=tiny",
    "train.steps=2",
    "train.batch_size=2",
    "evaluate.against=[popular]",
    "tasks.task_words=16",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("mixed"))
    run_recipe(Recipe.load("finetune/task-mix", QUICK), workspace, until="train")
    return workspace


def test_the_recipe_learns_every_task(run):
    catalog = Dataset.load("toy_shop", items=60, shoppers=40).catalog
    recommender = GenerativeRecommender.load(run.path("recommender"), catalog)
    assert set(recommender.learnt.prompts) == set(TASKS)
    assert recommender.learnt.left_out == ()


def test_its_answers_are_judged_by_the_command(run):
    done = CliRunner().invoke(app, ["evaluate", str(run.folder), "--tasks", "--json", "-q"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == {"rating", "direct"}
    assert found["rating"]["ratings"] == found["direct"]["cases"] == 40
    shown = CliRunner().invoke(app, ["evaluate", str(run.folder), "--tasks", "-q"]).stdout
    assert "strangers" in shown and "biases" in shown
    low, high = found["rating"]["sureness"]["intervals"]["model"]
    assert low <= found["rating"]["model"] <= high
    assert f"[{low:.3f}, {high:.3f}]" in shown


def test_its_lists_are_judged_in_the_order_of_an_llm_beside_their_own(run, tmp_path):
    words = ["--model", write_chat_model(tmp_path), "--users", "6", "--candidates", "3"]
    done = CliRunner().invoke(app, ["rerank", str(run.folder), *words, "--json", "-q"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found["recommenders"]) == {"reranked", "genrec"}
    ours = protocol(stored_run(run.folder))
    assert found["protocol"]["line"] == str(replace(ours, name="reranked", drawn_users=6))


def test_a_run_that_learned_none_of_it_says_how_to(run, monkeypatch):
    titles = LearntTasks({"title_to_id": ""})
    monkeypatch.setattr(LearntTasks, "of", staticmethod(lambda _: titles))
    with pytest.raises(ConfigError, match="neither 'rating' nor 'direct'"):
        judge_tasks(run.folder)


def test_what_a_profile_says_stops_before_the_last_event():
    data = Dataset.load("toy_shop", items=60, shoppers=40)
    words = profile_words(data, ProfileConfig())
    assert words
    assert not any("[" in text for text in words.values())
    before, _ = data.split("last-out")
    again = profile_words(data, ProfileConfig())
    assert words == again
    assert set(words) <= set(map(str, before.users))
