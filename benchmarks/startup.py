"""Start-up: ``genrec --help`` beside the help of a Typer program with one empty command.

Beside it how long ``import genrec`` takes, and how large the wheel is.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import arguments, report, side_by_side

CHECKOUT = Path(__file__).resolve().parent.parent
EMPTY = "import typer\napp = typer.Typer()\n\n@app.command()\ndef nothing(): ...\n\napp()\n"


def import_seconds(repeats: int) -> float:
    """What ``import genrec`` adds to the start of an interpreter, at the median."""

    def run(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    seconds = side_by_side(
        {"genrec": lambda: run("import genrec"), "nothing": lambda: run("pass")},
        repeats=repeats,
        warm_up=2,
    )
    return seconds["genrec"] - seconds["nothing"]


def wheel_megabytes() -> float:
    """The size of the wheel that is built from this checkout."""
    with tempfile.TemporaryDirectory() as folder:
        build = ["pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, "."]
        subprocess.run(
            [sys.executable, "-m", *build], cwd=CHECKOUT, capture_output=True, check=True
        )
        (wheel,) = Path(folder).glob("*.whl")
        return wheel.stat().st_size / 1e6


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
        {
            "help_vs_empty_typer": round(ratio, 3),
            "import_seconds": round(import_seconds(repeats), 3),
            "wheel_megabytes": round(wheel_megabytes(), 1),
        },
        repeats=repeats,
        genrec_seconds=round(seconds["genrec"], 3),
        empty_seconds=round(seconds["empty"], 3),
    )


if __name__ == "__main__":
    main()
