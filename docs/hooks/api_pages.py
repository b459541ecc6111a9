"""The API, one page for each package, from the docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

# Rooms that are a program's, not a library's: their reference is the command line.
PROGRAMS = ("cli",)


def on_config(config: Any) -> Any:
    """Puts the pages into the navigation, where the reference ends."""
    root = Path(config.config_file_path).parent
    api = [{"genrec": "api/genrec.md"}]
    api += [{name: f"api/{name}.md"} for name in packages(root / "genrec")]
    (reference,) = [entry["Reference"] for entry in config.nav if "Reference" in entry]
    reference.append({"API": api})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages."""
    root = Path(config.config_file_path).parent / "genrec"
    pages = {"genrec": overview(root)}
    pages |= {name: package(root, root / name) for name in packages(root)}
    for name, lines in pages.items():
        files.append(File.generated(config, f"api/{name}.md", content="\n".join(lines)))
    return files


def packages(root: Path) -> list[str]:
    """Names of the packages that have a page."""
    inside = sorted(path.parent.name for path in root.glob("*/__init__.py"))
    return [name for name in inside if name not in PROGRAMS]


def overview(root: Path) -> Iterator[str]:
    """The public names and the modules that stand in no package."""
    yield "# genrec\n"
    yield f"```text\n{about(root / '__init__.py', whole=True)}\n```\n"
    for path in sorted(root.glob("*.py")):
        if path.name != "__init__.py":
            yield from module(root, path)


def package(root: Path, folder: Path) -> Iterator[str]:
    """Every public module of a package, those of its own packages too."""
    yield f"# genrec.{folder.name}\n"
    yield f"{about(folder / '__init__.py')}\n"
    for path in sorted(folder.rglob("*.py")):
        if path.name != "__init__.py":
            yield from module(root, path)


def module(root: Path, path: Path) -> Iterator[str]:
    """One module; nothing where it holds no documented public name."""
    named = any(
        isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node)
        for node in ast.parse(path.read_text()).body
    )
    if named:
        name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        yield f"\n## {name.removeprefix('genrec.')}\n"
        yield f"::: {name}\n    options: {{show_root_heading: false, show_root_toc_entry: false}}\n"


def about(path: Path, *, whole: bool = False) -> str:
    """What a module says of itself: its docstring, or the first paragraph of it."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text if whole else text.split("\n\n")[0]
