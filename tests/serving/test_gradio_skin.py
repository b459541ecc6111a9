import pytest

from genrec.serving.gradio_skin import replies, skin
from tests.serving.chats import counter


@pytest.fixture
def front(tmp_path):
    made = counter(tmp_path)
    yield made
    made.close(5)


def test_each_visitor_talks_in_a_session_of_their_own(front):
    *_, (mine, first) = replies(front, "blue mugs", "")
    *_, (_, second) = replies(front, "lamps", "")
    assert first != second
    assert "1. " in mine
    *_, (why, again) = replies(front, "/why 1", first)
    assert again == first
    assert why
    assert front.sessions.get(first).version == 2
    assert front.sessions.get(second).version == 1


def test_what_cannot_be_done_is_an_answer(front):
    *_, (_, session) = replies(front, "mugs", "")
    assert "a number from 1 to 4" in list(replies(front, "/hide 9", session))[-1][0]
    assert list(replies(front, "mugs", "nobody's"))[-1][0]


@pytest.mark.slow
def test_gradio_draws_it_without_telling_anybody(front):
    pytest.importorskip("gradio")
    blocks = skin(front)
    assert blocks.analytics_enabled is False
    assert "answer" in {one.api_name for one in blocks.fns.values()}
    blocks.close()
