"""The site's own parts: navigation, pages made while it is built, pictures, alert rules."""

import importlib.util
import re
from types import SimpleNamespace

import pytest
import typer.main
import yaml

from genrec.cli.main import app
from genrec.serving.edge import Metrics
from genrec.shipped import RECIPES, shipped_names

MADE = ("index.md", "cli.md", "recipes.md")


def module_at(path):
    spec = importlib.util.spec_from_file_location(f"site_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hook(repository):
    return lambda name: module_at(repository / "docs" / "hooks" / f"{name}.py")


@pytest.fixture(scope="module")
def settings(repository):
    return (repository / "mkdocs.yml").read_text()


def test_every_page_is_in_the_navigation_once(repository, settings):
    named = re.findall(r"([\w/.-]+\.md)$", settings.split("\nnav:\n")[1], re.MULTILINE)
    docs = repository / "docs"
    written = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    elsewhere = {name for name in named if name.startswith(("repository/", "notebooks/"))}
    assert set(named) - elsewhere - set(MADE) == written
    assert len(named) == len(set(named))
    books = {f"notebooks/{path.stem}.md" for path in (repository / "notebooks").glob("*.ipynb")}
    assert books < elsewhere


def test_nothing_is_fetched_when_it_is_built_or_read(settings):
    assert "font: false" in settings
    assert not re.findall(r"https?://", settings)


def test_every_hook_that_is_named_is_there_and_no_other(repository, settings):
    named = set(re.findall(r"docs/hooks/(\w+)\.py", settings))
    assert named == {path.stem for path in (repository / "docs" / "hooks").glob("*.py")}


def test_the_page_of_the_command_line_has_every_command_and_option(hook):
    page = "\n".join(hook("cli_page").page())
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        assert f"genrec {name}" in page
        for one in [*command.params, *getattr(command, "commands", {}).values()]:
            words = one.opts if hasattr(one, "opts") else [one.name]
            if not getattr(one, "hidden", False) and words[0].startswith("-"):
                assert f"`{', '.join([*one.opts, *one.secondary_opts])}`" in page
    assert "| `--where` |" in page
    assert "default" in page


def test_the_page_of_the_recipes_says_of_each_what_its_head_says(hook, repository):
    page = "\n".join(hook("recipe_page").page())
    for name in shipped_names(RECIPES):
        assert f"### {name}\n" in page
        text = (repository / "recipes" / f"{name}.yaml").read_text()
        about, facts = hook("recipe_page").head(text)
        assert about
        assert " ".join(about.split()) in " ".join(page.split())
        assert set(facts) <= set(hook("recipe_page").FACTS)


def test_a_head_is_read_with_lines_that_go_on(hook):
    head = "# What it is.\n#\n# Cost:    one line\n#          and more\n"
    head += "# Command: genrec run x\nname: x\n"
    about, facts = hook("recipe_page").head(head)
    assert about == "What it is."
    assert facts == {"Cost": "one line\nand more", "Command": "genrec run x"}


def test_every_documented_module_has_its_place_in_the_api(hook, repository):
    pages = hook("api_pages")
    root = repository / "genrec"
    text = "\n".join(pages.overview(root))
    for name in pages.packages(root):
        text += "\n".join(pages.package(root, root / name))
    shown = set(re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE))
    assert {"genrec.data.dataset", "genrec.decoding.beam", "genrec.recipe"} <= shown
    assert len(shown) > 150
    assert not [name for name in shown if any(part.startswith("_") for part in name.split("."))]


def test_a_notebook_becomes_words_code_tables_and_pictures(hook):
    cells = [
        SimpleNamespace(cell_type="markdown", source="# Why?"),
        SimpleNamespace(
            cell_type="code",
            source="draw()",
            outputs=[
                _output("stream", text="seen\n"),
                _output("display_data", data={"image/png": "aGk="}),
                _output("execute_result", data={"text/html": "<table>\n</table>"}),
            ],
        ),
    ]
    pictures = {}
    page = list(hook("notebook_pages").cells(SimpleNamespace(cells=cells), "09_why", pictures))
    assert page[0] == "# Why?"
    assert page[1] == "```python\ndraw()\n```"
    assert page[2] == "```text\nseen\n```"
    assert page[3].endswith("(09_why_1.png)")
    assert page[4] == "<table></table>"
    assert pictures == {"09_why_1.png": b"hi"}


def _output(kind, **fields):
    output = SimpleNamespace(output_type=kind, get=lambda key, other=None: fields.get(key, other))
    vars(output).update(fields)
    return output


@pytest.mark.parametrize(
    ("page", "link", "becomes"),
    [
        ("index.md", "docs/serving.md#keys", "serving.md#keys"),
        ("index.md", "LICENSE", "repository/LICENSE"),
        ("own_data.md", "../README.md#in-python", "index.md#in-python"),
        ("campaigns.md", "../benchmarks/results/a.json", "repository/benchmarks/results/a.json"),
        ("concepts/packing.md", "../results.md#exactness", "../results.md#exactness"),
        ("concepts/packing.md", "packing.svg", "packing.svg"),
        ("concepts/guard.md", "../../notebooks/06_ads.ipynb", "../notebooks/06_ads.md"),
        ("repository/CHANGELOG.md", "docs/films.md", "../films.md"),
        ("serving.md", "https://semver.org", "https://semver.org"),
        ("serving.md", "#keys", "#keys"),
    ],
)  # fmt: skip
def test_links_of_the_repository_become_links_of_the_site(page, link, becomes, hook):
    there = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    turned = hook("repository_pages").on_page_markdown(f"see [it]({link}).", there)
    assert turned == f"see [it]({becomes})."


def test_links_in_fenced_blocks_stay(hook):
    there = SimpleNamespace(file=SimpleNamespace(src_uri="index.md"))
    text = "```text\n[a](docs/b.md)\n```\n"
    assert hook("repository_pages").on_page_markdown(text, there) == text


def test_the_pictures_of_the_concepts_are_those_that_the_script_draws(repository, tmp_path):
    draw = module_at(repository / "docs" / "concepts" / "draw.py")
    draw.HERE = tmp_path
    for name in (
        "semantic_ids",
        "constrained_decoding",
        "packing",
        "hybrid",
        "guard",
        "product_lock",
    ):
        getattr(draw, name)()
    kept = {path.name: path.read_text() for path in (repository / "docs/concepts").glob("*.svg")}
    assert len(kept) == 6
    assert {path.name: path.read_text() for path in tmp_path.glob("*.svg")} == kept


def test_alerts_and_their_page_speak_of_metrics_that_the_service_has(repository):
    there = set()
    for family in Metrics().registry.collect():
        there |= {family.name, *(f"{family.name}{end}" for end in ("_total", "_bucket"))}
    folder = repository / "docs" / "operations"
    rules = yaml.safe_load((folder / "alerts.yaml").read_text())["groups"][0]["rules"]
    page = (folder / "monitoring.md").read_text()
    named = {name for rule in rules for name in re.findall(r"genrec_\w+", rule["expr"])}
    named |= set(re.findall(r"`(genrec_\w+)`", page))
    assert len(named) >= 8
    assert named <= there
    assert {rule["alert"] for rule in rules} == set(re.findall(r"`(Genrec\w+)`", page))
    labels = {label for rule in rules for label in re.findall(r'outcome="(\w+)"', rule["expr"])}
    service = (repository / "genrec" / "serving" / "service.py").read_text()
    assert all(f'watch_reload("{label}")' in service for label in labels)
