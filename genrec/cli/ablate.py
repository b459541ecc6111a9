"""``genrec ablate``: what each modality adds, on the screen or as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from genrec.cli.run import drawn, stored_recipe
from genrec.recipe import Recipe
from genrec.workspace import Workspace


def ablate_command(folder: Path, *, retrain: bool, as_json: bool, quiet: bool) -> None:
    workspace = Workspace(folder)
    recipe = Recipe.parse(stored_recipe(workspace))
    from genrec.stages.ablate import ablate_run

    with drawn(quiet=quiet) as observer:
        found = ablate_run(recipe, workspace, observer, retrain=retrain)
    if as_json:
        json.dump(found.to_dict(), sys.stdout, indent=1)
        print()
        return
    print(file=sys.stderr)
    print(found)
