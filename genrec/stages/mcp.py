"""A run's folder as an MCP server."""

from __future__ import annotations

from pathlib import Path

from genrec.serving.conversation.conversation import Conversation
from genrec.serving.keys import KeyFile
from genrec.serving.mcp import http_app, shop_server
from genrec.serving.options import ServeConfig
from genrec.stages.chat import open_counter


def serve_mcp(
    folder: Path, config: ServeConfig | None = None, *, keys: KeyFile | None = None, text: str = ""
) -> None:
    """Serves until the client leaves or a signal comes.

    Args:
        config: address to listen on; ``None`` speaks on stdin and stdout.
        text: understands wishes: a model's name, or ``openai:NAME``.

    Raises:
        MissingExtra: the package ``mcp`` is not installed.
        ArtefactError: the run is not whole.
    """
    holder: list[Conversation] = []
    server = shop_server(lambda: holder[0])
    holder.append(open_counter(folder, text=text)[1])
    if config is None:
        server.run("stdio")
        return
    import uvicorn

    app = http_app(server, keys, host=config.host)
    uvicorn.run(app, host=config.host, port=config.port, log_level="warning")
