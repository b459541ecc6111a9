"""``genrec keys``: who may call a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

keys_app = typer.Typer(help="Make, list and remove API keys of the service.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
KeysFile = Annotated[Path, typer.Option("--keys", help="File of API keys.")]


@keys_app.command("new")
def new_key(
    name: Annotated[str, typer.Argument(help="Whose it is, in words.")],
    keys: KeysFile = Path("keys.json"),
    admin: Annotated[bool, typer.Option("--admin", help="May reload the model.")] = False,
    rate: Annotated[float, typer.Option(help="Requests a minute; 0 for no limit.")] = 0,
    json: Json = False,
) -> None:
    """Make a key and print it, this once."""
    from genrec.cli.serve import new_key_command

    new_key_command(name, keys, admin=admin, rate=rate, as_json=json)


@keys_app.command("ls")
def list_keys(keys: KeysFile = Path("keys.json"), json: Json = False) -> None:
    """List the keys, without their secrets."""
    from genrec.cli.serve import list_keys_command

    list_keys_command(keys, as_json=json)


@keys_app.command("rm")
def remove_key(
    name: Annotated[str, typer.Argument(help="Name or id of the key.")],
    keys: KeysFile = Path("keys.json"),
) -> None:
    """Remove a key; a running service refuses it at once."""
    from genrec.cli.serve import remove_key_command

    remove_key_command(name, keys)
