"""``genrec serve``: a run over HTTP, and its shop as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve_command(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, e.g. runs/quickstart.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    keys: Annotated[
        Path | None, typer.Option(help="File of API keys; without it only this machine may call.")
    ] = None,
    events: Annotated[
        str, typer.Option(help="sqlite:///FILE or postgresql://…; RUN/events.sqlite if left out.")
    ] = "",
    chats: Annotated[
        str, typer.Option(help="Of the page's chats: a URL likewise; RUN/chats.sqlite if left out.")
    ] = "",
    max_batch: Annotated[int, typer.Option(help="Requests computed together.", min=1)] = 32,
    max_wait_ms: Annotated[
        float, typer.Option(help="How long a batch waits for one more client.", min=0)
    ] = 25.0,
    queue: Annotated[int, typer.Option(help="Requests that may wait; more get 429.", min=1)] = 256,
    timeout: Annotated[float, typer.Option(help="Seconds until a request gets 504.")] = 30.0,
    drain: Annotated[float, typer.Option(help="Seconds to finish after a SIGTERM.")] = 20.0,
    cors: Annotated[
        str, typer.Option(help="Origins of pages that may call, comma-separated; * for all.")
    ] = "",
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Let everyone in who reaches the address.")
    ] = False,
    backend: Annotated[
        str, typer.Option(help="What runs the LLM: transformers or vllm.")
    ] = "transformers",
    backend_options: Annotated[str, typer.Option(help="Options of vllm: JSON, or its file.")] = "",
    kinds: Annotated[
        str, typer.Option(help="Events that count as choices, comma-separated; all if left out.")
    ] = "",
    max_n: Annotated[int, typer.Option(help="Most items in one list.", min=1)] = 1000,
    max_body: Annotated[
        int, typer.Option(help="Bytes of a request's body; more get 413.", min=1024)
    ] = 256 * 1024,
    text: Annotated[
        str, typer.Option(help="Answers chats: a model's name or folder, or openai:NAME.")
    ] = "",
) -> None:
    """Serve a run over HTTP."""
    from genrec.cli.recommend import read_options
    from genrec.cli.run import stored_recipe
    from genrec.serving.keys import KeyFile
    from genrec.serving.options import ServeConfig
    from genrec.serving.server import check_access, check_packages
    from genrec.workspace import Workspace

    config = ServeConfig(
        host=host,
        port=port,
        max_batch=max_batch,
        max_wait_ms=max_wait_ms,
        queue=queue,
        timeout=timeout,
        drain=drain,
        cors=_listed(cors),
        kinds=_listed(kinds),
        max_n=max_n,
        max_body=max_body,
    )
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


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
