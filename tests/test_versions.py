"""Which version of a run is in use."""

import json

import pytest

from genrec.errors import ArtefactError, ConfigError
from genrec.versions import POINTER, Versions, root_of
from genrec.workspace import Workspace


def made(folder, name=""):
    """A version with one artefact that says its name."""
    workspace = Workspace(folder / "versions" / name if name else folder)
    with workspace.write("numbers", key=name or "first") as place:
        (place / "a.txt").write_text(name or "first")


def shown(folder):
    return (Workspace(folder).open("numbers") / "a.txt").read_text()


@pytest.fixture
def run(tmp_path):
    made(tmp_path / "run")
    made(tmp_path / "run", "0001")
    return tmp_path / "run"


def test_a_version_is_in_use_from_when_it_is_pointed_to_until_it_is_rolled_back(run):
    assert shown(run) == "first"
    Workspace(run).point_to(Versions.read(run).with_promoted("0001"))
    assert shown(run) == "0001"
    assert Workspace(run).run["artefacts"]["numbers"]["key"] == "0001"
    Workspace(run).point_to(Versions.read(run).rolled_back())
    assert shown(run) == "first"


def test_what_was_opened_before_a_promotion_stays_with_its_version(run):
    before = Workspace(run)
    Workspace(run).point_to(Versions.read(run).with_promoted("0001"))
    assert (before.open("numbers") / "a.txt").read_text() == "first"


def test_a_version_is_a_run_by_itself_and_knows_whose_it_is(run):
    version = Workspace(run / "versions" / "0001")
    assert (version.open("numbers") / "a.txt").read_text() == "0001"
    assert version.root == run
    assert Workspace(run).places == [run, run / "versions" / "0001"]
    with Workspace(run).lock(), pytest.raises(ConfigError, match="Another genrec run"):
        version.lock().__enter__()


def test_names_are_never_given_twice(run):
    assert Versions.read(run).next_name == "0002"
    assert Versions(run, ("0007",)).next_name == "0008"


def test_the_first_version_has_none_before(run):
    with pytest.raises(ConfigError, match="no version before"):
        Versions.read(run).rolled_back()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{", "cannot be read"),
        (json.dumps({"format": 9, "promoted": []}), "Upgrade genrec"),
        (json.dumps({"format": 1, "promoted": ["../elsewhere"]}), "no number"),
    ],
)
def test_a_pointer_that_cannot_be_trusted_is_refused(run, said, why):
    (run / POINTER).write_text(said)
    with pytest.raises(ArtefactError, match=why):
        Workspace(run)


def test_only_folders_of_versions_belong_to_another_run(tmp_path):
    assert root_of(tmp_path / "runs" / "0001") == tmp_path / "runs" / "0001"
    assert root_of(tmp_path / "a" / "versions" / "0001") == tmp_path / "a"
