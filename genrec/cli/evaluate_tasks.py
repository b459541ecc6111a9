"""genrec evaluate RUN --tasks: what a run learned beside the next item, beside its controls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genrec.cli.run import drawn

# Of each task: what its figure is, whether less of it is better, and what it counts.
_TASKS = {
    "rating": ("Error in stars, root of the mean square (lower is better)", True, "ratings"),
    "direct": (
        "Chosen items above others, area under the curve (higher is better)",
        False,
        "cases",
    ),
}


def evaluate_tasks_command(folder: Path, *, as_json: bool, quiet: bool) -> None:
    """Prints a table for each task that was judged."""
    from genrec.stages.judge_tasks import judge_tasks

    with drawn(quiet=quiet) as observer:
        judgement = judge_tasks(folder, observer=observer)
    if as_json:
        print(json.dumps(judgement.to_dict()))
        return
    print("\n\n".join(in_words(name, values) for name, values in judgement.to_dict().items()))


def in_words(task: str, values: dict[str, Any]) -> str:
    """A task's figures, who wins before all else, each with its interval beside its controls.

    Args:
        values: as of ``RatingFigures.to_dict`` or ``DirectFigures.to_dict``.
    """
    from genrec.evaluation.report import table

    title, less, counted = _TASKS[task]
    sure = values["sureness"]
    verdicts = {name: _verdict(*apart, less=less) for name, apart in sure["differences"].items()}
    rows = []
    for name, (low, high) in sure["intervals"].items():
        cells = [name, f"{values[name]:.3f} [{low:.3f}, {high:.3f}]", "", ""]
        if name in verdicts:
            by, least, most = sure["differences"][name]
            cells[2:] = [f"{by:+.3f} [{least:+.3f}, {most:+.3f}]", verdicts[name]]
        rows.append(cells)
    head = ["", "figure [95 % interval]", "model minus", "interval without 0"]
    lines = [f"{title}, {values[counted]:,} {counted}", _headline(verdicts), ""]
    return "\n".join([*lines, *table(head, rows)])


def _headline(verdicts: dict[str, str]) -> str:
    for verdict, words in (
        ("model loses", "The model loses to"),
        ("level", "Chance may explain the difference to"),
    ):
        if found := [name for name, one in verdicts.items() if one == verdict]:
            return f"{words} {' and '.join(found)}."
    return "The model beats every control."


def _verdict(by: float, low: float, high: float, *, less: bool) -> str:
    if low <= 0 <= high:
        return "level"
    return "model wins" if (by < 0) == less else "model loses"
