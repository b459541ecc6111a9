"""``genrec find``: items by words, by a picture, or by both."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from genrec.cli.printing import PIPE_WIDTH
from genrec.cli.recommend import read_filter
from genrec.cli.run import stored_recipe
from genrec.recipe import Recipe
from genrec.workspace import Workspace


def find_command(
    folder: Path, text: str, image: Path | None, n: int, *, where: str, as_json: bool
) -> None:
    workspace = Workspace(folder)
    recipe = Recipe.parse(stored_recipe(workspace))
    rules = read_filter(where)
    from genrec.stages.find import find
    from genrec.stages.run import Run

    found = find(Run(recipe, workspace), text, image, n=n, where=rules)
    if as_json:
        values = [
            {
                "item_id": one.item.id,
                "title": one.item.title,
                "image": one.item.image,
                "price": one.item.price,
                "score": round(one.score, 5),
                "ranks": one.ranks,
            }
            for one in found
        ]
        print(json.dumps(values, indent=1))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    for name in ("item", "", "picture", "found as"):
        table.add_column(name)
    for place, one in enumerate(found, 1):
        how = ", ".join(f"{rank}. by {name}" for name, rank in one.ranks.items())
        cells = (f"{place:>3}.", one.item.id, one.item.title, one.item.image or "")
        # As text: what stands in a shop's title is no markup.
        table.add_row(*map(Text, cells), Text(how, "dim"))
    console.print(table)
