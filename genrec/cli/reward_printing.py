"""A click model and its ranking as text or plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from genrec.cli.printing import PIPE_WIDTH

if TYPE_CHECKING:
    from genrec.creatives.reward import Ranked
    from genrec.stages.train_reward import RewardRun

SHOWN = 8


def print_ranked(ranked: Sequence[Ranked]) -> None:
    """Candidates, the best first."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("score", "±", "best", "cues"):
        table.add_column(name, justify="right")
    table.add_column("text")
    for one in ranked:
        numbers = (f"{one.score:+.3f}", f"{one.deviation:.3f}", f"{one.chance_best:.0%}")
        table.add_row(*numbers, str(one.withheld), Text(one.text))
    _console().print(table)


def run_values(run: RewardRun, into: Path) -> dict[str, Any]:
    """A training run as JSON values."""
    return {
        "folder": str(into),
        "held_out_tests": run.held_out,
        "figures": {
            who: {name: asdict(interval) for name, interval in found.items()}
            for who, found in run.figures.items()
        },
        "why_not": run.why_not,
        "preferences": run.model.preferences(),
        "best": run.best,
        "worst": run.worst,
        "about": run.model.about,
    }


def print_run(run: RewardRun, into: Path) -> None:
    """What was trained, how well it orders held-out texts, and what it likes."""
    console = _console()
    about = run.model.about
    console.print(
        Text(f"{about['arms']:,} texts in {about['tests']:,} tests, {run.held_out:,} held out")
    )
    if run.why_not:
        console.print(Text(f"Not judged: {run.why_not}", "bold"))
    names = list(next(iter(run.figures.values()), {}))
    if names:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("in the right order", *names):
            table.add_column(name)
        for who, found in run.figures.items():
            table.add_row(who, *(str(found[name]) if name in found else "" for name in names))
        console.print(table)
    likes = list(run.model.preferences().items())
    for head, some in (("likes", likes[:SHOWN]), ("dislikes", likes[: -SHOWN - 1 : -1])):
        said = ", ".join(f"{name} {weight:+.3f}" for name, weight in some)
        console.print(Text(f"It {head}: {said}"), soft_wrap=True)
    for head, texts in (("most over its rivals", run.best), ("most under", run.worst)):
        console.print(Text(f"Held-out texts that it puts {head}:"))
        for text in texts:
            console.print(Text(f"  · {text}"), soft_wrap=True)
    console.print(Text(f"Read both lists before it ranks anything. {into}", "dim"))


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)
