"""The same chat drawn by Gradio: one file, for those who know their way round it.

Texts are shown as text, never as markup: what an item or a shopper says draws no picture and
follows no link. Commands such as /why 2 do what the page's buttons do.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from genrec.errors import GenrecError, MissingExtra
from genrec.serving.assistant import words_of
from genrec.serving.commands import HELP, read_line
from genrec.serving.shopfront import Shopfront


def check_gradio() -> None:
    """Says early that it is missing.

    Raises:
        MissingExtra: Gradio is not installed.
    """
    if find_spec("gradio") is None:
        raise MissingExtra("gradio", "gradio", "Gradio's page of the chat")


def replies(
    front: Shopfront, said: str, session: str, *, user: str = ""
) -> Iterator[tuple[str, str]]:
    """The answer to a line as it grows, each time with the session's id.

    Args:
        session: empty opens one.
    """
    text = ""
    try:
        session = session or front.open(user=user).id
        cards = front.sessions.get(session).state.cards
        for _, piece in front.say(session, read_line(said, cards)).read():
            text = "" if piece["kind"] == "again" else text + words_of(piece)
            yield text.strip(), session
    except GenrecError as error:
        yield str(error), session


def skin(front: Shopfront, *, user: str = "") -> Any:
    """The chat as Gradio's blocks; each visitor has a session of their own."""
    check_gradio()
    import gradio

    def answer(said: str, _history: Any, session: str) -> Iterator[tuple[str, str]]:
        yield from replies(front, said, session, user=user)

    name = front.shop.dataset.name.replace("_", " ").title()
    with gradio.Blocks(title=name, analytics_enabled=False) as blocks:
        gradio.Markdown(f"# {name}\n{len(front.shop.catalog):,} items")
        session = gradio.State("")
        gradio.ChatInterface(
            answer,
            chatbot=gradio.Chatbot(render_markdown=False, height=520, placeholder=HELP),
            additional_inputs=[session],
            additional_outputs=[session],
            analytics_enabled=False,
            api_visibility="private",
        )
    return blocks


def run_skin(front: Shopfront, *, port: int) -> None:
    """Serves it on this machine until it is interrupted."""
    skin(front).launch(server_name="127.0.0.1", server_port=port, share=False, quiet=True)
