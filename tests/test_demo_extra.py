"""What the first pages show works after ``make demo``, which installs the extra ``demo`` alone."""

import shlex
import subprocess
import sys

import httpx
import pytest

from tests.page_console import small_recipe, words_of
from tests.serving.live import REPOSITORY, as_process
from tests.test_docs import blocks

SERVE = "genrec serve runs/quickstart"
# As on the first pages.
SHOWN = (
    "genrec doctor",
    "genrec show runs/quickstart",
    "genrec recommend runs/quickstart --user 1912 -n 5 --new --why",
    "genrec chat runs/quickstart --user 900",
    "genrec cp quickstart my.yaml",
    "genrec cp own_data own.yaml",
    "genrec run toy-shop --until load_data",
    "genrec ads runs/toy-shop --campaign cushions --plan",
)
# What follows from them on other pages, made small.
FURTHER = {
    "genrec write runs/quickstart --item 925626 --user 1001": "",
    "genrec ads runs/toy-shop --campaign cushions": "budget.jobs=4",
    "genrec ads runs/toy-shop --campaign cushions --image --video": "budget.jobs=4"
    " budget.pictures=1 budget.films=1",
}
# The same commands with files of the reader's.
OTHERWISE = {
    "genrec cp own_data my.yaml",
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
    assert demo(made, {"genrec run quickstart": "--quiet"}) == ""
    return made


def demo(folder, lines):
    """What became of the lines that failed.

    Args:
        lines: as on a page, each with what makes it small.
    """
    words = [shlex.join(words_of(line, more)[0]) for line, more in lines.items()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.only_demo", str(folder)],
        input="\n".join(words),
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
    assert {line for line in lines if line.startswith("genrec ")} == {*SHOWN, SERVE, *OTHERWISE}


@pytest.mark.slow
def test_the_commands_of_the_first_pages_need_nothing_more(folder):
    assert demo(folder, dict.fromkeys(SHOWN, "") | FURTHER) == ""


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
    assert "genrec[mcp]" in demo(folder, {"genrec mcp runs/quickstart": ""})
