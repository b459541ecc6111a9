"""The notebooks as pages: their words, their code, and what they printed and drew when last run."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.structure.files import File

INTRODUCTION = """# Notebooks

One question each, answered offline in minutes on a CPU. They lie in `notebooks/`; `make notebooks` runs
them all, and what they print and draw here is what that run left.

| question | file |
|---|---|"""


def on_files(files: Any, config: Any) -> Any:
    """Adds a page for each notebook, its pictures, and the list of them."""
    folder = Path(config.config_file_path).parent / "notebooks"
    listed = [INTRODUCTION]
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
        listed.append(f"| [{title}]({path.stem}.md) | `{path.name}` |")
        pictures: dict[str, bytes] = {}
        text = "\n\n".join(cells(notebook, path.stem, pictures))
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    files.append(File.generated(config, "notebooks/index.md", content="\n".join(listed)))
    return files


def cells(notebook: Any, stem: str, pictures: dict[str, bytes]) -> Iterator[str]:
    """Each cell as Markdown; what was drawn goes to ``pictures`` by file name."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield cell.source
            continue
        yield f"```python\n{cell.source}\n```"
        for output in cell.outputs:
            yield shown(output, stem, pictures)


def shown(output: Any, stem: str, pictures: dict[str, bytes]) -> str:
    """One output: a picture, a table, or text."""
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```"
    data = output.get("data", {})
    if "image/png" in data:
        name = f"{stem}_{len(pictures) + 1}.png"
        pictures[name] = base64.b64decode(data["image/png"])
        return f"![What the cell above draws]({name})"
    if "text/html" in data:
        # Its own lines would end the block that keeps it whole.
        return "".join(data["text/html"].split("\n"))
    return f"```text\n{data.get('text/plain', '').rstrip()}\n```"
