"""``genrec reward``: a click model from tests of copy, and candidates ranked by it."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from genrec.errors import ConfigError

reward_app = typer.Typer(help="Rank copy by what readers clicked in tests.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


@reward_app.command("train")
def train_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="One row for each arm: test, text, impressions, clicks."
        ),
    ],
    into: Annotated[Path, typer.Option(help="The model's folder.")] = Path("runs/reward"),
    columns: Annotated[
        str, typer.Option(help="What the file calls them, e.g. text=headline,test=experiment.")
    ] = "",
    words: Annotated[int, typer.Option(help="Commonest words that count by themselves.")] = 500,
    json: Json = False,
) -> None:
    """Train a click model on randomised tests and judge it on tests that it never saw."""
    from genrec.cli.reward_printing import print_run, run_values
    from genrec.creatives.reward_options import RewardConfig
    from genrec.stages.train_reward import train_reward_model

    run = train_reward_model(
        source, into, columns=_mapping(columns), config=RewardConfig(words=words)
    )
    if json:
        print(jsonlib.dumps(run_values(run, into), indent=1, ensure_ascii=False))
    else:
        print_run(run, into)


@reward_app.command("rank")
def rank_command(
    folder: Annotated[Path, typer.Argument(metavar="MODEL", help="A click model's folder.")],
    candidates: Annotated[
        list[str] | None, typer.Argument(help="Texts; without any, one a line from stdin.")
    ] = None,
    about: Annotated[str, typer.Option(help="What they are about, e.g. an item's facts.")] = "",
    restraint: Annotated[
        float, typer.Option(help="Log odds taken for each cue that withholds information.", min=0)
    ] = 0.0,
    json: Json = False,
) -> None:
    """Rank candidates for one place, the most clicked first."""
    from dataclasses import asdict

    from genrec.cli.reward_printing import print_ranked
    from genrec.creatives.reward import RewardModel

    texts = candidates or [line.strip() for line in sys.stdin if line.strip()]
    ranked = RewardModel.open(folder).rank(texts, about, restraint=restraint)
    if json:
        values = [asdict(one) for one in ranked]
        print(jsonlib.dumps(values, indent=1, ensure_ascii=False))
    else:
        print_ranked(ranked)


def _mapping(columns: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in columns.split(",") if part.strip()]
    if wrong := [key for key, equals, name in pairs if not (equals and name.strip())]:
        raise ConfigError(f"--columns has '{wrong[0]}'; write text=headline,test=experiment.")
    return {key.strip(): name.strip() for key, _, name in pairs}
