"""``genrec tune``: a search over the ranges that a recipe declares."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

SHOWN = 5


def _said(values: Mapping[str, Any]) -> str:
    """``train.steps=200, train.learning_rate=0.0012``: drawn numbers have too many digits."""
    shown = {
        path: f"{value:.4g}" if isinstance(value, float) else value
        for path, value in values.items()
    }
    return ", ".join(f"{path}={value}" for path, value in shown.items())


def tune_command(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .yaml file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Options to change, e.g. train.steps=2000")
    ] = None,
    trials: Annotated[
        int, typer.Option(help="Trials in all, those of earlier calls included.", min=1)
    ] = 20,
    minutes: Annotated[
        float, typer.Option(help="Minutes after which this call stops; 0 sets no limit.", min=0)
    ] = 0.0,
    into: Annotated[
        Path | None, typer.Option(help="The search's folder; runs/NAME-tune when left out.")
    ] = None,
    pruner: Annotated[
        str, typer.Option(help="Gives up trials that lag behind: median, hyperband or none.")
    ] = "median",
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Search the recipe's declared ranges on validation cases; the same command goes on."""
    from genrec.cli.run import drawn, tell_idle
    from genrec.recipe import Recipe
    from genrec.workspace import Workspace

    content = Recipe.read(recipe)
    Recipe.override(content, overrides or [])
    checked = Recipe.parse(content, where=recipe)
    tell_idle(checked, quiet=quiet)
    folder = into or Path("runs") / f"{checked.name}-tune"
    from genrec.stages.tune import Search, tune

    search = Search(trials, minutes, pruner)
    with drawn(quiet=quiet) as observer:
        outcome = tune(content, Workspace(folder), search, observer)
    best = outcome.best
    ranked = sorted(
        (one for one in outcome.trials if one.best is not None), key=lambda one: -(one.best or 0)
    )
    if json:
        values = {
            "best": None if best is None else {"ndcg@10": best.best, "values": best.values},
            "recipe": None if outcome.recipe is None else str(outcome.recipe),
            "table": str(outcome.table),
            "trials": [
                {"state": one.state, "ndcg@10": one.best, "values": one.values}
                for one in outcome.trials
            ],
        }
        json_format.dump(values, sys.stdout, indent=1)
        print()
        return
    print(file=sys.stderr)
    pruned = sum(one.state == "pruned" for one in outcome.trials)
    failed = sum(one.state == "failed" for one in outcome.trials)
    print(f"{len(outcome.trials)} trials, {pruned} of them pruned, {failed} failed.")
    print("NDCG@10 on validation cases:")
    stands = {path: checked.option(path) for path in checked.search_space.ranges}
    own = [one for one in ranked[SHOWN:] if one.values == stands]
    for one in [*ranked[:SHOWN], *own]:
        mark = "   (the recipe as it stands)" if one.values == stands else ""
        print(f"  {one.best:.4f}  {_said(one.values)}{mark}")
    print(f"\nAll figures: {outcome.table}")
    if outcome.recipe is not None:
        print(f"The best as a recipe: genrec run {outcome.recipe}")
