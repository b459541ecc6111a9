"""The files that a stage could not use, listed as ``left_out.csv`` beside what it made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from genrec.data.media import MediaProblem
from genrec.data.reading import reading

LEFT_OUT = "left_out.csv"
_COLUMNS = {"item_id": pl.String, "file": pl.String, "problem": pl.String}


def write_left_out(problems: Sequence[MediaProblem], path: Path) -> None:
    """Files that were left out, as CSV: item_id, file, problem."""
    rows = [(one.item_id, one.file, one.problem) for one in problems]
    pl.DataFrame(rows, schema=_COLUMNS, orient="row").write_csv(path)


def list_left_out(problems: Sequence[MediaProblem], folder: Path) -> None:
    """The same into a folder whose content names it: nothing is written where all was used."""
    if problems:
        write_left_out(problems, folder / LEFT_OUT)


def read_left_out(folder: Path) -> tuple[MediaProblem, ...]:
    """What was listed in a folder; nothing where it has no list.

    Raises:
        ArtefactError: the list is damaged.
    """
    path = folder / LEFT_OUT
    if not path.exists():
        return ()
    with reading(path, "list of files"):
        table = pl.read_csv(path, schema=_COLUMNS, glob=False).fill_null("")
        return tuple(MediaProblem(*row) for row in table.iter_rows())


def told(problems: Sequence[MediaProblem], folder: Path) -> str:
    """For the line at a stage's end: how many, and where they are listed; empty if none."""
    return f"; {len(problems):,} files left out, see {folder / LEFT_OUT}" if problems else ""
