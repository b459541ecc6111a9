"""``genrec chat``: a run's shop in the terminal; words, and commands such as /why 2."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def chat_command(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, e.g. runs/quickstart.")
    ],
    user: Annotated[str, typer.Option("--user", "-u", help="Whose history counts.")] = "",
    session: Annotated[str, typer.Option(help="Go on with a chat, by its id.")] = "",
    chats: Annotated[
        str, typer.Option(help="sqlite:///FILE or postgresql://…; RUN/chats.sqlite if left out.")
    ] = "",
    text: Annotated[
        str, typer.Option(help="Understands wishes: a model's name or folder, or openai:NAME.")
    ] = "",
    gradio: Annotated[
        bool, typer.Option("--gradio", help="In the browser, drawn by Gradio.")
    ] = False,
    port: Annotated[int, typer.Option(help="With --gradio.", min=0, max=65535)] = 7860,
) -> None:
    """Talk to the shop of a run; /help lists the commands."""
    from genrec.cli.run import stored_recipe
    from genrec.workspace import Workspace

    stored_recipe(Workspace(folder))
    from genrec.stages.chat import open_shopfront

    if gradio:
        from genrec.serving.gradio_skin import check_gradio, run_skin

        check_gradio()
        front = open_shopfront(folder, chats=chats, text=text)
        run_skin(front, port=port)
        return
    from genrec.cli.chat_screen import Screen, talk

    print("Opening the shop …", file=sys.stderr)
    front = open_shopfront(folder, chats=chats, text=text)
    try:
        opened = front.sessions.get(session) if session else front.open(user=user)
        talk(front, opened, Screen.of(sys.stdout, front.shop))
    finally:
        front.close(5)
