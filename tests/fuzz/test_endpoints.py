"""Odd requests to everything that listens: answered, or refused with a reason, never with a crash.

What the service's own description names is drawn by ``tests/serving/test_openapi.py``; here are the
chat with its streams, chat completions, the tools of MCP and odd answers of a text server.
"""

import json
from urllib.parse import quote

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp.client.client import Client

from genrec.errors import GenrecError
from genrec.llm.text import Message
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.mcp import shop_server
from tests.fuzz.damage import FACTOR, odd_json, spoilt_bytes
from tests.serving.chats import Chat, client_of, counter, events, kinds
from tests.serving.conversation.shop import corner_shop

EASY = {"deadline": None, "suppress_health_check": list(HealthCheck)}
TURN = {"text": "blue mugs under 12", "action": "say", "item": "", "id": "a-1"}
COMPLETION = {
    "model": "genrec-shop",
    "messages": [{"role": "user", "content": "blue mugs"}],
    "stream": False,
    "max_tokens": 16,
    "tools": [{"type": "function", "function": {"name": "find_items", "parameters": {}}}],
}


@pytest.fixture(scope="module")
def talk():
    return Conversation(corner_shop())


@pytest.fixture(scope="module")
def client(tmp_path_factory, talk):
    folder = tmp_path_factory.mktemp("counter")
    front = counter(folder, talk, turns_a_minute=0, sessions_a_minute=0)
    with client_of(folder, front) as client:
        yield client


@pytest.fixture(scope="module")
def chat(client):
    return Chat.open(client, user="u1")


def sent(client, path, body):
    """An answer that is none of the server's own faults, and says what was wrong if anything."""
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    # 501 says that the server was started without a text model.
    assert answer.status_code < 500 or answer.status_code == 501, (body[:200], answer.text)
    if answer.status_code >= 400:
        assert answer.json()["error"]["message"]
    return answer


def as_json(value):
    return json.dumps(value).encode()


@settings(max_examples=12 * FACTOR, **EASY)
@given(odd=odd_json(TURN))
def test_odd_turns_are_answered_or_refused(client, chat, odd):
    answer = sent(client, f"{chat.path}/turns", as_json(odd))
    if answer.status_code == 200:
        said = [data for _, data in events(answer.text)]
        assert kinds(said)[-1] in ("done", "error")


@settings(max_examples=8 * FACTOR, **EASY)
@given(text=st.text(max_size=60), action=st.sampled_from(["say", "hide", "why", "make_ad", "undo"]))
def test_any_words_and_actions_are_answered(client, chat, text, action):
    body = {"text": text, "action": action, "item": text[:20]}
    answer = sent(client, f"{chat.path}/turns", as_json(body))
    if answer.status_code == 200:
        assert events(answer.text)


@settings(max_examples=8 * FACTOR, **EASY)
@given(body=spoilt_bytes(as_json(TURN)))
def test_broken_bodies_are_refused(client, chat, body):
    for path in (f"{chat.path}/turns", "/v1/chat/sessions"):
        assert sent(client, path, body).status_code < 500


@settings(max_examples=12 * FACTOR, **EASY)
@given(odd=odd_json(COMPLETION))
def test_odd_completions_are_answered_or_refused(client, odd):
    answer = sent(client, "/v1/chat/completions", as_json(odd))
    assert answer.status_code < 500 or answer.status_code == 501


LAST = st.sampled_from(["", "1.1", "0.0", "-1.-1", "9" * 30 + ".1", "1.", ".1", "1.1.1", "1e9.2"])


@settings(max_examples=8 * FACTOR, **EASY)
@given(name=LAST | st.text("0123456789.-", max_size=32))
def test_odd_places_in_a_stream_are_answered_or_refused(client, chat, name):
    answer = client.get(f"{chat.path}/events", headers={"Last-Event-ID": name})
    assert answer.status_code in (200, 422), (name, answer.text)


@settings(max_examples=8 * FACTOR, **EASY)
@given(name=st.text(max_size=30))
def test_no_session_or_item_of_any_name_breaks_the_service(client, name):
    for path in ("/v1/chat/sessions/{}", "/v1/items/{}", "/v1/pictures/{}"):
        target = path.format(quote(name, safe=""))
        answer = client.get(target)
        assert answer.status_code < 500, (target, answer.text)


CALLS = [
    ("recommend", {"user": "u1", "n": 3, "where": {"category": "lamps", "price": {"max": 50}}}),
    ("find", {"text": "blue mugs", "n": 3, "where": {"price": {"max": 10}}, "user": "u1"}),
    ("explain", {"item": "i000", "user": "u1"}),
    ("make_ad", {"item": "i000", "user": "u1"}),
]


def test_odd_arguments_of_tools_are_answered_or_refused(talk):
    server = shop_server(lambda: talk)

    async def run(drawn):
        async with Client(server) as client:
            for name, arguments in drawn:
                answer = await client.call_tool(name, arguments)
                if answer.is_error:
                    said = answer.content[0].text
                    assert said
                    assert "Traceback" not in said
                    assert "cannot answer now" not in said

    @settings(max_examples=2 * FACTOR, **EASY)
    @given(st.data())
    def holds(data):
        drawn = []
        for name, arguments in CALLS:
            odd = data.draw(odd_json(arguments))
            if isinstance(odd, dict) and "\\ud800" not in json.dumps(odd):
                drawn.append((name, odd))
        anyio.run(run, drawn)

    holds()


ANSWER = {
    "id": "x", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a mug"}}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip


def test_odd_answers_of_a_text_server_are_taken_or_refused(monkeypatch):
    openai = pytest.importorskip("openai")
    from genrec.llm.text_openai import OpenAIText

    held = {}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=held["body"], headers={
        "Content-Type": "application/json"
    }))  # fmt: skip
    # pragma: allowlist nextline secret
    model = OpenAIText("m", base_url="http://127.0.0.1:9/v1", api_key="none", retries=0)
    model._client = openai.OpenAI(
        base_url="http://127.0.0.1:9/v1",
        api_key="none",  # pragma: allowlist secret
        max_retries=0,
        http_client=httpx.Client(transport=transport),
    )  # fmt: skip

    @settings(max_examples=12 * FACTOR, **EASY)
    @given(odd_json(ANSWER).map(as_json) | spoilt_bytes(as_json(ANSWER)))
    def holds(body):
        held["body"] = body
        try:
            assert isinstance(model.generate([Message("user", "say a mug")])[0], str)
        except GenrecError as error:
            assert str(error)

    holds()
