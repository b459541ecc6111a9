import pytest

from genrec.errors import InputError
from genrec.serving.commands import CHANGES, ON_CARDS, read_line
from genrec.serving.conversation.message import ACTIONS


def test_words_are_words_and_commands_are_actions():
    assert read_line("blue mugs", []).text == "blue mugs"
    asked = read_line("/why 2", ["a", "b"])
    assert (asked.action, asked.item, asked.text) == ("why", "b", "")
    assert read_line("/undo", []).action == "undo"
    assert {*ON_CARDS.values(), *CHANGES.values()} == set(ACTIONS) - {"say"}


@pytest.mark.parametrize(
    "line", ["/why", "/why 3", "/why 0", "/why -1", "/why ²", "/hide x", "/nothing"]
)
def test_what_is_no_command_or_no_card_is_said(line):
    with pytest.raises(InputError):
        read_line(line, ["a", "b"])
