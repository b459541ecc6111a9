"""A history and its recommendations as text or plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

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
        console.print(f"[bold]The last of {len(shown.history):,} items of {whose}[/]")
        for title in shown.history[-LAST:]:
            console.print(f"  · {title}", soft_wrap=True, markup=False)
    console.print(f"[bold]Recommended for {whose}[/]")
    table = Table(box=None, pad_edge=False, show_header=False)
    for rank, one in enumerate(shown.recommendations, 1):
        price = "" if one.item.price is None else f"{one.item.price:.2f}"
        table.add_row(f"{rank:>3}.", one.item.title, price, f"[dim]{one.reason}[/]")
    console.print(table)
