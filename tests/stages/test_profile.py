import json
import shutil

import polars as pl
import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.data.storage import read_dataset, write_dataset
from genrec.errors import ArtefactError, InputError
from genrec.llm.text import TextModel
from genrec.profiles.storage import FORGOTTEN, SUMMARIES, Tombstones
from genrec.recipe import Recipe
from genrec.stages.pipeline import run_recipe
from genrec.stages.profile import forget_user, profiles_of, segment_of, segments_of, summary_of
from genrec.stages.run import Run
from genrec.workspace import Workspace
from tests.profiles.shop import catalog, crowd_rows, tea_lover, visits_of


@pytest.fixture
def run(tmp_path):
    import numpy as np

    rows = [*crowd_rows(30, 20, np.random.default_rng(0)), *tea_lover()]
    rows += visits_of("secret-user-77", [["So0", "So1"]] * 20)
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "time", "basket_id"], orient="row")
    table.write_parquet(tmp_path / "events.parquet")
    catalog().table.write_parquet(tmp_path / "items.parquet")
    recipe = {
        "name": "shop",
        "data": {
            "source": "tables",
            "options": {
                "interactions": str(tmp_path / "events.parquet"),
                "items": str(tmp_path / "items.parquet"),
            },
        },
        "segments": {"floor": 2, "segments": 3},
    }
    workspace = Workspace(tmp_path / "run")
    run_recipe(Recipe.parse(recipe), workspace, until="load_data")
    return Run(Recipe.parse(recipe), workspace)


def again(run, **changes):
    content = {**run.recipe.model_dump(mode="json"), **changes}
    return Run(Recipe.parse(content), run.workspace)


def everything(run):
    """All that stands in the run's folder outside its data set."""
    return b"".join(
        path.read_bytes()
        for path in sorted(run.workspace.folder.rglob("*"))
        if path.is_file() and "dataset" not in path.parts
    )


def asked(run, *words):
    return CliRunner().invoke(app, ["profile", str(run.workspace.folder), *words])


def test_profiles_are_made_once_and_read_again(run):
    made = profiles_of(run)
    stamp = (run.path("profiles") / "traits.parquet").stat().st_mtime_ns
    read = profiles_of(again(run))
    assert read.traits.equals(made.traits)
    assert read["ann"] == made["ann"]
    assert (run.path("profiles") / "traits.parquet").stat().st_mtime_ns == stamp


def test_profiles_that_were_read_can_go_on_too(run):
    from genrec.data.dataset import Interaction

    profiles_of(run)
    read = profiles_of(again(run))["ann"]
    grown = read.after(Interaction("ann", "Te0", 1_710_000_000, 99))
    assert grown.events == read.events + 1


def test_other_options_make_them_anew(run):
    profiles_of(run)
    fewer = profiles_of(again(run, profiles={"likes": 0}))
    assert not fewer["ann"].of("like", "favourite")


def test_damaged_profiles_are_made_anew(run):
    made = profiles_of(run)
    (run.path("profiles") / "traits.parquet").write_bytes(b"PAR1")
    assert profiles_of(again(run)).traits.equals(made.traits)


class Writer(TextModel):
    name = "writer"

    def __init__(self):
        self.calls = 0

    def _answer(self, conversations, sampling):
        self.calls += 1
        return [["Comes for Tea by Acorn [1]."] for _ in conversations]

    def _stream(self, messages, sampling):
        yield ""


def test_a_written_summary_is_kept(run):
    writer = Writer()
    first = summary_of(run, "ann", writer)
    assert first.model == "writer"
    assert summary_of(again(run), "ann", writer) == first
    assert writer.calls == 1


def test_forgetting_leaves_nothing_but_a_tombstone_on_disk(run):
    user = "secret-user-77"
    profiles_of(run)
    segments_of(run)
    summary_of(run, user, Writer())
    left = run.workspace.folder / ".profiles.old"
    left.mkdir()
    (left / "users.parquet").write_bytes(user.encode())
    assert user.encode() in everything(run)
    assert list(run.path(SUMMARIES).iterdir())
    assert segment_of(run, user) is not None

    done = forget_user(again(run), user)

    assert done.known
    assert done.still == (str(run.path("dataset")),)
    assert user.encode() not in everything(run)
    assert not run.path(SUMMARIES).exists()
    assert not left.exists()
    stones = json.loads(run.path(FORGOTTEN).read_text())
    assert len(stones["users"]) == 1
    assert user not in run.path(FORGOTTEN).read_text()


def test_all_versions_of_a_run_that_still_hold_the_events_are_named(run):
    other = run.workspace.root / "versions" / "0001"
    shutil.copytree(run.path("dataset"), other / "dataset")
    (other / "recommender").mkdir()
    without = other.with_name("0002") / "dataset"
    without.mkdir(parents=True)
    write_dataset(read_dataset(other / "dataset").without_users({"ann"}), without)
    folders = (run.path("dataset"), other / "dataset", other / "recommender")
    assert forget_user(again(run), "ann").still == tuple(map(str, folders))


def test_parquet_of_later_builds_has_no_row_of_the_forgotten(run):
    segments_of(run)
    forget_user(run, "ann")
    later = again(run, profiles={"visits": 4})
    assert "ann" not in profiles_of(later)
    users = pl.read_parquet(run.path("profiles") / "users.parquet")["user_id"]
    assert "ann" not in users.to_list()
    assert "ann" not in segments_of(again(run)).members["user_id"].to_list()
    with pytest.raises(InputError, match="no profile of 'ann'"):
        profiles_of(later)["ann"]


def test_forgetting_that_was_stopped_half_way_is_finished_by_the_next_build(run):
    user = "secret-user-77"
    segments_of(run)
    summary_of(run, user, Writer())
    # Killed after the tombstone, before anything was deleted.
    Tombstones.read(run.workspace).with_user(user).write(run.workspace)
    profiles_of(again(run))
    assert user.encode() not in everything(run)
    assert not run.path(SUMMARIES).exists()


def test_two_can_be_forgotten_and_one_twice(run):
    for user in ("ann", "c1", "ann"):
        forget_user(again(run), user)
    stones = Tombstones.read(run.workspace)
    assert len(stones.hashes) == 2
    assert "ann" in stones
    assert "c2" not in stones


def test_somebody_unknown_can_be_forgotten_beforehand(run):
    assert not forget_user(run, "tomorrow").known
    assert "tomorrow" in Tombstones.read(run.workspace)


def test_without_a_readable_list_of_the_forgotten_nothing_is_built(run):
    forget_user(run, "ann")
    run.path(FORGOTTEN).write_text("{")
    with pytest.raises(ArtefactError, match="who is forgotten"):
        profiles_of(again(run))


def test_the_command_shows_a_profile_as_text_and_as_json(run):
    done = asked(run, "--user", "ann")
    assert done.exit_code == 0, done.output
    assert "Comes for Tea by Acorn" in done.stdout
    values = json.loads(asked(run, "--user", "ann", "--json").stdout)
    assert values["traits"][0]["evidence"]
    assert values["user"] == "ann"


def test_the_command_groups_drifts_summarises_and_forgets(run):
    found = json.loads(asked(run, "--segments", "--json").stdout)
    assert all(one["users"] >= 2 for one in found["segments"])
    assert json.loads(asked(run, "-u", "ann", "--json").stdout)["segment"]
    assert "stayed" in asked(run, "--user", "ann", "--drift").stdout
    spans = "2024-01-01:2024-02-29,2024-03-01:2024-12-31"
    assert "stayed" in asked(run, "--user", "ann", "--windows", spans).stdout
    assert "by template" in asked(run, "--user", "ann", "--summary").stdout
    assert "are deleted" in asked(run, "--forget", "ann").stdout
    assert isinstance(asked(run, "--user", "ann").exception, InputError)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--forget", "ann", "--user", "ann"],
        ["--drift"],
        ["--user", "ann", "--windows", "2024-01-01"],
        ["--user", "ann", "--windows", "yesterday:today,a:b"],
    ],
)
def test_what_makes_no_sense_is_refused(run, words):
    assert isinstance(asked(run, *words).exception, InputError)


def test_where_nobody_is_alike_the_command_says_what_to_change(run):
    said = " ".join(asked(run, "--segments", "segments.floor=1000").stdout.split())
    assert "No segment: no 1,000 users" in said
    assert "segments.floor" in said
