"""The page of the command line, from the Typer app itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main
from mkdocs.structure.files import File

from genrec.cli.main import app


def on_files(files: Any, config: Any) -> Any:
    """Adds ``cli.md``."""
    files.append(File.generated(config, "cli.md", content="\n".join(page())))
    return files


def page() -> Iterator[str]:
    """Every command with its arguments and options, in the order of ``genrec --help``."""
    group: Any = typer.main.get_command(app)
    yield "# Command line\n"
    yield f"{group.help}\n"
    yield "Made from the program itself: `genrec COMMAND --help` says the same.\n"
    yield "| command | does |\n|---|---|"
    commands = list(_commands(group, ("genrec",)))
    for words, command in commands:
        name = " ".join(words)
        yield f"| [`{name}`](#{name.replace(' ', '-')}) | {_cell(_first(command))} |"
    for words, command in commands:
        yield from _command(" ".join(words), command)


def _commands(group: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, (*words, name))
        else:
            yield (*words, name), command


def _command(name: str, command: Any) -> Iterator[str]:
    context = typer.Context(command, info_name=name)
    yield f"\n## {name}\n"
    yield f"{(command.help or '').strip()}\n"
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{name} {pieces}\n```\n"
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    if not shown:
        return
    yield "| | | default |\n|---|---|---|"
    for one in shown:
        names = one.metavar or one.name.upper()
        if one.param_type_name == "option":
            names = ", ".join([*one.opts, *one.secondary_opts])
        yield f"| `{names}` | {_cell(getattr(one, 'help', '') or '')} | {_default(one)} |"


def _default(one: Any) -> str:
    if one.required:
        return "required"
    empty = one.default is None or one.default in ("", False) or callable(one.default)
    return "" if empty else f"`{one.default}`"


def _first(command: Any) -> str:
    return (command.help or "").strip().split("\n\n")[0]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
