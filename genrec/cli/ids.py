"""``genrec ids``: how good the semantic IDs of one run are, or those of several side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

_NOTES = """\
neighbours kept: share of an item's 10 nearest vectors with the same first code, and first two
(unordered codes: share of all codes). bought next: the same of items that follow each other in
training histories. reconstruction error: share of the vectors' variance that the codes lose."""


def ids(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Runs' folders, e.g. runs/quickstart.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Show how good the semantic IDs of runs are, side by side."""
    ids_command(folders, as_json=as_json)


def ids_command(folders: Sequence[Path], *, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from genrec.cli.printing import PIPE_WIDTH
    from genrec.semantic_ids.quality_table import quality_rows
    from genrec.stages.ids import quality_of

    reports = quality_of(folders)
    if as_json:
        print(json.dumps({name: one.to_dict() for name, one in reports.items()}, indent=1))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for name in reports:
        table.add_column(Text(name))
    for name, values in quality_rows(list(reports.values())):
        table.add_row(name, *map(Text, values))
    console.print(table)
    console.print(Text(_NOTES, "dim"))
