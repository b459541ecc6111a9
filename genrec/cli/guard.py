"""``genrec guard``: what of a text about an item may not be said, and why."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from genrec.cli.printing import PIPE_WIDTH
from genrec.cli.run import stored_recipe
from genrec.creatives.guard import Policy, Verdict
from genrec.errors import InputError
from genrec.recipe import Recipe
from genrec.workspace import Workspace

_SHOWN = 60


def guard_command(
    folder: Path, item: str, text: str, file: str, policy: str, channel: str, *, as_json: bool
) -> bool:
    """Prints the findings; says whether there are none."""
    if bool(text) == bool(file):
        raise InputError("Give the text itself, or --text FILE (- reads it from stdin).")
    workspace = Workspace(folder)
    recipe = Recipe.parse(stored_recipe(workspace))
    rules = Policy.load(policy)
    said = _read(file) if file else text
    from genrec.stages.guard import guard_text
    from genrec.stages.run import Run

    verdict = guard_text(Run(recipe, workspace), item, said, policy=rules, channel=channel)
    if as_json:
        print(json.dumps(_values(verdict, rules), indent=1))
    else:
        _print(verdict, rules)
    return verdict.ok


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The text {file} cannot be read as UTF-8: {error}") from None


def _values(verdict: Verdict, policy: Policy) -> dict[str, object]:
    return {
        "ok": verdict.ok,
        "policy": policy.name,
        "policy_version": policy.version,
        "findings": [
            {
                "kind": one.kind,
                "span": list(one.span),
                "said": one.said,
                "why": one.why,
                "rule": one.rule,
            }
            for one in verdict.findings
        ],
    }


def _print(verdict: Verdict, policy: Policy) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    if verdict.ok:
        console.print(f"Nothing to refuse. Policy {policy.name}, version {policy.version}.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("kind", "at", "said", "why", "rule"):
        table.add_column(name)
    for one in verdict.findings:
        # Escaped, so that a text's hidden and control characters are seen and do nothing.
        said = one.said if one.said.isprintable() else ascii(one.said)[1:-1]
        cells = (one.kind, "-".join(map(str, one.span)), said[:_SHOWN], one.why)
        table.add_row(*map(Text, cells), Text(one.rule, "dim"))
    console.print(table)
    count = len(verdict.findings)
    console.print(
        f"{count} finding{'s' * (count != 1)}. Policy {policy.name}, version {policy.version}."
    )
