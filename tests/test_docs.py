import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

from genrec.cli.listing import KINDS
from genrec.cli.main import app
from genrec.creatives.campaign import Campaign
from genrec.data.sources import SOURCES
from genrec.errors import ConfigError, InputError
from genrec.recipe import Recipe
from genrec.shipped import CAMPAIGNS, LAUNCH, RECIPES, shipped_names
from tests.command_line import genrec

HERE = Path(__file__).parent.parent
# Every page there is, so that none can be left out.
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(path.relative_to(HERE).as_posix() for path in (HERE / "docs").rglob("*.md")),
)
# Blocks of commands about files of one's own: the page, and words of the block.
OWN_DATA = (
    ("docs/own_data.md", "own_data my.yaml"),
    ("README.md", "own_data my.yaml"),
    ("docs/first_steps.md", "own_data own.yaml"),
)
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def pages(repository):
    return [repository / name for name in PAGES]


def anchors(text):
    """The anchors that a page's headings get."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


def blocks(repository, page, language):
    return [
        text for name, text in FENCE.findall((repository / page).read_text()) if name == language
    ]


def genrec_commands(repository):
    """Every `genrec …` of the pages with its page: those in consoles and those in running text."""
    found = []
    for page in pages(repository):
        text = page.read_text()
        # Blocks of output may start a line with the program's name.
        shown = [block for language, block in FENCE.findall(text) if language != "text"]
        lines = [line for block in shown for line in block.splitlines()]
        lines += re.findall(r"`(genrec [^`\n]+)`", FENCE.sub("", text))
        for line in lines:
            line = line.strip().removeprefix("$ ").partition(" #")[0]
            if line.startswith("genrec ") and "RECIPE" not in line:
                found.append((page.name, shlex.split(line)[1:]))
    return found


def options_of(command):
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union(*map(options_of, getattr(command, "commands", {}).values()))


def test_every_page_is_there_and_every_relative_link_leads_somewhere(repository):
    broken, checked = [], 0
    for page in pages(repository):
        text = page.read_text()
        for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)):
            if re.match(r"[a-z]+:", target):
                continue
            checked += 1
            name, _, anchor = target.partition("#")
            other = (page.parent / name).resolve() if name else page
            if not other.exists() or (anchor and anchor not in anchors(other.read_text())):
                broken.append(f"{page.name}: {target}")
    assert not broken
    assert checked >= 10


def test_no_page_names_a_place_on_somebodys_machine(repository):
    place = re.compile(r"(?<![\w.])/(work|home|root|tmp|Users)/|https?://(localhost|[\w.-]*pypi)")
    assert not [page.name for page in pages(repository) if place.search(page.read_text())]


def test_every_command_and_option_on_the_pages_exists(repository):
    group = typer.main.get_command(app)
    commands = genrec_commands(repository)
    assert len(commands) >= 15
    wrong = []
    for page, words in commands:
        command = group
        if words and not words[0].startswith("-"):
            command = group.commands.get(words[0])
            if command is None:
                wrong.append(f"{page}: genrec {words[0]}")
                continue
            if hasattr(command, "commands") and len(words) > 1:
                # genrec ads RUN is short for genrec ads make RUN.
                command = command.commands.get(words[1]) or command.commands["make"]
        known = options_of(command) | {"--help", "-h"}
        given = [word for word in words if word.startswith("-") and word != "-"]
        wrong += [
            f"{page}: genrec {' '.join(words)}: {word}" for word in given if word not in known
        ]
    assert not wrong


def test_every_option_named_in_running_text_exists(repository):
    group = typer.main.get_command(app)
    known = set().union(*(options_of(command) for command in group.commands.values()))
    text = FENCE.sub("", (repository / "README.md").read_text())
    named = set(re.findall(r"`(--[a-z-]+)`", text))
    assert named
    assert named <= known


def test_every_recipe_list_and_override_on_the_pages_exists(repository):
    names = shipped_names(RECIPES)
    runs = 0
    for _, words in genrec_commands(repository):
        if words[0] == "run":
            runs += 1
            recipe = "own_data" if words[1].endswith(".yaml") else words[1]
            overrides = [word for word in words[2:] if "=" in word]
            assert recipe in names
            assert Recipe.load(recipe, overrides).name == Path(recipe).name
        elif words[0] == "tune":
            assert Recipe.load(words[1]).search_space.ranges
        elif words[0] in ("show", "cp") and "/" not in words[1]:
            assert words[1] in {*names, *shipped_names(CAMPAIGNS), *shipped_names(LAUNCH)}
        elif words[0] == "ls" and len(words) > 1:
            assert words[1] in KINDS
    assert runs >= 4


def test_the_yaml_on_the_pages_fits_a_recipe(repository):
    found = [text for page in PAGES for text in blocks(repository, page, "yaml")]
    assert found
    for text in found:
        if "who" in yaml.safe_load(text):
            assert Campaign.parse(yaml.safe_load(text)).name
            continue
        # A page may show some sections only; what it shows of the data are tables of one's own.
        sections = {"name": "x", "data": {"source": "tables"}, **yaml.safe_load(text)}
        recipe = Recipe.parse(sections)
        assert recipe.data.source in SOURCES
        # Options of several sections that rule each other out are told here.
        assert recipe.generative.prompt == recipe.prompt


def test_the_own_data_recipe_says_what_it_costs_and_how_to_run_it(repository):
    head = (repository / "recipes" / "own_data.yaml").read_text().split("\nname:")[0]
    assert all(f"# {word}:" in head for word in ("Data", "Cost", "Expect", "Command"))


def test_every_python_block_compiles(repository):
    found = [(page, text) for page in PAGES for text in blocks(repository, page, "python")]
    assert len(found) >= 3
    for page, text in found:
        compile(text, page, "exec")


@pytest.fixture
def own_files(repository, tmp_path, monkeypatch):
    """A working directory with the files that the page makes for those who have none."""
    (maker,) = [
        text for text in blocks(repository, "docs/own_data.md", "python") if "import csv" in text
    ]
    monkeypatch.chdir(tmp_path)
    run_python(maker, tmp_path)
    return tmp_path


def run_python(text, folder):
    # A process of its own: a reader starts with a fresh interpreter too.
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_practice_files_are_read_by_the_recipe(own_files):
    shop = Recipe.load("own_data").data
    from genrec.data.dataset import Dataset

    data = Dataset.load(shop.source, **shop.options).core(shop.core)
    assert len(data.users) == 400
    assert data.catalog.attribute_names == ["subject"]


def test_the_errors_on_the_page_are_those_that_a_reader_gets(own_files, repository):
    from genrec.data.dataset import Dataset

    page = (repository / "docs" / "own_data.md").read_text()
    with (own_files / "items.csv").open("a") as file:
        file.write("bread-1,Twice,bread,-5\n")
    rows = ["r1,bread-1,2024-02-22", "r1,bread-99,2024-03-03", ",bread-2,2024-03-04"]
    rows += ["r2,bread-3,yesterday", "r2,,2024-03-05"]

    def shown(events, **options):
        (own_files / "events.csv").write_text("\n".join(events) + "\n")
        with pytest.raises(InputError) as error:
            Dataset.load("tables", interactions="events.csv", **options).core(3)
        return f"genrec: {error.value}"

    header = "user_id,item_id,time"
    assert shown([header, *rows], items="items.csv") in page
    assert shown(["customer,item_id,time", *rows]) in page
    assert shown([header, "r1,bread-1,1717180200000"]) in page


def test_the_errors_on_the_pages_of_sources_and_tuning_are_those_that_a_reader_gets(repository):
    from genrec.data.dataset import Dataset

    with pytest.raises(InputError) as error:
        Dataset.load("yelp", folder="DOWNLOADS")
    assert f"genrec: {error.value}" in (repository / "docs" / "sources.md").read_text()
    ranges = {"llm.lora_rank": {"low": 0, "high": 8}, "train.stepz": [1, 2]}
    content = {"name": "toy", "data": {"source": "toy_shop"}, "tune": ranges}
    with pytest.raises(ConfigError) as error:
        Recipe.parse(content, where="toy.yaml")
    assert f"genrec: {error.value}" in (repository / "docs" / "tuning.md").read_text()


def test_the_first_commands_of_the_page_work_as_they_stand(own_files):
    copied = genrec(own_files, "cp", "own_data", "my.yaml")
    assert (copied.returncode, copied.stdout) == (0, "my.yaml\n")
    loaded = genrec(own_files, "run", "my.yaml", "--until", "load_data")
    assert loaded.returncode == 0, loaded.stderr
    assert "400 users" in loaded.stderr
    again = genrec(own_files, "run", "my.yaml", "--until", "load_data")
    assert "reused" in again.stderr


@pytest.mark.slow
def test_the_commands_of_the_pages_work_from_files_to_recommendations(own_files, repository):
    quick = ["train.steps=4", "train.validate_every=2", "evaluate.against=[popular]"]
    report, reports = own_files / "runs" / "own_data" / "report", {}
    for page, word in OWN_DATA:
        # The further blocks of a page are for files of other kinds.
        console, *_ = [text for text in blocks(repository, page, "console") if word in text]
        for line in console.splitlines():
            words = shlex.split(line.removeprefix("$ ").partition(" #")[0])[1:]
            # README's user is one of the demo's.
            words = ["r7" if one == "42" else one for one in words]
            if words[0] == "run":
                words += quick
            if words[0] == "cp":
                (own_files / words[-1]).unlink(missing_ok=True)
            done = genrec(own_files, *words)
            assert done.returncode == 0, f"{line}\n{done.stderr}"
        reports[page] = (report / "report.txt").read_text()
    assert (report / "report.html").is_file()
    # The first page judges once more, beside another control.
    assert "cooccurrence" in reports["docs/own_data.md"]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/own_data.md"])
def test_the_python_of_the_page_recommends(page, own_files, repository):
    (text,) = [text for text in blocks(repository, page, "python") if "import genrec" in text]
    shorter = re.sub(r"steps=\d+", "steps=2", text)
    assert shorter != text
    printed = run_python(shorter, own_files).splitlines()
    assert "NDCG@10" in printed[0]
    assert len(printed) > 15
