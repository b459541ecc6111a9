import json

import pytest
from typer.testing import CliRunner

from genrec.cli.listing import KINDS
from genrec.cli.main import app
from genrec.errors import ConfigError, InputError
from genrec.workspace import Workspace


def call(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_every_list_prints_as_text_and_as_json(kind):
    rows = json.loads(call("ls", kind, "--json"))
    text = call("ls", kind)
    assert all(row["name"] in text for row in rows)
    assert kind == "runs" or rows


def test_ls_alone_names_the_lists():
    assert call("ls").split() == list(KINDS)


def test_a_recipe_shows_as_it_is_and_as_options():
    assert call("show", "quickstart").startswith("# ")
    options = json.loads(call("show", "quickstart", "--json"))["options"]
    assert options["name"] == "quickstart"


def test_a_run_shows_what_the_gate_decided(tmp_path):
    workspace = Workspace(tmp_path / "run")
    workspace.record("recipe", {"name": "mini"})
    assert "preference" not in call("show", str(workspace.folder))
    with workspace.write("preference", "k") as folder:
        (folder / "decision.json").write_text('{"in_words": "refused: worse by .1"}')
    assert "Learning from preference: refused: worse by .1." in call("show", str(workspace.folder))


def test_a_prompt_shows():
    assert "{{ history }}" in call("show", "recommend/next_item")


def test_a_recipe_is_copied_once(tmp_path):
    call("cp", "quickstart", str(tmp_path / "mine.yaml"))
    assert (tmp_path / "mine.yaml").read_text() == call("cp", "quickstart", "-")
    with pytest.raises(InputError, match="exists already"):
        call("cp", "quickstart", str(tmp_path / "mine.yaml"))


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="quickstart"):
        call("show", "quickstat")


def test_the_version_is_the_package_s():
    assert call("--version").strip() == "0.1.0"
