"""genrec rerank RUN: an LLM puts a run's lists into another order, and is judged by it."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer


def rerank_command(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    model: Annotated[
        str, typer.Option(help="A text model: smollm2-135m, a folder, openai:NAME.")
    ] = "smollm2-135m",
    users: Annotated[int, typer.Option(min=1, help="Test users that are judged.")] = 100,
    candidates: Annotated[int, typer.Option(help="Items of each list that it sees.")] = 10,
    permutations: Annotated[int, typer.Option(help="Orders in which it sees them.")] = 4,
    order_weight: Annotated[
        float, typer.Option(help="How much the given order counts beside.")
    ] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Draw no progress.")] = False,
) -> None:
    """Have an LLM re-rank a run's lists by their titles, and judge it beside the given order."""
    from genrec.cli.run import drawn
    from genrec.recommenders.options import RerankConfig
    from genrec.stages.judge_reranked import judge_reranked

    config = RerankConfig(
        candidates=candidates, permutations=permutations, order_weight=order_weight
    )
    with drawn(quiet=quiet) as observer:
        report = judge_reranked(folder, model, config=config, users=users, observer=observer)
    print(json_format.dumps(report.to_dict()) if json else str(report))
