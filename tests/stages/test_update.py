"""A small run continued on new events: promoted, refused, rolled back, killed."""

import hashlib
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.data.growth_files import Choices
from genrec.data.storage import read_dataset
from genrec.errors import ArtefactError, ConfigError, InputError
from genrec.profiles.storage import Tombstones
from genrec.recipe import Recipe
from genrec.semantic_ids.index import SemanticIndex
from genrec.serving.batching import Batcher
from genrec.serving.events import open_events
from genrec.serving.service import Service
from genrec.stages.loaded import open_run
from genrec.stages.pipeline import run_recipe
from genrec.stages.recommend import open_recommender
from genrec.stages.shop import stored_run
from genrec.stages.update import roll_back, update
from genrec.versions import POINTER, Versions
from genrec.workspace import Workspace
from tests.own_process import python
from tests.small import ITEMS, next_item, small_index

QUICK = ("update.steps=2", "update.cases=12")
SCHEMA = ["user_id", "item_id", "time"]


def walk(user, item, days, month):
    """Events of a user who follows the small world's rule, and the item that comes next."""
    rows = []
    for day in days:
        rows.append((user, f"i{item}", f"2024-{month:02d}-{day:02d}"))
        item = next_item(item)
    return rows, item


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A run, and files of new events and items beside it."""
    folder = tmp_path_factory.mktemp("world")
    generator = np.random.default_rng(0)
    old, new = [], []
    for user in range(40):
        rows, item = walk(f"u{user}", int(generator.integers(ITEMS)), range(1, 8), 5)
        old += rows
        if user < 20:
            rows, item = walk(f"u{user}", item, range(1, 4), 6)
            new += [*rows, (f"u{user}", f"i{ITEMS + user % 4}", "2024-06-09")]
    new += walk("newcomer", 5, range(1, 4), 6)[0]
    titles = [f"Thing {n}" for n in range(ITEMS + 4)]
    ids = [f"i{n}" for n in range(ITEMS + 4)]
    pl.DataFrame(old, schema=SCHEMA, orient="row").write_csv(folder / "events.csv")
    pl.DataFrame(new, schema=SCHEMA, orient="row").write_parquet(folder / "new.parquet")
    items = pl.DataFrame({"item_id": ids, "title": titles})
    items[:ITEMS].write_csv(folder / "items.csv")
    items[ITEMS:].write_csv(folder / "new_items.csv")
    options = {"interactions": str(folder / "events.csv"), "items": str(folder / "items.csv")}
    recipe = {
        "name": "mini",
        "data": {"source": "tables", "options": options},
        "semantic_ids": {"levels": 2, "codebook_size": 16},
        "llm": {"name": "tiny", "adapt": "full"},
        "prompt": {"history": 10},
        "packing": {"row_tokens": 128},
        "train": {"steps": 20, "batch_size": 4, "learning_rate": 0.003, "checkpoint_every": 1},
        "decode": {"beams": 10},
    }
    run_recipe(Recipe.parse(recipe), Workspace(folder / "run"), until="train")
    return folder


@pytest.fixture
def shop(world, tmp_path) -> Path:
    return shutil.copytree(world, tmp_path / "world")


def updated(shop, *overrides, **options):
    return update(
        shop / "run",
        shop / "new.parquet",
        items=shop / "new_items.csv",
        overrides=[*QUICK, *overrides],
        **options,
    )


def contents(folder, *without):
    """A hash of every file below a folder, but of those in some places."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in without
    }


def test_a_dry_run_says_what_changed_and_writes_nothing(shop):
    before = contents(shop)
    found = updated(shop, dry_run=True)
    assert contents(shop) == before
    assert (found.version, found.promoted) == ("", False)
    assert found.report.drift.items == 4
    assert found.report.drift.users == 1
    assert found.report.drift.fit.far is not None


def test_a_version_that_is_no_worse_is_promoted_served_and_rolled_back(shop):
    run, apart = shop / "run", ("versions", "checkpoints", POINTER, ".lock")
    before, first = contents(run, *apart), open_run(run)
    old_ids = SemanticIndex.read(Workspace(run).open("semantic_ids"))
    events = open_events(f"sqlite:///{shop / 'events.sqlite'}")
    service = Service(first, events, Batcher(), load=lambda _: open_run(run))

    found = updated(shop, "update.margin=1")

    assert (found.promoted, found.version) == (True, "0001")
    assert contents(run, *apart) == before
    assert {one.name for one in found.report.contrasts} == {"new events", "other users"}
    new_ids = SemanticIndex.read(Workspace(run).open("semantic_ids"))
    assert new_ids.codes[:ITEMS].tobytes() == old_ids.codes.tobytes()
    assert new_ids.item_ids == [f"i{n}" for n in range(ITEMS + 4)]
    assert service.reload() == (first.version, open_run(run).version)
    assert service.current.version != first.version
    assert len(service.current.dataset.history("newcomer")) == 3
    assert service.current.catalog.has(f"i{ITEMS}")
    assert "Update of mini" in (Workspace(run).path("update") / "report.html").read_text()
    with pytest.raises(ConfigError, match="genrec update .* --rollback"):
        run_recipe(Recipe.parse(Workspace(run).run["recipe"]), Workspace(run))
    with pytest.raises(InputError, match="no event is left"):
        updated(shop)

    assert roll_back(run) == ("0001", "")
    assert contents(run, *apart) == before
    assert service.reload()[1] == first.version
    with pytest.raises(ConfigError, match="no version before"):
        roll_back(run)
    service.close(1)


def test_an_update_takes_out_what_the_run_holds_of_those_who_asked_to_be_forgotten(shop):
    run = Workspace(shop / "run")
    Tombstones.read(run).with_user("u3").with_user("u33").write(run)
    found = updated(shop, "update.margin=1")
    assert found.promoted
    assert any(note.startswith("2 users who asked") for note in found.report.notes)
    was, now = (read_dataset(one.path("dataset")) for one in (run, Workspace(run.root)))
    assert set(was.users) - set(now.users) == {"u3", "u33"}
    assert now.history("u4").items.tolist()[:7] == was.history("u4").items.tolist()


def test_an_update_between_data_and_model_does_not_mix_two_versions(shop):
    run, newest = stored_run(shop / "run"), Versions.read(shop / "run").with_promoted("0001")
    other = shop / "run" / "versions" / "0001"
    shutil.copytree(run.path("recommender"), other / "recommender")
    (other / "recommender" / "generative.json").write_text("{}")
    for one in ("run.json", "dataset"):
        copy = shutil.copytree if (shop / "run" / one).is_dir() else shutil.copy
        copy(shop / "run" / one, other / one)
    Workspace(shop / "run").point_to(newest)
    dataset, recommender = open_recommender(run)
    assert recommender.catalog.ids == dataset.catalog.ids
    with pytest.raises(ArtefactError, match="0001"):
        open_recommender(stored_run(shop / "run"))


def test_a_version_that_is_worse_is_kept_and_not_used(shop):
    words = ["update", str(shop / "run"), str(shop / "new.parquet"), *QUICK, "update.rate=300"]
    done = CliRunner().invoke(app, [*words, "--items", str(shop / "new_items.csv"), "--json", "-q"])
    assert done.exit_code == 7
    said = json.loads(done.stdout)
    assert (said["promoted"], said["version"]) == (False, "0001")
    assert "Not promoted: NDCG@10" in said["headline"]
    assert any(cases["lost"] > 0.05 for cases in said["cases"].values())
    assert Workspace(shop / "run").place == shop / "run"
    assert open_run(shop / "run" / "versions" / "0001").catalog.has(f"i{ITEMS}")
    # The same command with a wider margin takes the version that is there.
    trained = contents(shop / "run" / "versions" / "0001" / "recommender")
    again = updated(shop, "update.rate=300", "update.margin=1")
    assert (again.promoted, again.version) == (True, "0001")
    assert contents(shop / "run" / "versions" / "0001" / "recommender") == trained


def test_a_run_that_trains_another_model_is_refused_and_left_as_it_is(shop):
    run = Workspace(shop / "run")
    content = {**run.run["recipe"], "pretrain": {"masked_tokens": {}}}
    run.record("recipe", {"pretrain": Recipe.parse(content).model_dump(mode="json")["pretrain"]})
    before = contents(shop / "run")
    with pytest.raises(ConfigError, match="section 'pretrain'"):
        updated(shop)
    assert contents(shop / "run") == before


def test_ids_that_the_recommender_was_not_trained_on_are_refused(shop):
    """As a run leaves them that builds other IDs and is refused or stopped before it trains."""
    with Workspace(shop / "run").write("semantic_ids", "other") as folder:
        small_index().write(folder)
    with pytest.raises(ArtefactError, match="other semantic IDs than those"):
        updated(shop)


def test_unknown_options_and_versions_are_refused(shop):
    with pytest.raises(ConfigError, match="cannot be changed"):
        updated(shop, "train.steps=5")
    with pytest.raises(ConfigError, match=r"did you mean 'replay'\?"):
        updated(shop, "update.reply=0.2")
    with pytest.raises(InputError, match="catalogue lacks"):
        update(shop / "run", shop / "new.parquet", choices=Choices())
    assert not (shop / "run" / "versions").exists()


KILLER = '''
"""Updates a run in children, each killed as it is about to rename its n-th file."""
import os, signal, sys
from pathlib import Path
from genrec.stages.update import update
import genrec.recommenders.generative, genrec.training.fit, sentence_transformers

def child(shop, number, words):
    done = [0]
    for name in ("rename", "replace"):
        real = getattr(os, name)
        def counted(*args, real=real, **named):
            done[0] += 1
            if done[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **named)
        setattr(os, name, counted)
    update(shop / "run", shop / "new.parquet", items=shop / "new_items.csv", overrides=words)
    os._exit(0)

shop, numbers, words = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
for number in numbers:
    # Every child starts from the same: nothing was run before that a fork would break.
    pid = os.fork()
    if pid == 0:
        try:
            child(shop, int(number), words)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(99)
    _, status = os.waitpid(pid, 0)
    how = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
    pointer = shop / "run" / "versions.json"
    print(number, how, "new" if pointer.exists() else "old", flush=True)
    if not how:
        break
'''


def killed(shop, numbers):
    """What came of children killed at these renames: signal, and the version that is in use."""
    words = [*QUICK, "update.margin=1"]
    with python(shop, KILLER, str(shop), ",".join(map(str, numbers)), *words) as process:
        assert process.wait() == 0, process.stderr
        lines = [line.split() for line in process.stdout.splitlines()]
        assert all(len(line) == 3 for line in lines), process.stdout
    return [(int(how), version) for _, how, version in lines]


def test_a_kill_leaves_the_old_version_and_the_next_goes_on(shop):
    run, apart = shop / "run", ("versions", "checkpoints", POINTER, ".lock")
    before, version = contents(run, *apart), open_run(run).version
    # Early, while it is written, and near the end of what is left to do.
    found = killed(shop, [3, 9, 1000])
    assert found[:2] == [(signal.SIGKILL, "old")] * 2
    assert found[2] == (0, "new")
    assert contents(run, *apart) == before
    assert open_run(run).version != version
    assert [path.name for path in (run / "versions").iterdir()] == ["0001"]


@pytest.mark.slow
def test_no_kill_at_any_rename_loses_the_version_in_use(shop):
    run, apart = shop / "run", ("versions", "checkpoints", POINTER, ".lock")
    before, version = contents(run, *apart), open_run(run).version
    # Each goes on from where the one before was killed, so that the numbers wander over the work.
    found = killed(shop, [1, 2, 4, 5, 6, 7, 3, 1, 2, 1, 1000])
    assert len(found) > 6
    assert set(found[:-1]) == {(signal.SIGKILL, "old")}
    assert found[-1] == (0, "new")
    assert contents(run, *apart) == before
    assert open_run(run).version != version
    assert [path.name for path in (run / "versions").iterdir()] == ["0001"]
