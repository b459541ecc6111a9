"""``genrec keys``: who may call a service."""

from __future__ import annotations

from json import dumps
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
    from genrec.serving.keys import KeyFile

    key = KeyFile(keys).new(name, admin=admin, rate=rate)
    print(dumps({"name": name, "key": key}) if json else key)


@keys_app.command("ls")
def list_keys(keys: KeysFile = Path("keys.json"), json: Json = False) -> None:
    """List the keys, without their secrets."""
    from genrec.serving.keys import KeyFile

    rows = [
        {
            "id": key.id,
            "name": key.name,
            "admin": key.admin,
            "rate": key.rate,
            "created": key.created,
        }
        for key in KeyFile(keys).all()
    ]
    if json:
        print(dumps(rows, indent=1))
        return
    for row in rows:
        limit = f"{row['rate']:g} a minute" if row["rate"] else "no limit"
        role = "admin" if row["admin"] else ""
        line = f"{row['id']}  {row['name']:<20} {row['created']}  {limit:<14} {role}"
        print(line.rstrip())


@keys_app.command("rm")
def remove_key(
    name: Annotated[str, typer.Argument(help="Name or id of the key.")],
    keys: KeysFile = Path("keys.json"),
) -> None:
    """Remove a key; a running service refuses it at once."""
    from genrec.serving.keys import KeyFile

    removed = KeyFile(keys).remove(name)
    print(f"{removed.id}  {removed.name}")
