"""The chat on a terminal: events as they come, cards as a table, commands for what buttons do."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

from rich.box import ROUNDED
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from genrec.cli.printing import PIPE_WIDTH
from genrec.errors import GenrecError
from genrec.serving.commands import HELP, read_line
from genrec.serving.conversation.sessions import Session
from genrec.serving.conversation.shop import Shop
from genrec.serving.shopfront import Shopfront

OWN_HELP = """  /profile   what the shop thinks of you     /forget    forget me and my chats
  /basket    what you took                   /quit      leave; the chat can be gone on with"""


@dataclass
class Screen:
    """Where the chat is drawn.

    Attributes:
        cards: items that were shown last, so that 2 means something.
        begins: whether a line of words begins, as below the cards.
    """

    console: Console
    cards: list[str] = field(default_factory=list)
    begins: bool = False

    @staticmethod
    def of(out: TextIO, shop: Shop) -> Screen:
        """A screen on a terminal, or plain lines in a pipe."""
        console = Console(file=out, highlight=False)
        if not console.is_terminal:
            console = Console(file=out, highlight=False, width=PIPE_WIDTH, no_color=True)
        name = shop.dataset.name.replace("_", " ").title()
        line = f"{name}: {len(shop.catalog):,} items. Say what you look for; /help, /quit."
        console.print(Text(line, "bold"))
        return Screen(console)

    def say(self, piece: dict[str, Any]) -> None:
        """Draws one event."""
        drawn = getattr(self, f"_{piece['kind']}", None)
        if drawn is not None:
            drawn(piece)

    def _token(self, piece: dict[str, Any]) -> None:
        text = piece["text"].lstrip() if self.begins else piece["text"]
        self.begins = False
        self.console.print(Text(text), end="", soft_wrap=True)
        self.console.file.flush()

    def _again(self, _: dict[str, Any]) -> None:
        self.line("\n(The chat went on elsewhere; once more.)", "dim")

    def _filter(self, piece: dict[str, Any]) -> None:
        if piece["chips"]:
            self.line(f"[{' · '.join(piece['chips'])}]", "dim")

    def _cards(self, piece: dict[str, Any]) -> None:
        if not piece["cards"]:
            return
        self.cards = [card["item"] for card in piece["cards"]]
        self.console.print()
        terminal = self.console.is_terminal
        table = Table(box=ROUNDED if terminal else None, header_style="dim", pad_edge=terminal)
        table.add_column("", justify="right", style="bold")
        table.add_column("item")
        table.add_column("price", justify="right", style="green")
        table.add_column("")
        table.add_column("why", style="dim")
        for number, card in enumerate(piece["cards"], 1):
            cells = (str(number), card["title"], card["price_text"])
            # As text: what stands in a shop's title is no markup.
            table.add_row(*map(Text, cells), Text(" · ".join(card["facts"])), Text(card["why"]))
        self.console.print(table)
        self.begins = True

    def _explanation(self, piece: dict[str, Any]) -> None:
        if piece["evidence"]:
            self.line(f"\n(from {len(piece['evidence'])} of your own choices)", "dim")

    def _ad(self, piece: dict[str, Any]) -> None:
        text = Text("\n".join(one for one in piece["fields"].values() if one))
        title = "ad, made for you" if piece.get("personal", True) else "ad"
        self.console.print()
        self.console.print(Panel(text, title=title, expand=False, padding=(1, 2)))

    def _error(self, piece: dict[str, Any]) -> None:
        self.line(piece["text"], "red")

    def _done(self, piece: dict[str, Any]) -> None:
        self.console.print()
        if piece["suggestions"]:
            self.line(f"  ({' | '.join(piece['suggestions'])})", "dim")

    def line(self, text: str, style: str = "") -> None:
        """One line of plain text."""
        self.console.print(Text(text, style), soft_wrap=True)


class _Left(Exception):
    """The shopper is forgotten; there is no chat to go on with."""


def talk(front: Shopfront, session: Session, screen: Screen) -> None:
    """Reads and answers until the shopper leaves; the chat is kept turn by turn."""
    if session.version:
        turns = front.sessions.turns(session.id)
        shown = [one for turn in turns for one in turn.events if one["kind"] == "cards"]
        screen.line(f"Turns so far: {session.version}. What was shown last:", "dim")
        if shown:
            screen.say(shown[-1])
    try:
        for line in _lines(screen):
            if line in ("/quit", "/exit", "/q"):
                break
            if line and not _done_here(line, front, session, screen):
                _answer(front, session, line, screen)
    except KeyboardInterrupt:
        screen.console.print()
    except _Left:
        return
    if front.sessions.get(session.id).version:
        screen.line(f"To go on: genrec chat RUN --session={session.id}", "dim")


def _lines(screen: Screen) -> Iterator[str]:
    asked = sys.stdin.isatty() and screen.console.is_terminal
    while True:
        if asked:
            screen.console.print(Text("\nyou  ", "bold green"), end="")
        # Polars has a reading that Ctrl-C interrupts begun anew, so that nobody would get out.
        signal.siginterrupt(signal.SIGINT, True)
        try:
            line = sys.stdin.readline()
        except UnicodeDecodeError:
            screen.line("That is no text. Say it in words.", "red")
            continue
        if not line:
            return
        if not asked:
            screen.line(f"\n> {line.strip()}", "bold")
        yield line.strip()


def _done_here(line: str, front: Shopfront, session: Session, screen: Screen) -> bool:
    """Commands that are no turn of the chat."""
    if line in ("/help", "/?"):
        screen.line(f"{HELP}\n{OWN_HELP}")
    elif line == "/profile":
        _profile(front, session, screen)
    elif line == "/basket":
        _basket(front, session, screen)
    elif line == "/forget":
        user = session.user
        if not user:
            front.sessions.delete(session.id)
            screen.line("This chat is deleted. You were a guest, so nothing else was known.")
            raise _Left
        gone = front.forget(user)
        screen.line(f"Forgotten: your profile and {gone} chat(s).")
        raise _Left
    else:
        return False
    return True


def _answer(front: Shopfront, session: Session, line: str, screen: Screen) -> None:
    try:
        message = read_line(line, screen.cards)
        for _, piece in front.say(session.id, message).read():
            screen.say(piece)
    except GenrecError as error:
        screen.line(str(error), "red")


def _basket(front: Shopfront, session: Session, screen: Screen) -> None:
    """What was taken in this chat, each item once."""
    turns = front.sessions.turns(session.id)
    taken = {one["item"]: one for turn in turns for one in turn.events if one["kind"] == "chosen"}
    if not taken:
        screen.line("Nothing yet. Say “I take the second”, or /buy 2.")
    for one in taken.values():
        screen.line(f"· {one['title']}  {one['price_text']}".rstrip())


def _profile(front: Shopfront, session: Session, screen: Screen) -> None:
    from genrec.serving.shopfront_profile import profile_view

    view = profile_view(front.shop, front.sessions.get(session.id).state)
    if not view.known:
        screen.line("The shop has no history of yours; what you say counts for this chat.")
    for trait in view.traits:
        screen.line(f"· {trait.text}")
        if trait.evidence:
            named = "; ".join(one.title for one in trait.evidence[:3])
            screen.line(f"    because of {trait.events:,} choices, such as {named}", "dim")
    if view.rejected:
        screen.line("Never again: " + "; ".join(one.title for one in view.rejected))
