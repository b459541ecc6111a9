import ast
import tomllib

import pytest

GONE = ("utils", "common", "helpers", "misc", "manager", "managers", "helper", "util")


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())


def modules(repository):
    found = sorted((repository / "genrec").rglob("*.py"))
    assert len(found) > 40, "the search for modules has gone wrong"
    return found


def called_names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def test_every_room_under_genrec_has_its_place_in_the_layers(repository, project):
    (contract,) = project["tool"]["importlinter"]["contracts"]
    placed = {room.strip(" ()") for layer in contract["layers"] for room in layer.split("|")}
    rooms = {
        path.stem
        for path in (repository / "genrec").iterdir()
        if (path.is_dir() and (path / "__init__.py").exists())
        or (path.suffix == ".py" and path.stem != "__init__")
    }
    assert contract["exhaustive"] is True
    assert rooms <= placed


def test_the_layers_contract_holds_and_catches_a_new_room(repository, tmp_path):
    # Run on a copy, so that the offending room never stands in the checkout.
    import shutil
    import subprocess
    import sys

    shutil.copytree(
        repository / "genrec", tmp_path / "genrec", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(repository / "pyproject.toml", tmp_path)

    def lint():
        code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
        return subprocess.run(
            [sys.executable, "-c", code, "--no-cache"], cwd=tmp_path, capture_output=True, text=True
        )

    kept = lint()
    assert kept.returncode == 0, kept.stdout
    (tmp_path / "genrec" / "toolbox").mkdir()
    (tmp_path / "genrec" / "toolbox" / "__init__.py").write_text('"""Odds and ends."""\n')
    broken = lint()
    assert broken.returncode != 0
    assert "toolbox" in broken.stdout


def test_no_module_is_a_dumping_ground(repository):
    assert not [
        path for path in modules(repository) if path.stem in GONE or path.parent.name in GONE
    ]


def test_every_module_says_what_it_is(repository):
    silent = [
        path.name
        for path in modules(repository)
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not [name for name in silent if name != "__init__.py"]


def test_nothing_is_pickled_or_evaluated(repository):
    forbidden = {"eval", "exec", "pickle.load", "pickle.loads", "joblib.load", "torch.load"}
    offences = []
    for path in modules(repository):
        tree = ast.parse(path.read_text())
        offences += [
            f"{path.name}:{node.lineno} {name}"
            for node, name in called_names(tree)
            if name in forbidden
            # Tensors only: such a file cannot hold code.
            and not any(
                k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords
            )
        ]
    assert not offences


def test_library_code_does_not_print(repository):
    offences = [
        f"{path}:{node.lineno}"
        for path in modules(repository)
        if "cli" not in path.parts
        for node, name in called_names(ast.parse(path.read_text()))
        if name == "print"
    ]
    assert not offences


def test_only_the_floors_above_read_a_recipe(repository):
    readers = {
        path.relative_to(repository / "genrec").parts[0]
        for path in modules(repository)
        if "genrec.recipe" in path.read_text() and path.name != "__init__.py"
    }
    assert readers <= {"stages", "cli"}


def test_constraints_pin_every_package_exactly_and_name_no_place(repository):
    lines = [
        line
        for line in (repository / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert len(lines) > 50
    assert not [line for line in lines if line.count("==") != 1 or "/" in line or "@" in line]


def test_make_and_constraints_agree_on_the_packages_named_in_both(repository):
    makefile = (repository / "Makefile").read_text()
    constraints = (repository / "constraints.txt").read_text().splitlines()
    for variable in ("TORCH", "SMOLLM2"):
        pin = makefile.split(f"{variable} := ")[1].split("\n")[0]
        assert pin in constraints
