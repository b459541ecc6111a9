"""genrec evaluate RUN --tasks: what a run learned beside the next item, beside its controls."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from genrec.cli.run import drawn

_TITLES = {
    "rating": "Error in stars, root of the mean square (lower is better)",
    "direct": "Chosen items above others, area under the curve (higher is better)",
}


def evaluate_tasks_command(folder: Path, *, as_json: bool, quiet: bool) -> None:
    """Prints a table for each task that was judged."""
    from genrec.stages.judge_tasks import judge_tasks

    with drawn(quiet=quiet) as observer:
        judgement = judge_tasks(folder, observer=observer)
    if as_json:
        print(json.dumps(judgement.to_dict()))
        return
    for name, values in judgement.to_dict().items():
        (counted, count) = values.popitem()
        table = Table(title=f"{_TITLES[name]}, {count:,} {counted}")
        for column in values:
            table.add_column(column, justify="right")
        table.add_row(*(f"{value:.3f}" for value in values.values()))
        Console().print(table)
