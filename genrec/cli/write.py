"""``genrec write``: the texts of a channel about an item, for a user."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from genrec.creatives.copy import Copy


def write_command(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    item: Annotated[str, typer.Option("--item", help="The item's id.")],
    user: Annotated[str, typer.Option("--user", "-u", help="For whom; anybody if left out.")] = "",
    channel: Annotated[
        str, typer.Option(help="push, sms, email, social, x, search, shop or reason.")
    ] = "push",
    mode: Annotated[str, typer.Option(help="rank, constrained or free.")] = "rank",
    language: Annotated[str, typer.Option(help="en, de, fr or es; free mode knows more.")] = "en",
    tone: Annotated[str, typer.Option(help="plain, warm or brisk.")] = "plain",
    voice: Annotated[str, typer.Option(help="The brand's voice in words, for a text model.")] = "",
    currency: Annotated[str, typer.Option(help="Of the prices, e.g. EUR.")] = "USD",
    intensity: Annotated[
        str, typer.Option(help="How openly the profile is used: none, quiet or open.")
    ] = "open",
    text: Annotated[str, typer.Option(help="Text model: a name or folder, or openai:NAME.")] = "",
    adapter: Annotated[str, typer.Option(help="Folder of a copywriter's adapter.")] = "",
    policy: Annotated[str, typer.Option(help="Of the guard: a name or a file.")] = "general",
    n: Annotated[int, typer.Option("-n", help="How many different texts.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of what is left open.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Write about an item for a user: title and text of a channel, checked by the guard."""
    from genrec.cli.run import stored_recipe
    from genrec.creatives.copy import CopyBrief
    from genrec.recipe import Recipe
    from genrec.stages.run import Run
    from genrec.stages.write import write_copy
    from genrec.workspace import Workspace

    workspace = Workspace(folder)
    run = Run(Recipe.parse(stored_recipe(workspace)), workspace)
    copies = write_copy(
        run,
        item,
        user=user,
        channel=channel,
        mode=mode,
        language=language,
        tone=tone,
        brief=CopyBrief(voice=voice, currency=currency, intensity=intensity),
        text=text,
        adapter=adapter,
        policy=policy,
        n=n,
        seed=seed,
    )
    if as_json:
        print(json.dumps([_values(one) for one in copies], indent=1, ensure_ascii=False))
        return
    print("\n\n".join(_shown(one) for one in copies))


def _shown(copy: Copy) -> str:
    width = max(map(len, copy.fields), default=0)
    lines = [f"{name:<{width}}  {text}" for name, text in copy.fields.items()]
    for said in copy.statements:
        if said.evidence:
            events = ", ".join(map(str, said.evidence[:5]))
            more = f" and {len(said.evidence) - 5} more" if len(said.evidence) > 5 else ""
            lines.append(f"  because of the user's events {events}{more}: {said.text}")
    return "\n".join([*lines, *(f"  note: {note}" for note in copy.notes)])


def _values(copy: Copy) -> dict[str, object]:
    return {
        "item": copy.item,
        "user": copy.user,
        "channel": copy.channel,
        "language": copy.language,
        "fields": dict(copy.fields),
        "mode": copy.mode,
        "written_by": copy.written_by,
        "statements": [asdict(one) for one in copy.statements],
        "prompt_hash": copy.prompt_hash,
        "model": copy.model,
        "adapter": copy.adapter,
        "seed": copy.seed,
        "score": copy.score,
        "notes": list(copy.notes),
    }
