"""genrec evaluate RUN --chat: simulated shoppers talk to a run's shop."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from genrec.cli.run import drawn
from genrec.errors import ConfigError

# Conversations that are printed to be read.
SHOWN = 2


def evaluate_chat_command(
    folder: Path, against: str, shoppers: int, *, as_json: bool, quiet: bool
) -> None:
    """Prints what the conversations came to, and some of them."""
    if against:
        raise ConfigError(
            "--against names controls of the recommender; the chat is always judged beside "
            "retrieval alone and popularity alone. Leave it out."
        )
    from genrec.stages.judge_chat import judge_chat

    with drawn(quiet=quiet) as observer:
        judgement = judge_chat(folder, shoppers=shoppers, observer=observer)
    if as_json:
        print(json.dumps(judgement.to_dict()))
        return
    for talk in judgement.talks[:SHOWN]:
        print("\n".join([*talk.lines, ""]))
    table = Table(title=f"{judgement.verdicts[0].conversations:,} simulated shoppers")
    columns = [one.name for one in judgement.verdicts]
    for name in ("", *columns):
        table.add_column(name, justify="left" if not name else "right")
    last = judgement.verdicts[0].turns
    rows = [
        ("success in 1 turn", [f"{one.success[1]:.3f}" for one in judgement.verdicts]),
        (f"success in {last} turns", [f"{one.success[last]:.3f}" for one in judgement.verdicts]),
        ("recovered after a refusal", [f"{one.recovered:.3f}" for one in judgement.verdicts]),
        ("real items in stock", [f"{one.real_items:.4f}" for one in judgement.verdicts]),
        ("constraints kept", [f"{one.constraints_kept:.4f}" for one in judgement.verdicts]),
        ("rejected items repeated", [f"{one.rejected_repeats}" for one in judgement.verdicts]),
        ("questions a conversation", [f"{one.questions:.2f}" for one in judgement.verdicts]),
    ]
    for label, values in rows:
        table.add_row(label, *values)
    Console().print(table)
