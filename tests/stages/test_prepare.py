from dataclasses import replace

import pytest

from genrec.data.dataset import Dataset
from genrec.errors import ArtefactError, ConfigError, InputError
from genrec.recipe import Recipe
from genrec.stages.pipeline import run_recipe
from genrec.stages.prepare import build_ids, load_data, stored_data
from genrec.stages.run import Observer, Run
from genrec.workspace import Workspace


@pytest.mark.parametrize("option", ["llm.start_from", "semantic_ids.codebooks_from"])
def test_a_run_without_semantic_ids_to_start_from_is_named_by_its_option(tmp_path, option):
    recipe = Recipe.load("toy-shop", [f"{option}={tmp_path / 'tower'}"])
    run = replace(Run(recipe, Workspace(tmp_path / "run")), keys={"item_vectors": "any"})
    dataset = Dataset.load("toy_shop", items=40, shoppers=10)
    with pytest.raises(ArtefactError, match=f"^{option} is .*tower, which has no semantic IDs"):
        build_ids(run, dataset, None)


class Watching(Observer):
    def __init__(self):
        self.reused = {}

    def finished(self, stage, note, seconds, *, reused):
        self.reused[stage] = reused


def own_files(folder, *words):
    """A recipe of three small files of one's own."""
    (folder / "events.csv").write_text("user_id,item_id,time\nu,a,1\nu,b,2\nv,a,1\nv,b,3\n")
    (folder / "items.csv").write_text("item_id,title\na,Tea\nb,Cup\n")
    (folder / "users.csv").write_text("user_id,segment\nu,cooks\nv,bakers\n")
    options = [f"data.options.{name}={folder / f'{name}.csv'}" for name in ("items", "users")]
    events = f"data.options.interactions={folder / 'events.csv'}"
    return Recipe.load("own_data", [events, *options, "data.core=0", *words])


def test_a_wrong_column_of_groups_is_told_with_the_nearest_before_anything_is_made(tmp_path):
    wrong = own_files(tmp_path, "prompt.group_by=segmnt", "llm.adapt=prompt")
    workspace = Workspace(tmp_path / "run")
    with pytest.raises(ConfigError, match="group_by is 'segmnt', .*did you mean 'segment'"):
        run_recipe(wrong, workspace)
    assert not workspace.path("item_vectors").exists() and not workspace.path("dataset").exists()


def test_features_that_the_data_lack_are_all_told_before_anything_is_made(tmp_path):
    wrong = own_files(tmp_path, "prompt.features=[gap,price,kind]")
    workspace = Workspace(tmp_path / "run")
    with pytest.raises(ConfigError) as refused:
        run_recipe(wrong, workspace)
    assert str(refused.value) == (
        "prompt.features has 'price' and no item of the catalogue has a price, and has 'kind' and "
        "the events of events have no kinds. Leave them out."
    )
    assert not workspace.path("item_vectors").exists() and not workspace.path("dataset").exists()


def test_what_a_file_says_of_users_is_kept_and_written_anew_when_it_changes(tmp_path):
    recipe = own_files(tmp_path, "prompt.group_by=segment", "llm.adapt=prompt")
    workspace, reused = Workspace(tmp_path / "run"), []
    for segment in ("cooks", "cooks", "hosts"):
        (tmp_path / "users.csv").write_text(f"user_id,segment\nu,{segment}\nv,bakers\n")
        watching = Watching()
        run = Run(recipe, workspace, watching)
        load_data(run)
        reused.append(watching.reused["Load data"])
        assert stored_data(run).user_table["segment"].to_list() == [segment, "bakers"]
    assert reused == [False, True, False]


def test_a_recommender_of_items_without_events_is_refused_before_they_are_encoded(tmp_path):
    recipe = own_files(tmp_path, "data.options.interactions=null", "data.options.users=null")
    workspace = Workspace(tmp_path / "run")
    with pytest.raises(InputError) as caught:
        run_recipe(recipe, workspace)
    assert "items has no events: nobody has chosen any of its 2 items" in str(caught.value)
    assert "data.options.interactions" in str(caught.value)
    assert not workspace.path("item_vectors").exists()
    assert run_recipe(recipe, workspace, until="load_data") is None
    assert len(stored_data(Run(recipe, workspace))) == 0
