"""A history and its recommendations as text or plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from genrec.stages.recommend import Shown

LAST = 8
# A file or pipe has no width of its own; titles should stay on one line there.
PIPE_WIDTH = 200


def shown_values(shown: Shown) -> dict[str, Any]:
    """The recommendations as JSON values."""
    return {
        "user": shown.user,
        "recommendations": [
            {
                "item_id": one.item.id,
                "title": one.item.title,
                "price": one.item.price,
                "score": round(one.score, 4),
                "reason": one.reason,
            }
            for one in shown.recommendations
        ],
    }


def print_shown(shown: Shown) -> None:
    """The last events of the history, then the recommendations."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    whose = f"user {shown.user}" if shown.user else "this history"
    if len(shown.history):
        cut = " before the test" if shown.before_test else ""
        head = f"The last of {len(shown.history):,} items of {whose}{cut}"
        console.print(Text(head, "bold"))
        for title in shown.history[-LAST:]:
            console.print(f"  · {title}", soft_wrap=True, markup=False)
    console.print(Text(f"Recommended for {whose}", "bold"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("item")
    table.add_column("")
    table.add_column("price", justify="right")
    table.add_column("why" if any(one.reason for one in shown.recommendations) else "")
    for rank, one in enumerate(shown.recommendations, 1):
        price = "" if one.item.price is None else f"{one.item.price:.2f}"
        # As text: what stands in a shop's title is no markup.
        cells = (f"{rank:>3}.", one.item.id, one.item.title, price)
        table.add_row(*map(Text, cells), Text(one.reason, "dim"))
    console.print(table)
