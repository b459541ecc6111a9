"""Draws the stages on stderr: a bar while one works, a line when it is done."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from genrec.stages.run import Observer

PLAIN_EVERY = 15.0


class ConsoleObserver(Observer):
    """A live bar on a terminal; in a log file a plain line now and then."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.bar: Progress | None = None
        self.task: Any = None
        self.last_line = 0.0

    def started(self, stage: str) -> None:
        # A terminal draws one bar at a time.
        self.close()
        self.last_line = time.monotonic()
        if self.console.is_terminal:
            self.bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                TextColumn("[dim]{task.fields[note]}"),
                console=self.console,
                transient=True,
            )
            self.bar.start()
            self.task = self.bar.add_task(stage, total=None, note="")

    def progressed(self, stage: str, done: float, total: float, note: str = "") -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=done, total=total, note=note)
        elif time.monotonic() - self.last_line > PLAIN_EVERY:
            self.last_line = time.monotonic()
            self.console.print(f"  … {stage}: {done:,.0f} of {total:,.0f}  {note}", soft_wrap=True)

    def finished(self, stage: str, note: str, seconds: float, *, reused: bool) -> None:
        self.close()
        mark = "[cyan]reused[/]" if reused else f"{seconds:6.1f} s"
        self.console.print(
            f"[green]✓[/] {stage:<22} {mark:>8}  [dim]{note}[/]",
            soft_wrap=True,
        )

    def close(self) -> None:
        """Takes the bar away, also when a stage failed."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
