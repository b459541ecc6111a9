import threading
from dataclasses import dataclass

import pytest

from genrec.errors import InputError, StorageError
from genrec.serving.batching import Closed, QueueFull
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.message import Message
from genrec.serving.conversation.sessions import UnknownSession
from tests.serving.chats import counter
from tests.serving.conversation.shop import corner_shop


@pytest.fixture(scope="module")
def talk():
    return Conversation(corner_shop())


@pytest.fixture
def front(tmp_path, talk):
    made = counter(tmp_path, talk)
    yield made
    made.close(5)


@dataclass(frozen=True, eq=False)
class Held(Conversation):
    """Waits for a word before each answer."""

    entered: threading.Event = None
    release: threading.Event = None

    def turn(self, state, message):
        self.entered.set()
        assert self.release.wait(20), "nobody released the conversation"
        yield from super().turn(state, message)


@pytest.fixture
def held(tmp_path, talk):
    conversation = Held(talk.shop, entered=threading.Event(), release=threading.Event())
    made = counter(tmp_path, conversation, workers=1, queue=2)
    yield made, conversation
    conversation.release.set()
    made.close(5)


def pieces(feed):
    return [piece for _, piece in feed.read()]


def test_a_turn_is_kept_when_its_last_piece_is_said(front):
    session = front.open(user="u1")
    feed = front.say(session.id, Message("blue mugs"))
    for _, piece in feed.read():
        if piece["kind"] == "done":
            assert front.sessions.get(session.id).version == 1
    turn = front.sessions.turns(session.id)[0]
    assert list(turn.events) == pieces(feed)
    assert turn.message["text"] == "blue mugs"


def test_a_message_that_is_sent_again_is_answered_once(front):
    session = front.open()
    first = pieces(front.say(session.id, Message("mugs", id="m1")))
    again = pieces(front.say(session.id, Message("mugs", id="m1")))
    assert again == first
    assert front.sessions.get(session.id).version == 1


def test_a_message_sent_again_while_it_is_answered_joins_that_answer(held):
    front, conversation = held
    session = front.open()
    first = front.say(session.id, Message("mugs", id="m1"))
    assert front.say(session.id, Message("mugs", id="m1")) is first
    conversation.release.set()
    assert pieces(first)[-1]["kind"] == "done"


def test_turns_of_two_tabs_are_answered_one_after_the_other(front):
    session = front.open()
    feeds = [front.say(session.id, Message(text)) for text in ("mugs", "lamps", "bags")]
    assert [pieces(feed)[-1]["turn"] for feed in feeds] == [1, 2, 3]
    assert [feed.version for feed in feeds] == [1, 2, 3]


def test_a_reader_who_comes_back_goes_on_where_it_left(front):
    session = front.open()
    feed = front.say(session.id, Message("mugs under 9"))
    everything = list(feed.read())
    for number, _ in everything:
        place = feed.place(1, number)
        assert list(feed.read(place)) == everything[number:]


def test_a_session_that_went_on_elsewhere_is_computed_anew(front, tmp_path, talk):
    """Two servers over one store: the second answer starts from what the first one left."""
    other = counter(tmp_path, talk)
    session = front.open()
    once = []

    @dataclass(frozen=True, eq=False)
    class Overtaken(Conversation):
        def turn(self, state, message):
            if not once:
                once.append(pieces(other.say(session.id, Message("lamps"))))
            yield from super().turn(state, message)

    late = counter(tmp_path, Overtaken(talk.shop))
    said = pieces(late.say(session.id, Message("blue ones")))
    assert {"kind": "again"} in said
    assert said[-1]["turn"] == 2
    assert [turn.message["text"] for turn in front.sessions.turns(session.id)] == [
        "lamps",
        "blue ones",
    ]
    late.close(5)
    other.close(5)


def test_beyond_the_queue_turns_are_refused(held):
    front, conversation = held
    session = front.open()
    front.say(session.id, Message("one"))
    assert conversation.entered.wait(10)
    front.say(session.id, Message("two"))
    front.say(front.open().id, Message("three"))
    with pytest.raises(QueueFull):
        front.say(session.id, Message("four"))
    with pytest.raises(QueueFull):
        front.compute(lambda feed: feed.end())


def test_an_unknown_or_deleted_session_is_not_answered(front):
    with pytest.raises(UnknownSession):
        front.say("nobody's", Message("mugs"))
    session = front.open(owner="shop a")
    with pytest.raises(UnknownSession):
        front.say(session.id, Message("mugs"), owner="shop b")
    front.sessions.delete(session.id, owner="shop a")
    with pytest.raises(UnknownSession):
        front.say(session.id, Message("mugs"), owner="shop a")


def test_what_fails_is_told_in_plain_words_and_leaves_the_session_as_it_was(front, monkeypatch):
    session = front.open()
    pieces(front.say(session.id, Message("mugs")))

    def full(*_, **__):
        raise StorageError("the disk sda1 is full")

    monkeypatch.setattr(front.sessions, "append", full)
    said = pieces(front.say(session.id, Message("lamps")))
    assert said[-1]["kind"] == "error"
    assert said[-1]["code"] == "unkept"
    assert "sda1" not in said[-1]["text"]
    monkeypatch.undo()
    assert front.sessions.get(session.id).version == 1
    assert pieces(front.say(session.id, Message("lamps")))[-1]["turn"] == 2


def test_forgetting_a_user_removes_their_chats_and_nobody_elses(tmp_path, talk):
    told = []
    front = counter(tmp_path, talk)
    front._forget = told.append
    mine, hers = [front.open(user="u1").id for _ in range(2)], front.open(user="u2").id
    assert front.forget("u1") == 2
    assert told == ["u1"]
    for session in mine:
        with pytest.raises(UnknownSession):
            front.sessions.get(session)
    assert front.sessions.get(hers).user == "u2"
    with pytest.raises(InputError):
        front.forget("")
    front.close(5)


def test_closing_finishes_what_was_accepted(tmp_path, talk):
    front = counter(tmp_path, talk)
    session = front.open()
    feeds = [front.say(session.id, Message(text)) for text in ("mugs", "blue", "cheaper")]
    front.close(20)
    assert all(pieces(feed)[-1]["kind"] == "done" for feed in feeds)
    again = counter(tmp_path, talk)
    assert again.sessions.get(session.id).version == 3
    again.close(5)
    with pytest.raises(Closed):
        front.compute(lambda feed: None)
