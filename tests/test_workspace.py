import errno
import json
from pathlib import Path

import pytest

from genrec.errors import ArtefactError, ConfigError, StorageError
from genrec.workspace import Workspace, content_key, open_artefact, write_artefact, write_text


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    workspace = Workspace(tmp_path / "run")
    with workspace.write("numbers", key="k1") as folder:
        (folder / "a.txt").write_text("one")
    return workspace


def test_an_artefact_is_found_by_name_and_key(workspace):
    assert (workspace.open("numbers") / "a.txt").read_text() == "one"
    assert workspace.is_current("numbers", "k1")
    assert not workspace.is_current("numbers", "k2")
    assert not workspace.is_current("letters", "k1")


def test_the_run_file_has_versions_and_keys(workspace):
    assert workspace.run["artefacts"]["numbers"]["key"] == "k1"
    assert "python" in workspace.run["versions"]


def test_a_failed_write_leaves_the_old_artefact(workspace):
    with pytest.raises(RuntimeError), workspace.write("numbers", key="k2") as folder:
        (folder / "a.txt").write_text("two")
        raise RuntimeError
    assert (workspace.open("numbers") / "a.txt").read_text() == "one"
    assert [path.name for path in workspace.folder.iterdir() if path.name.endswith("new")] == []


def test_a_full_disk_is_said_in_words_and_the_old_artefact_stays(workspace):
    with (
        pytest.raises(StorageError, match="untouched"),
        workspace.write("numbers", key="k2") as folder,
    ):
        (folder / "a.txt").write_text("two")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert workspace.is_current("numbers", "k1")


@pytest.mark.parametrize("size", ["4096"])
def test_a_really_full_device_keeps_nothing_half_written(tmp_path, size):
    target = Path("/dev/full")
    if not target.exists():
        target = tmp_path
    with pytest.raises((StorageError, IsADirectoryError)):
        from genrec.workspace import storage_errors

        with storage_errors(target), target.open("w") as file:
            file.write("x" * int(size))
            file.flush()


@pytest.mark.parametrize("harm", ["truncated", "changed", "missing", "unsealed"])
def test_damage_is_named(workspace, harm):
    file = workspace.path("numbers") / "a.txt"
    if harm == "truncated":
        file.write_text("on")
    elif harm == "changed":
        file.write_text("two")
    elif harm == "missing":
        file.unlink()
    else:
        (workspace.path("numbers") / "artefact.json").write_text("[]")
    with pytest.raises(ArtefactError, match="Delete"):
        workspace.open("numbers")
    assert not workspace.is_current("numbers", "k1")


def test_a_newer_format_is_refused_with_advice(workspace):
    seal = workspace.path("numbers") / "artefact.json"
    seal.write_text(json.dumps({**json.loads(seal.read_text()), "format": 99}))
    with pytest.raises(ArtefactError, match="Upgrade genrec"):
        workspace.open("numbers")


def test_another_kind_is_refused(tmp_path):
    with write_artefact(tmp_path / "x", "letters"):
        pass
    with pytest.raises(ArtefactError, match="holds a letters, not a numbers"):
        open_artefact(tmp_path / "x", "numbers")


def test_a_kill_between_two_renames_loses_nothing(workspace):
    folder = workspace.path("numbers")
    folder.rename(folder.with_name(".numbers.old"))
    assert (workspace.open("numbers") / "a.txt").read_text() == "one"


def test_two_runs_cannot_write_at_once(workspace):
    with (
        workspace.lock(),
        pytest.raises(ConfigError, match="Another genrec run"),
        Workspace(workspace.folder).lock(),
    ):
        pass


def test_leftovers_of_a_killed_run_are_cleared_by_the_next(workspace):
    (workspace.folder / ".numbers.123.new").mkdir()
    with workspace.lock():
        assert not (workspace.folder / ".numbers.123.new").exists()


def test_text_is_written_whole(tmp_path):
    write_text(tmp_path / "deep" / "a.txt", "x")
    assert (tmp_path / "deep" / "a.txt").read_text() == "x"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_keys_follow_the_content():
    assert content_key("a", {"x": 1, "y": 2}) == content_key("a", {"y": 2, "x": 1})
    assert content_key("a", {"x": 1}) != content_key("a", {"x": 2})


def test_a_damaged_run_file_is_named(workspace):
    (workspace.folder / "run.json").write_text("{")
    with pytest.raises(ArtefactError, match=r"run\.json is damaged"):
        _ = workspace.run
