"""``genrec search-prompt``: the instruction that a finished run's LLM does best with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from genrec.cli.run import drawn, stored_recipe
from genrec.errors import InputError
from genrec.recipe import Recipe
from genrec.workspace import Workspace


def search_prompt_command(
    folder: Path, start: str, histories: int, evaluations: int, *, as_json: bool, quiet: bool
) -> None:
    if not start.strip():
        raise InputError("The search starts from words: give --start some.")
    workspace = Workspace(folder)
    recipe = Recipe.parse(stored_recipe(workspace))
    from genrec.stages.instruct import TEXT, search_prompt
    from genrec.stages.run import Run

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
