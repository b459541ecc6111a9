"""``genrec search-prompt``: the instruction that a finished run's LLM does best with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from genrec.errors import InputError


def search_prompt_command(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, e.g. runs/quickstart.")
    ],
    start: Annotated[
        str, typer.Option(help="The text to start from; the one found has as many tokens.")
    ] = "Recommend what this customer will choose next.",
    histories: Annotated[int, typer.Option(help="Users to search with.", min=2)] = 64,
    evaluations: Annotated[
        int, typer.Option(help="Loss evaluations of each search, a gradient counted as 3.", min=5)
    ] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Find the instruction that a finished run's LLM does best with, beside a random search."""
    if not start.strip():
        raise InputError("The search starts from words: give --start some.")
    from genrec.cli.run import drawn, stored_recipe
    from genrec.recipe import Recipe
    from genrec.stages.instruct import TEXT, search_prompt
    from genrec.stages.run import Run
    from genrec.workspace import Workspace

    workspace = Workspace(folder)
    recipe = Recipe.parse(stored_recipe(workspace))

    with drawn(quiet=quiet) as observer:
        found = search_prompt(
            Run(recipe, workspace, observer),
            start=start.strip(),
            histories=histories,
            evaluations=evaluations,
        )
    if as_json:
        print(json.dumps(asdict(found), indent=1))
        return
    print(f"{'loss per target':<16}{'searched with':>14}{'held out':>10}")
    for name in ("none", "start", "random", "found"):
        print(f"{name:<16}{found.loss[name]:>14.4f}{found.held_out[name]:>10.4f}")
    if found.held_out["found"] >= min(found.held_out[name] for name in ("start", "random", "none")):
        print("On histories that it was not searched with, the text found is not the best.")
    print(f"\n{found.text}\n\nIt lies in {folder / 'instruction' / TEXT}; as an option:")
    print("  prompt.instruction: " + json.dumps(found.text, ensure_ascii=False))
