"""Start-up: ``genrec --help`` beside the help of a Typer program with one empty command."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import arguments, report, side_by_side

EMPTY = "import typer\napp = typer.Typer()\n\n@app.command()\ndef nothing(): ...\n\napp()\n"


def main() -> None:
    """Prints the figure of this area."""
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)

        def run(*words: str) -> None:
            subprocess.run([sys.executable, *words, "--help"], capture_output=True, check=True)

        repeats = 5 if options.quick else 21
        seconds = side_by_side(
            {"genrec": lambda: run("-m", "genrec.cli.main"), "empty": lambda: run(str(empty))},
            repeats=repeats,
            warm_up=2,
        )
    ratio = seconds["genrec"] / seconds["empty"]
    report(
        {"help_vs_empty_typer": round(ratio, 3)},
        repeats=repeats,
        genrec_seconds=round(seconds["genrec"], 3),
        empty_seconds=round(seconds["empty"], 3),
    )


if __name__ == "__main__":
    main()
