"""``genrec recommend``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from genrec.cli.printing import print_shown, shown_values
from genrec.cli.run import stored_recipe
from genrec.errors import InputError
from genrec.recipe import Recipe
from genrec.workspace import Workspace


def recommend_command(
    folder: Path, user: str, history: str, n: int, *, why: bool, new: bool, as_json: bool
) -> None:
    if bool(user) == bool(history):
        raise InputError("Say whose: either --user ID, or --history with item ids.")
    workspace = Workspace(folder)
    recipe = Recipe.parse(stored_recipe(workspace))
    from genrec.stages.recommend import history_of, open_recommender, recommend
    from genrec.stages.run import Run

    dataset, recommender = open_recommender(Run(recipe, workspace))
    if user:
        past = dataset.history(user)
    else:
        text = sys.stdin.read() if history == "-" else history
        past = history_of(dataset, text.replace(",", " ").split())
    shown = recommend(recommender, past, n=n, user=user, exclude_seen=new, why=why)
    if as_json:
        print(json.dumps(shown_values(shown), indent=1))
    else:
        print_shown(shown)
