"""``genrec serve`` and ``genrec keys``."""

from __future__ import annotations

import json
from pathlib import Path

from genrec.cli.recommend import read_options
from genrec.cli.run import stored_recipe
from genrec.serving.keys import KeyFile
from genrec.serving.options import ServeConfig
from genrec.serving.server import check_access, check_packages
from genrec.workspace import Workspace


def serve_command(
    folder: Path,
    config: ServeConfig,
    *,
    keys: Path | None,
    events: str,
    chats: str,
    no_auth: bool,
    backend: str,
    backend_options: str,
    text: str,
) -> None:
    # Before the model is loaded: what is wrong here is seen at once.
    check_packages()
    check_access(config, None if keys is None else KeyFile(keys), no_auth=no_auth)
    stored_recipe(Workspace(folder))
    options = read_options(backend_options)
    from genrec.stages.serve import serve

    serve(
        folder,
        config,
        keys=keys,
        events=events,
        chats=chats,
        no_auth=no_auth,
        backend=backend,
        backend_options=options,
        text=text,
    )


def new_key_command(name: str, file: Path, *, admin: bool, rate: float, as_json: bool) -> None:
    key = KeyFile(file).new(name, admin=admin, rate=rate)
    print(json.dumps({"name": name, "key": key}) if as_json else key)


def list_keys_command(file: Path, *, as_json: bool) -> None:
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "admin": key.admin,
            "rate": key.rate,
            "created": key.created,
        }
        for key in KeyFile(file).all()
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        limit = f"{row['rate']:g} a minute" if row["rate"] else "no limit"
        role = "admin" if row["admin"] else ""
        line = f"{row['id']}  {row['name']:<20} {row['created']}  {limit:<14} {role}"
        print(line.rstrip())


def remove_key_command(name: str, file: Path) -> None:
    removed = KeyFile(file).remove(name)
    print(f"{removed.id}  {removed.name}")
