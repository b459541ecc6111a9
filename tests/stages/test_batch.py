import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.data.storage import write_dataset
from genrec.errors import ArtefactError, ConfigError, InputError, MissingExtra
from genrec.recipe import Recipe
from genrec.stages.batch import ShardWriter, recommend_all, rows_of
from genrec.stages.batch_folder import BatchOptions, Job
from genrec.stages.engines import ENGINES
from genrec.stages.recommend import open_recommender
from genrec.stages.run import Observer, Run
from genrec.versions import Versions
from genrec.workspace import Workspace
from tests.ray_workers import workers_of
from tests.small import small_recommender
from tests.stages.batch_shop import NEWCOMERS, shop, shop_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return shop_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def opened(run):
    return open_recommender(run)


def shards(folder: Path) -> dict[str, pl.DataFrame]:
    return {path.name: pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def assert_equal_shards(ours: Path, theirs: Path) -> None:
    one, other = shards(ours), shards(theirs)
    assert list(one) == list(other)
    for name, table in one.items():
        assert table.drop("score").equals(other[name].drop("score")), name
        np.testing.assert_allclose(table["score"], other[name]["score"], atol=1e-5)


OPTIONS = BatchOptions(n=6, new=True, where={"price": {"max": 40}}, shard_users=25)


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory) -> Path:
    """A finished job, for the tests that only look at it."""
    folder = tmp_path_factory.mktemp("jobs") / "whole"
    recommend_all(run, folder, OPTIONS)
    return folder


def test_every_user_gets_the_list_that_they_get_alone(whole, opened):
    dataset, recommender = opened
    table = pl.concat(shards(whole).values())
    assert table["user"].unique(maintain_order=True).to_list() == list(dataset.users)
    for user, rows in table.group_by("user", maintain_order=True):
        alone = recommender.recommend(
            dataset.history(user[0]), 6, where={"price": {"max": 40}}, exclude_seen=True
        )
        assert rows["item_id"].to_list() == [one.item.id for one in alone]
        assert rows["rank"].to_list() == [1, 2, 3, 4, 5, 6]
        np.testing.assert_allclose(rows["score"], [one.score for one in alone], atol=1e-4)


def test_the_manifest_counts_what_lies_there(whole):
    manifest = json.loads((whole / "_manifest.json").read_text())
    tables = shards(whole)
    assert manifest["users"] == 62
    assert manifest["recommendations"] == sum(len(table) for table in tables.values()) == 372
    assert [(one["file"], one["users"]) for one in manifest["shards"]] == [
        ("part-00000.parquet", 25),
        ("part-00001.parquet", 25),
        ("part-00002.parquet", 12),
    ]
    assert manifest["users_with_fewer"] == 0


def test_other_readers_take_the_folder_as_one_table(whole):
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(whole).num_rows == 372
    assert pl.read_parquet(whole / "*.parquet").height == 372


class Watcher(Observer):
    def __init__(self):
        self.done, self.notes = [], []

    def progressed(self, stage, done, total, note=""):
        self.done.append((done, total))

    def finished(self, stage, note, seconds, *, reused):
        self.notes.append((note, reused))


def again(run: Run, folder: Path, options: BatchOptions = OPTIONS, **words) -> Watcher:
    watcher = Watcher()
    recommend_all(Run(run.recipe, run.workspace, watcher), folder, options, **words)
    return watcher


def test_a_shard_that_is_whole_is_kept_and_any_other_is_made_again(run, whole, tmp_path):
    folder = tmp_path / "job"
    assert again(run, folder).notes == [("shards: 3 computed, 0 kept", False)]
    assert again(run, folder).notes == [("shards: 0 computed, 3 kept", True)]
    kept, cut, foreign = sorted(folder.glob("*.parquet"))
    before = kept.stat().st_mtime_ns
    cut.write_bytes(cut.read_bytes()[:-30])
    foreign.write_bytes(kept.read_bytes())
    (folder / ".part-00001.parquet.1.new").write_bytes(b"half")
    watcher = again(run, folder)
    assert watcher.notes == [("shards: 2 computed, 1 kept", False)]
    assert watcher.done[0] == (25, 62)
    assert watcher.done[-1] == (62, 62)
    assert kept.stat().st_mtime_ns == before
    assert not list(folder.glob("*.new"))
    assert_equal_shards(folder, whole)


def test_a_shard_with_one_changed_score_is_noticed(run, tmp_path):
    again(run, tmp_path, users=["u1", "u2"])
    (path,) = tmp_path.glob("*.parquet")
    metadata = {"genrec": pl.read_parquet_metadata(path)["genrec"]}
    honest = pl.read_parquet(path)
    honest.with_columns(pl.col("score") + 1).write_parquet(path, metadata=metadata)
    assert again(run, tmp_path, users=["u1", "u2"]).notes == [("shards: 1 computed, 0 kept", False)]
    assert pl.read_parquet(path).equals(honest)


@pytest.mark.parametrize(
    ("options", "users", "message"),
    [
        (BatchOptions(n=7, shard_users=25), None, "n is 6 there, 7 here"),
        (BatchOptions(n=6, shard_users=30), None, "shard_users is 25 there, 30 here"),
        (OPTIONS, ["u1"], "users is 62 there, 1 here; it is for other users"),
    ],
)
def test_shards_of_other_options_are_neither_mixed_nor_lost(run, whole, options, users, message):
    before = shards(whole)
    with pytest.raises(ConfigError, match="another job") as error:
        recommend_all(run, whole, options, users=users)
    assert message in str(error.value)
    assert "--into" in str(error.value)
    assert all(table.equals(before[name]) for name, table in shards(whole).items())


def test_a_recommender_trained_again_is_another_job(run, tmp_path):
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(run.workspace.folder, copy.folder)
    job = tmp_path / "job"
    again(Run(run.recipe, copy), job, users=["u1"])
    with copy.write("recommender", "r2") as at:
        small_recommender(tmp_path / "fit", steps=1).write(at)
    with pytest.raises(ConfigError, match="decode options have changed"):
        again(Run(run.recipe, copy), job, users=["u1"])


class Promoter(Observer):
    """Puts a version into use as soon as the job has begun."""

    def __init__(self, workspace: Workspace, version: str) -> None:
        self.workspace, self.version = workspace, version

    def started(self, stage):
        self.workspace.point_to(Versions.read(self.workspace.root).with_promoted(self.version))


@pytest.fixture(scope="module")
def two_versions(run, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("updated") / "run"
    shutil.copytree(run.workspace.folder, folder)
    version = Workspace(folder, version="0001")
    version.record("recipe", run.recipe.model_dump(mode="json"))
    with version.write("dataset", "d") as at:
        write_dataset(shop(), at)
    with version.write("recommender", "r2") as at:
        small_recommender(folder.parent / "fit", steps=1).write(at)
    return folder


@pytest.fixture
def updated(two_versions, tmp_path) -> Path:
    """A copy of the run with a further version, trained otherwise, that is not in use yet."""
    return shutil.copytree(two_versions, tmp_path / "updated")


def test_a_promotion_in_mid_job_changes_no_list_of_it(run, whole, updated, tmp_path):
    job = tmp_path / "job"
    first = Run(run.recipe, Workspace(updated), Promoter(Workspace(updated), "0001"))
    recommend_all(first, job, OPTIONS)
    assert Workspace(updated).version == "0001"
    assert_equal_shards(job, whole)
    recommend_all(Run(run.recipe, Workspace(updated)), tmp_path / "later", OPTIONS)
    ours, later = (pl.concat(shards(one).values()) for one in (job, tmp_path / "later"))
    assert not ours["item_id"].equals(later["item_id"])


def test_a_job_goes_on_with_the_version_that_it_began_with(run, whole, updated, tmp_path):
    job, workspace = tmp_path / "job", Workspace(updated)
    again(Run(run.recipe, workspace), job)
    workspace.point_to(Versions(updated, ("0001",)))
    now = Run(run.recipe, Workspace(updated))
    with pytest.raises(ConfigError, match="the recommender, its data or its decode options"):
        again(now, job)
    (job / "_manifest.json").unlink()
    (job / "part-00001.parquet").unlink()
    assert again(now, job).notes == [("shards: 1 computed, 2 kept", False)]
    assert_equal_shards(job, whole)
    assert json.loads((job / "_manifest.json").read_text())["version"] == ""


def test_a_job_whose_version_is_gone_says_so(run, updated, tmp_path):
    job = tmp_path / "job"
    again(Run(run.recipe, Workspace(updated, version="0001")), job, users=["u1"])
    (job / "_manifest.json").unlink()
    shutil.rmtree(updated / "versions" / "0001")
    with pytest.raises(ConfigError, match=r"begun with version 0001 .* not there any more.*--into"):
        again(Run(run.recipe, Workspace(updated)), job, users=["u1"])


def test_another_way_of_decoding_is_another_job(run, tmp_path):
    again(run, tmp_path, users=["u1"])
    wider = Recipe.parse({**run.recipe.model_dump(mode="json"), "decode": {"beams": 50}})
    with pytest.raises(ConfigError, match="decode options have changed"):
        again(Run(wider, run.workspace), tmp_path, users=["u1"])


def test_a_folder_of_something_else_is_left_alone(run, tmp_path):
    (tmp_path / "thesis.txt").write_text("do not lose me")
    with pytest.raises(ConfigError, match="holds 'thesis.txt'"):
        recommend_all(run, tmp_path, OPTIONS)
    with pytest.raises(ConfigError, match="is no folder of recommendations"):
        recommend_all(run, run.workspace.folder, OPTIONS)
    with pytest.raises(ConfigError, match="is a file"):
        recommend_all(run, tmp_path / "thesis.txt", OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_processes_do_not_write_to_one_folder(run, whole):
    with Workspace(whole).lock(), pytest.raises(ConfigError, match="Another genrec run"):
        recommend_all(run, whole, OPTIONS)


def test_all_unknown_and_repeated_users_are_named_at_once(opened):
    with pytest.raises(InputError) as error:
        rows_of(opened[0], ["u3", "ghost", "u4", "u3", "spectre"])
    assert error.value.problems == [
        "user 2: shop has no user 'ghost'",
        "user 4: 'u3' is named a second time",
        "user 5: shop has no user 'spectre'",
    ]
    with pytest.raises(InputError, match="No user is named"):
        rows_of(opened[0], [])


def test_a_filter_that_nothing_passes_is_refused_before_work_begins(run, tmp_path):
    with pytest.raises(InputError, match="None of the 60 items passes"):
        recommend_all(run, tmp_path / "job", BatchOptions(where={"price": {"above": 99}}))
    with pytest.raises(InputError, match="no attribute 'prize'"):
        recommend_all(run, tmp_path / "job", BatchOptions(where={"prize": 3}))
    assert not (tmp_path / "job").exists()


def test_users_for_whom_too_little_is_allowed_are_counted(run, tmp_path):
    options = BatchOptions(n=5, where={"price": {"max": 2}})
    manifest = recommend_all(run, tmp_path, options, users=["u0", NEWCOMERS[0]])
    assert (manifest["recommendations"], manifest["users_with_fewer"]) == (6, 2)


def test_options_that_do_not_fit_are_refused(run, tmp_path):
    with pytest.raises(ConfigError, match="n is 0"):
        BatchOptions(n=0)
    with pytest.raises(ConfigError, match="did you mean 'local'"):
        recommend_all(run, tmp_path, OPTIONS, engine="locl")
    with pytest.raises(ConfigError, match="add --engine ray"):
        recommend_all(run, tmp_path, OPTIONS, workers=2)


def start(run: Run, into: Path, *words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "genrec.cli.main", "recommend", str(run.workspace.folder)]
    command += [
        "--all-users",
        "--into",
        str(into),
        "-n",
        "6",
        "--new",
        "--shard-users",
        "2",
        *words,
    ]
    return subprocess.Popen(
        [*command, "--where", '{"price": {"max": 40}}'],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for_a_shard(process: subprocess.Popen, into: Path) -> None:
    while process.poll() is None and not list(into.glob("*.parquet")):
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_job_goes_on_to_the_same_shards(run, tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    options = BatchOptions(n=6, new=True, where={"price": {"max": 40}}, shard_users=2)
    again(run, undisturbed, options)
    process = start(run, killed)
    wait_for_a_shard(process, killed)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    first = {path.name: path.stat().st_mtime_ns for path in killed.glob("*.parquet")}
    assert 0 < len(first) < 31
    assert not (killed / "_manifest.json").exists()
    assert again(run, killed, options).notes == [
        (f"shards: {31 - len(first)} computed, {len(first)} kept", False)
    ]
    assert all((killed / name).stat().st_mtime_ns == time for name, time in first.items())
    assert_equal_shards(killed, undisturbed)


@pytest.mark.slow
def test_ray_gives_the_same_shards_although_a_worker_is_killed(run, tmp_path):
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    here, there = tmp_path / "here", tmp_path / "there"
    options = BatchOptions(n=6, new=True, where={"price": {"max": 40}}, shard_users=2)
    again(run, here, options)
    process = start(run, there, "--engine", "ray", "--workers", "2")
    wait_for_a_shard(process, there)
    workers = workers_of(process.pid)
    assert len(workers) == 2, process.communicate()
    os.kill(workers[0], signal.SIGKILL)
    printed, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert printed == f"62 users, 372 recommendations, shards: 31, in {there}\n"
    assert "Traceback" not in errors
    assert_equal_shards(there, here)
    assert json.loads((there / "_manifest.json").read_text())["shards"][30]["users"] == 2


def test_an_error_in_a_worker_of_ray_reaches_the_user_as_itself(run, tmp_path):
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    from genrec.stages.batch_ray import Worker, raise_told

    def told(folder: Path) -> dict:
        job = Job(Workspace(folder), run.recipe, tmp_path, BatchOptions(n=3), (0, 1, 2), "r")
        batch = Worker(partial(ShardWriter, job), job.shards, 1)({"part": np.array([0])})
        return {name: values[0] for name, values in batch.items()}

    fine = told(run.workspace.folder)
    raise_told(fine)
    assert (fine["part"], fine["kind"]) == (0, "")
    assert sum(len(table) for table in shards(tmp_path).values()) == 9
    with pytest.raises(ArtefactError, match="has no 'dataset'"):
        raise_told(told(tmp_path / "elsewhere"))


def test_without_ray_the_message_says_how_to_get_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "genrec.stages.batch_ray", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'genrec\[ray\]'"):
        recommend_all(run, tmp_path / "job", OPTIONS, engine="ray")
    assert ENGINES.names() == ["local", "ray"]
    assert not (tmp_path / "job").exists()
