"""A folder holds one recipe's run: another's is refused before anything of it is touched."""

import json

import pytest

from genrec.errors import ConfigError, InputError
from genrec.recipe import Recipe
from genrec.stages.finetune import run_finetuning
from genrec.stages.pipeline import run_recipe
from genrec.stages.pretrain import run_pretraining
from genrec.stages.run_folder import check_recipe, differences
from genrec.stages.tune import Search, tune
from genrec.workspace import Workspace

SHOP = {
    "name": "first",
    "data": {"source": "toy_shop", "options": {"items": 40, "shoppers": 20}},
    "llm": {"name": "tiny", "adapt": "full"},
    "train": {"steps": 3, "validate_every": 1},
}
MORE = {"source": "toy_shop", "options": {"items": 50, "shoppers": 20}}
WRITING = {"copywriter": {}}
SEARCH = {**SHOP, "name": "other", "data": MORE, "tune": {"train.learning_rate": [0.1, 0.2]}}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    run_recipe(Recipe.parse(SHOP), Workspace(folder), until="load_data")
    return folder


def of(**other):
    return Recipe.parse({**SHOP, "name": "other", **other})


def files_in(folder):
    return {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize(
    ("begin", "why"),
    [
        (
            lambda folder: run_recipe(of(data=MORE), Workspace(folder), until="load_data"),
            "data.options.items is 40 there and 50 here",
        ),
        (
            lambda folder: run_pretraining(
                of(pretrain={"masked_tokens": {}}), Workspace(folder)
            ),
            "it is for a recommender, and other for pretrain.masked_tokens",
        ),
        (
            lambda folder: run_finetuning(of(finetune=WRITING), Workspace(folder)),
            "it is for a recommender, and other for finetune.copywriter",
        ),
        (
            lambda folder: tune(SEARCH, Workspace(folder), Search(trials=1)),
            "data.options.items is 40 there and 50 here",
        ),
    ],
)  # fmt: skip
def test_another_recipe_leaves_the_folder_as_it_was(run, begin, why):
    before = files_in(run)
    with pytest.raises(ConfigError) as refused:
        begin(run)
    assert "holds a run of another recipe, first" in str(refused.value)
    assert why in str(refused.value) and "--into" in str(refused.value)
    assert files_in(run) == before


def test_all_that_differs_is_told_at_once(run):
    with pytest.raises(ConfigError) as refused:
        check_recipe(of(data={**MORE, "core": 2}, finetune=WRITING), Workspace(run))
    for one in ("for finetune.copywriter", "data.core is 0 there and 2 here", "place of dataset "):
        assert one in str(refused.value)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe.parse({**SHOP, "data": MORE}),
        of(train={"steps": 9}),
        of(preference={"method": "grpo"}, train={"validate_every": 1}),
    ],
    ids=["changed data of the same recipe", "the same data", "one that goes on from it"],
)
def test_what_belongs_to_the_run_goes_on_in_it(run, recipe):
    run_recipe(recipe, Workspace(run), until="load_data")
    assert Workspace(run).run["recipe"]["name"] == recipe.name
    assert (
        Workspace(run).about("dataset")["key"] == Workspace(run).run["artefacts"]["dataset"]["key"]
    )


def test_a_folder_in_which_nothing_was_made_is_anybody_s(tmp_path):
    Workspace(tmp_path).record("recipe", Recipe.parse(SHOP).model_dump(mode="json"))
    run_recipe(of(data=MORE), Workspace(tmp_path), until="load_data")
    assert Workspace(tmp_path).run["recipe"]["name"] == "other"


def test_options_that_a_run_of_before_did_not_have_are_no_difference(run):
    record = json.loads((run / "run.json").read_text())
    del record["recipe"]["data"]["min_item"]
    (run / "run.json").write_text(json.dumps(record))
    check_recipe(of(), Workspace(run))


def test_a_record_that_is_damaged_is_written_anew(run):
    (run / "run.json").write_text("{")
    run_recipe(Recipe.parse(SHOP), Workspace(run), until="load_data")
    assert Workspace(run).run["recipe"]["name"] == "first"
    assert list(Workspace(run).run["artefacts"]) == ["dataset"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"source": "tables", "options": {"interactions": "absent.csv"}}, "does not exist"),
        ({**SHOP["data"], "core": 500}, "core of toy"),
    ],
)
def test_what_was_refused_does_not_change_how_the_run_is_judged(run, data, problem):
    refused = {**SHOP, "data": data, "evaluate": {"exclude_seen": True}}
    before = files_in(run)
    with pytest.raises((ConfigError, InputError), match=problem):
        run_recipe(Recipe.parse(refused), Workspace(run), until="load_data")
    assert files_in(run) == before


def test_differences_have_paths_and_both_values():
    assert list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}})) == [("a.c", 2, 3)]
