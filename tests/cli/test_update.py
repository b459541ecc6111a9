"""What ``genrec update`` takes and says, without training anything."""

import json

import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.data.storage import write_dataset
from genrec.errors import ArtefactError, ConfigError, InputError
from genrec.recipe import Recipe
from genrec.versions import Versions
from genrec.workspace import Workspace, write_artefact
from tests.small import small_dataset


@pytest.fixture
def run(tmp_path):
    """A run with one version, whose recommenders are empty."""
    for folder in (tmp_path / "run", tmp_path / "run" / "versions" / "0001"):
        workspace = Workspace(folder)
        recipe = Recipe.parse({"name": "mini", "data": {"source": "tables"}})
        workspace.record("recipe", recipe.model_dump(mode="json"))
        with workspace.write("dataset", "k") as place:
            write_dataset(small_dataset(5), place)
        with write_artefact(folder / "recommender", "recommender"):
            pass
    Workspace(tmp_path / "run").point_to(Versions(tmp_path / "run", ("0001",)))
    return tmp_path / "run"


def call(*words):
    return CliRunner().invoke(app, ["update", *map(str, words)])


def test_the_way_back_is_told(run):
    done = call(run, "--rollback")
    assert done.exit_code == 0
    assert "is back at what its recipe made; version 0001 lies in" in done.stdout
    Workspace(run).point_to(Versions(run, ("0001", "0001")))
    assert json.loads(call(run, "--rollback", "--json").stdout) == {
        "before": "0001",
        "version": "0001",
    }


def test_a_version_that_is_damaged_is_not_gone_back_to(run):
    (run / "dataset" / "events.parquet").write_bytes(b"")
    assert isinstance(call(run, "--rollback").exception, ArtefactError)
    assert Versions.read(run).current == "0001"


@pytest.mark.parametrize(
    ("words", "kind", "why"),
    [
        ((), InputError, "Name the file of new events"),
        (("new.csv", "--rollback"), InputError, "takes no events"),
        (("--rollback", "--dry-run"), InputError, "has no --dry-run"),
        (("update.margin=0.1",), InputError, "Name the file of new events"),
        (("new.csv", "update.margin=5"), ConfigError, "a share from 0 to 1, and .05 is 5 %"),
        (("new.csv", "--column", "time"), InputError, "looks like time=ts"),
        (("new.csv", "--column", "tiem=ts"), InputError, "did you mean 'time'"),
        (("new.csv", "--late", "keeping"), ConfigError, "did you mean 'keep'"),
        (("new.csv", "train.steps=3"), ConfigError, "cannot be changed"),
        (("new.csv", "--steps", "3", "update.replay=2"), ConfigError, "replay is 2"),
        (("new.csv",), InputError, r"new\.csv"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(run, words, kind, why):
    with pytest.raises(kind, match=why):
        raise call(run, *words).exception
    assert Versions.read(run).there == ["0001"]


def test_a_version_is_not_updated_by_itself(run):
    with pytest.raises(ConfigError, match="Name the run itself"):
        raise call(run / "versions" / "0001", "new.csv").exception
