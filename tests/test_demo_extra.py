"""What the first pages show works after ``make demo``, which installs the extra ``demo`` alone."""

import subprocess
import sys

import httpx
import pytest

from tests.page_console import small_recipe
from tests.serving.live import REPOSITORY, as_process
from tests.test_docs import blocks

SERVE = "genrec serve runs/quickstart"
# As on the pages, on a small shop, and the next steps of what they begin.
RUN = {
    "genrec recommend runs/quickstart --user 1912 -n 5 --new --why": "recommend runs/quickstart"
    " --user shopper0003 -n 5 --new --why",
    "genrec chat runs/quickstart --user 900": "chat runs/quickstart --user shopper0004",
    "genrec doctor": "doctor",
    "genrec show runs/quickstart": "show runs/quickstart",
    "genrec cp quickstart my.yaml": "cp quickstart my.yaml",
    "genrec cp own_data own.yaml": "cp own_data own.yaml",
    "genrec cp own_data my.yaml": "cp own_data mine.yaml",
    "genrec run toy-shop --until load_data": "run toy-shop --until load_data",
    "genrec ads runs/toy-shop --campaign cushions --plan": "ads runs/toy-shop --campaign cushions"
    " --plan",
}
FURTHER = (
    "write runs/quickstart --item toy0007 --user shopper0005",
    "ads runs/toy-shop --campaign cushions budget.jobs=4",
    "ads runs/toy-shop --campaign cushions --image --video budget.jobs=4 budget.pictures=1"
    " budget.films=1",
)
# The same commands on files of the reader's.
OTHERWISE = {
    "genrec run my.yaml",
    "genrec run my.yaml llm.name=small --into runs/second",
    "genrec run own.yaml --until load_data",
    "genrec recommend runs/own_data --user 42 --new --why",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small run, made in a process that knows the extra's packages alone."""
    made = tmp_path_factory.mktemp("demo")
    small_recipe(made, "quickstart")
    assert demo(made, ["run quickstart.yaml --quiet"]) == ""
    return made


def demo(folder, lines):
    """What became of the lines that failed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.only_demo", str(folder)],
        input="\n".join(lines),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_every_command_of_the_first_pages_is_looked_at(repository):
    pages = ("README.md", "docs/first_steps.md")
    shown = [text for page in pages for text in blocks(repository, page, "console")]
    lines = [line.partition(" #")[0].strip() for text in shown for line in text.splitlines()]
    assert {line for line in lines if line.startswith("genrec ")} == {*RUN, SERVE, *OTHERWISE}


@pytest.mark.slow
def test_the_commands_of_the_first_pages_need_nothing_more(folder):
    assert demo(folder, [*RUN.values(), *FURTHER]) == ""


@pytest.mark.slow
def test_the_shop_is_served_with_nothing_more(folder):
    run = str(folder / "runs" / "quickstart")
    words = ("-m", "tests.only_demo", str(folder), "serve", run, "--port", "PORT")
    with as_process(*words) as (_, address):
        assert httpx.get(f"{address}/readyz").status_code == 200
        body = {"history": ["toy0007"], "n": 3}
        assert len(httpx.post(f"{address}/v1/recommend", json=body).json()["items"]) == 3


@pytest.mark.slow
def test_what_the_extra_does_not_bring_is_missed(folder):
    assert "genrec[mcp]" in demo(folder, ["mcp runs/quickstart"])
