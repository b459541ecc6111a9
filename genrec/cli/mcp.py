"""``genrec mcp``: a run's shop for programs that speak the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def mcp_command(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, e.g. runs/quickstart.")
    ],
    http: Annotated[
        bool, typer.Option("--http", help="Over HTTP at /mcp, rather than on stdin and stdout.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --http: address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="With --http: port to listen on.", min=0, max=65535)
    ] = 8001,
    keys: Annotated[
        Path | None, typer.Option(help="With --http: file of API keys, as of genrec serve.")
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="With --http: let everyone in.")
    ] = False,
    text: Annotated[
        str, typer.Option(help="Understands wishes: a model's name or folder, or openai:NAME.")
    ] = "",
) -> None:
    """Serve a run's shop to programs by MCP: recommend, find, explain, make_ad."""
    from genrec.cli.run import stored_recipe
    from genrec.serving.keys import KeyFile
    from genrec.serving.options import ServeConfig
    from genrec.serving.server import check_access
    from genrec.workspace import Workspace

    config = ServeConfig(host=host, port=port)
    access = None
    if http:
        access = check_access(config, None if keys is None else KeyFile(keys), no_auth=no_auth)
    stored_recipe(Workspace(folder))
    from genrec.stages.mcp import serve_mcp

    serve_mcp(folder, config if http else None, keys=access, text=text)
