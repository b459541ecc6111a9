import ast
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

# Some of those that take seconds run with all other tests; `make notebooks` runs every one.
QUICK = ("01_own_data", "07_chat")
LARGEST = 300_000
PLACE = re.compile(r"(?<![\w.])/(work|home|root|tmp|Users)/|site-packages|https?://")


@pytest.fixture(scope="module")
def runner(repository):
    place = repository / "notebooks" / "execute.py"
    spec = importlib.util.spec_from_file_location("notebooks_execute", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stems(marked=None):
    found = sorted((Path(__file__).parent.parent / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    names = [path.stem for path in found]
    if marked is None:
        return names
    return [name if name in QUICK else pytest.param(name, marks=marked) for name in names]


def read(repository, name):
    return nbformat.read(repository / "notebooks" / f"{name}.ipynb", as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shows_something(cell):
    """Whether a cell ends in a picture or a table."""
    kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
    return bool(kinds & {"image/png", "text/html"})


def test_there_are_eight_numbered_without_a_gap():
    assert [int(name[:2]) for name in stems()] == list(range(1, 9))
    assert set(QUICK) < set(stems())


@pytest.mark.parametrize("name", stems())
def test_a_notebook_asks_one_question_and_has_a_paragraph_before_each_cell(name, repository):
    cells = read(repository, name).cells
    titles = [cell.source.splitlines()[0] for cell in cells if cell.source.startswith("#")]
    assert len(titles) == 1
    assert re.fullmatch(r"# [A-Z].*\?", titles[0])
    kinds = [cell.cell_type for cell in cells]
    assert all(kinds[at - 1] == "markdown" for at, kind in enumerate(kinds) if kind == "code")
    assert all(len(cell.source) < 900 for cell in cells if cell.cell_type == "markdown")
    assert kinds[-1] == "code"


@pytest.mark.parametrize("name", stems())
def test_a_notebook_uses_public_names_and_short_functions(name, repository):
    for cell in code(read(repository, name)):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno <= 5, f"{node.name} is longer than five lines"
            elif isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_"), node.attr
            elif isinstance(node, ast.ImportFrom):
                hidden = [one.name for one in node.names if one.name.startswith("_")]
                assert not hidden
                assert "._" not in node.module


@pytest.mark.parametrize("name", stems())
def test_what_is_kept_of_a_run_is_whole_small_and_names_no_place(name, repository):
    path = repository / "notebooks" / f"{name}.ipynb"
    assert path.stat().st_size < LARGEST
    cells = code(read(repository, name))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert shows_something(cells[-1])
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
            texts = [output.get("text", ""), *map(str, output.get("data", {}).values())]
            assert not [text for text in texts if len(text) < 20_000 and PLACE.search(text)]


@pytest.mark.parametrize("name", stems(pytest.mark.notebook))
def test_a_notebook_runs_from_its_first_cell_to_its_last(name, repository, runner, tmp_path):
    notebook = runner.execute(repository / "notebooks" / f"{name}.ipynb", tmp_path)
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert shows_something(cells[-1])
