import io
import os
import signal
import threading
from types import SimpleNamespace

import pytest

from genrec.cli.chat_screen import Screen, talk
from genrec.serving.conversation.sessions import UnknownSession
from tests.serving.chats import counter


@pytest.fixture
def front(tmp_path):
    made = counter(tmp_path)
    yield made
    made.close(5)


def typed(monkeypatch, *lines):
    source = io.StringIO("".join(f"{line}\n" for line in lines))
    monkeypatch.setattr("sys.stdin", source)


def said(front, session, monkeypatch, *lines):
    typed(monkeypatch, *lines)
    out = io.StringIO()
    talk(front, session, Screen.of(out, front.shop))
    return out.getvalue()


def test_a_pipe_gets_plain_lines_and_every_command_does_something(front, monkeypatch):
    session = front.open(user="u1")
    text = said(
        front,
        session,
        monkeypatch,
        "blue mugs under 12",
        "/why 1",
        "/ad 1",
        "/hide 1",
        "/undo",
        "/basket",
        "/buy 1",
        "/basket",
        "/profile",
        "/help",
        "/why 9",
        "/dance",
        "/quit",
        "never read",
    )
    assert "\x1b" not in text
    assert "ad, made for you" in text
    assert "/why 9" in text
    assert "a number from 1 to" in text
    assert "no command /dance" in text
    assert "never read" not in text
    assert f"--session={session.id}" in text
    assert front.sessions.get(session.id).version == 6
    assert text.index("Nothing yet") < text.index("Nothing is ordered") < text.rindex("· ")


def test_a_chat_is_gone_on_with(front, monkeypatch):
    session = front.open()
    said(front, session, monkeypatch, "lamps", "/quit")
    again = front.sessions.get(session.id)
    text = said(front, again, monkeypatch, "/why 1", "/quit")
    assert "Turns so far: 1" in text
    assert front.sessions.get(session.id).version == 2


def test_an_interrupt_leaves_the_session_whole(front, monkeypatch):
    session = front.open()
    lines = iter(["mugs\n"])

    def readline():
        for line in lines:
            return line
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", SimpleNamespace(readline=readline, isatty=lambda: False))
    out = io.StringIO()
    talk(front, session, Screen.of(out, front.shop))
    assert session.id in out.getvalue()
    assert front.sessions.get(session.id).version == 1


def test_titles_are_no_markup_on_the_screen(front):
    out = io.StringIO()
    screen = Screen.of(out, front.shop)
    card = {"item": "x", "title": "[red]a[/red]", "price_text": "$1", "facts": [], "why": "[b]"}
    screen.say({"kind": "cards", "cards": [card], "turn": 1})
    screen.say({"kind": "token", "text": "[bold]hi[/bold]"})
    assert "[red]a[/red]" in out.getvalue()
    assert "[bold]hi[/bold]" in out.getvalue()


def test_whoever_is_forgotten_has_no_chat_to_go_on_with(front, monkeypatch):
    session = front.open(user="u1")
    text = said(front, session, monkeypatch, "mugs", "/forget", "lamps")
    assert "Forgotten" in text
    assert "--session" not in text
    with pytest.raises(UnknownSession):
        front.sessions.get(session.id)


def test_ctrl_c_leaves_while_the_shop_waits_for_words(front, monkeypatch):
    session = front.open()
    said(front, session, monkeypatch, "lamps", "/quit")
    # A process in the background starts with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    # As polars leaves it: what Ctrl-C interrupts is begun anew.
    signal.siginterrupt(signal.SIGINT, False)
    reading, writing = os.pipe()
    out = io.StringIO()
    pressed = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    late = threading.Event()
    given_up = threading.Timer(5, lambda: (late.set(), os.write(writing, b"/quit\n")))
    with os.fdopen(reading) as source:
        monkeypatch.setattr("sys.stdin", source)
        pressed.start()
        given_up.start()
        try:
            talk(front, session, Screen.of(out, front.shop))
        finally:
            signal.signal(signal.SIGINT, before)
    given_up.cancel()
    os.close(writing)
    assert not late.is_set()
    assert f"--session={session.id}" in out.getvalue()
