"""Runs notebooks from their first cell to their last, offline, in a folder of their own.

``python -m notebooks.execute`` runs all of them and keeps what they print and draw in the files;
names or numbers, such as ``03``, choose some. The tests run the same function and keep nothing.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).resolve().parent
# Far above what any of them takes; a cell that hangs ends the run.
CELL_SECONDS = 600
STARTUP_SECONDS = 180
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


def notebooks() -> list[Path]:
    """All notebooks in the order of their numbers."""
    return sorted(HERE.glob("[0-9][0-9]_*.ipynb"))


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a fresh kernel that works in ``folder``.

    Progress bars and log lines are left out: what a cell prints, shows or draws stays.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        startup_timeout=STARTUP_SECONDS,
    )
    client.execute(env=os.environ | OFFLINE)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = smaller(output.data["image/png"])
    # What differs from machine to machine says nothing about the notebook.
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    return notebook


def smaller(png: str) -> str:
    """A picture in 256 colours of its own, rare ones kept, base64: a third of the bytes."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        reduced = picture.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE)
    content = io.BytesIO()
    reduced.save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def main() -> None:
    """Runs the notebooks that are named and writes their outputs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of names; all if left out")
    wanted = tuple(parser.parse_args().names)
    for path in notebooks():
        if wanted and not path.name.startswith(wanted):
            continue
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(execute(path, Path(folder)), path)
        print(f"{time.perf_counter() - started:6.1f} s  {path.name}", flush=True)


if __name__ == "__main__":
    main()
