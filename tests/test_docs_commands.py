"""The commands of the pages, run as they stand on a small shop; new ones must be run or listed."""

import json
import re

import polars as pl
import pytest

from genrec.creatives.ad_folder import read_ads
from genrec.data.storage import read_dataset
from tests.command_line import genrec
from tests.creatives.small_clicks import clicks_table
from tests.page_commands import (
    NAMES,
    NOT_RUN,
    OTHERS,
    RUN,
    STAND_INS,
    commands_of_pages,
    lines_of_own_data,
)
from tests.page_console import Console, python_of, small_recipe
from tests.test_docs import HERE

NOT_HERE = re.compile(r"tests/[\w/]*test_\w+\.py")


def test_every_command_of_the_pages_is_run_or_says_why_not():
    run = {line for group in RUN.values() for line in group} | set(lines_of_own_data())
    shown = {line for _, line in commands_of_pages()}
    own = {line for line in shown if not line.startswith(tuple(OTHERS))}
    assert len(shown) >= 100
    assert own - run - set(NOT_RUN) == set(), "run them in tests/page_commands.py, or say why not"
    assert (run | set(NOT_RUN)) - own == set(), "no page has these any more"
    assert run & set(NOT_RUN) == set()


def test_where_a_command_is_not_run_the_named_test_is_there():
    reasons = {*NOT_RUN.values(), *OTHERS.values()}
    named = {file for reason in reasons for file in NOT_HERE.findall(reason)}
    assert len(named) >= 5
    assert [file for file in sorted(named) if not (HERE / file).is_file()] == []


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """A folder with a small run by the name that the pages give it."""
    folder = tmp_path_factory.mktemp("pages")
    for name in STAND_INS:
        small_recipe(folder, name)
    done = genrec(folder, "run", "quickstart.yaml", "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


def new_files(folder):
    """What a shop brings later: events of a known user and of a new one, and an item."""
    events = [
        ("shopper0000", "toy0001", "2031-01-01", "b1"),
        ("shopper0001", "fresh", "2031-01-02", "b2"),
        ("newcomer", "toy0002", "2031-01-03", "b3"),
        ("newcomer", "toy0003", "2031-01-04", "b4"),
    ]
    schema = ["user_id", "item_id", "time", "basket_id"]
    times = pl.col("time").str.to_datetime()
    pl.DataFrame(events, schema=schema, orient="row").with_columns(times).write_parquet(
        folder / "new.parquet"
    )
    pl.DataFrame({"item_id": ["fresh"], "title": ["Fresh mug"]}).write_parquet(
        folder / "new_items.parquet"
    )


@pytest.mark.slow
def test_the_commands_for_a_run_work_on_a_small_one(quickstart, repository):
    new_files(quickstart)
    (quickstart / "today.txt").write_text("shopper0001\nshopper0002\n")

    def before(console, line):
        said = console.said.get("genrec chat runs/quickstart --user 900", "")
        if found := re.search(r"--session=(\S+)", said):
            line = line.replace("ID", found.group(1))
        if line.endswith("--dry-run"):
            # Before the run is updated, and its users are forgotten.
            python_of(repository, "docs/chat.md", "Conversation(", quickstart)
        if " update " in line and "--items" not in line and "--rollback" not in line:
            return f"{line} --items new_items.parquet"
        return line

    console = Console(quickstart).run("run", before=before, text="mug\n/help\n")
    assert console.failed == {}
    assert list((quickstart / "lists").glob("*.parquet"))


@pytest.mark.slow
def test_the_commands_with_recipes_of_other_data_work_on_a_small_shop(quickstart):
    def before(console, line):
        if line.startswith("genrec run my.yaml"):
            assert "complete_journey" in (console.folder / "my.yaml").read_text()
            small_recipe(console.folder, "my")
        if line.startswith("genrec search-prompt"):
            return line.replace("runs/quickstart-llm", "runs/dora")
        return line

    console = Console(quickstart).run("recipes", before=before)
    assert console.failed == {}
    assert (quickstart / "runs/rqvae").is_dir()


def test_the_commands_for_keys_work_in_their_order(tmp_path):
    console = Console(tmp_path).run("keys")
    assert console.failed == {}
    assert "web shop" in console.said["genrec keys ls --keys keys.json"]
    left = genrec(tmp_path, "keys", "ls").stdout
    assert "operator" in left and "web shop" not in left


@pytest.mark.slow
def test_the_commands_of_the_click_model_and_its_python_work(tmp_path, repository):
    clicks = clicks_table(130)
    (tmp_path / "candidates.txt").write_text("fresh cheap tea\ndull plain tea\n")

    def before(console, line):
        columns = {"text": "headline", "test": "experiment"} if "headline" in line else {}
        clicks.rename(columns).write_csv(tmp_path / "tests.csv")
        return line

    console = Console(tmp_path).run("reward", before=before)
    assert console.failed == {}
    found = python_of(repository, "docs/reward.md", "RewardModel", tmp_path)
    ranked = [found["best"], *found["others"]]
    assert {one.text for one in ranked} == {"Fresh bread at 5", "The bread of breads"}


@pytest.mark.slow
def test_the_commands_of_a_campaign_work_on_the_shop_that_they_make(tmp_path):
    def before(console, line):
        if "again" in line:
            return line.replace("01db0068", read_ads(tmp_path / "ads/cushions")[0].id[:8])
        if "decisions" in line:
            first = {"ad_id": read_ads(tmp_path / "ads/cushions")[0].id, "decision": "approve"}
            (tmp_path / "decisions.json").write_text(json.dumps({"decisions": [first]}))
        return line

    console = Console(tmp_path).run("campaign", before=before)
    assert console.failed == {}
    assert "headline" in (tmp_path / "search.csv").read_text().lower()


@pytest.mark.slow
def test_the_commands_and_the_python_of_tasks_work_on_a_small_shop(tmp_path, repository):
    console = Console(tmp_path).run("tasks")
    assert console.failed == {}
    small = {"reviews=True": "reviews=True, items=60, shoppers=40"}
    left = python_of(repository, "docs/tasks.md", "Answering", tmp_path, **small)
    assert left["answering"].find(["Alba mug"], n=5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "known"), [((), NAMES.keys() - {"42"}), (("data.core=0",), {"42"})]
)
def test_the_users_and_items_of_the_pages_are_in_the_real_data(tmp_path, more, known):
    done = genrec(tmp_path, "run", "quickstart", *more, "--until", "load_data", "--quiet")
    assert done.returncode == 0, done.stderr
    data = read_dataset(tmp_path / "runs" / "quickstart" / "dataset")
    assert known - {*data.catalog.ids, *map(str, data.users)} == set()
