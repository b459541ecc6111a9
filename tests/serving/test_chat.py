import threading

import httpx
import openai
import pytest

from genrec.errors import ConfigError
from genrec.llm.text import Message, TextModel
from genrec.llm.text_transformers import TransformersText
from genrec.serving.app import create_app
from genrec.serving.options import ServeConfig
from tests.serving.live import on_thread, until
from tests.serving.shops import in_service, loaded
from tests.small_chat import write_chat_model


class Echo(TextModel):
    """Says the last message again, a word at a time; without ``go`` it waits before each."""

    name = "echo"

    def __init__(self) -> None:
        self.go, self.closed = threading.Event(), threading.Event()
        self.go.set()

    def _answer(self, conversations, sampling):
        return [["".join(self._stream(one, sampling))] for one in conversations]

    def _stream(self, messages, sampling):
        try:
            for word in messages[-1].content.split()[: sampling.max_tokens]:
                assert self.go.wait(20)
                if word == "unplug":
                    raise ConfigError("the secret address of the server is gone")
                yield f"{word} "
        finally:
            self.closed.set()


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def address(tmp_path, echo):
    with (
        in_service(tmp_path, loaded(text_model=echo)) as service,
        on_thread(create_app(service, ServeConfig(timeout=2, queue=1))) as address,
    ):
        yield address
        echo.go.set()


@pytest.fixture
def client(address):
    # pragma: allowlist nextline secret
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def says(text):
    return [{"role": "system", "content": "You repeat."}, {"role": "user", "content": text}]


def test_the_client_of_openai_gets_a_whole_answer(client):
    done = client.chat.completions.create(model="echo", messages=says("three small words"))
    assert done.choices[0].message.content == "three small words "
    assert done.choices[0].finish_reason == "stop"


def test_the_answer_ends_at_the_tokens_asked_for(client):
    done = client.chat.completions.create(
        model="echo", messages=says("three small words"), max_tokens=2
    )
    assert done.choices[0].message.content == "three small "


def test_a_stream_joins_to_the_whole_answer(client):
    chunks = list(
        client.chat.completions.create(
            model="echo",
            messages=says("drei kleine Wörter ✓"),
            stream=True,
        )
    )
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "drei kleine Wörter ✓ "
    assert sum(bool(text) for text in texts) == 4
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_message_in_parts_is_one_text(client):
    parts = [{"type": "text", "text": "two "}, {"type": "text", "text": "parts"}]
    done = client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": parts}]
    )
    assert done.choices[0].message.content == "two parts "


def test_the_models_are_listed_and_another_name_is_an_error(client):
    assert "echo" in [model.id for model in client.models.list()]
    with pytest.raises(openai.NotFoundError, match="No model 'gpt-9' here; ask echo"):
        client.chat.completions.create(model="gpt-9", messages=says("hello"))


def test_messages_of_another_form_are_an_error(client):
    with pytest.raises(openai.UnprocessableEntityError, match="messages"):
        client.chat.completions.create(model="echo", messages=[])


def body(text="one two three", **more):
    return {"model": "echo", "messages": says(text), **more}


def test_a_client_that_leaves_a_stream_ends_the_work(address, echo):
    with httpx.stream(
        "POST", f"{address}/v1/chat/completions", json=body("a " * 50, stream=True)
    ) as s:
        lines = s.iter_lines()
        assert next(lines).startswith("data: ")
        echo.go.clear()
    echo.go.set()
    until(echo.closed.is_set)
    assert httpx.post(f"{address}/v1/chat/completions", json=body()).status_code == 200


def test_an_answer_that_takes_too_long_is_504_and_the_next_one_comes(address, echo):
    echo.go.clear()
    late = httpx.post(f"{address}/v1/chat/completions", json=body(), timeout=10)
    assert (late.status_code, late.json()["error"]["code"]) == (504, "timeout")
    echo.go.set()
    until(echo.closed.is_set)
    assert httpx.post(f"{address}/v1/chat/completions", json=body()).status_code == 200


def test_more_chats_than_may_wait_are_turned_away(address, echo):
    echo.go.clear()
    path = f"{address}/v1/chat/completions"
    answers = []

    def post():
        answers.append(httpx.post(path, json=body(), timeout=10).status_code)

    threads = [threading.Thread(target=post) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: answers)
    assert answers == [429]
    echo.go.set()
    for thread in threads:
        thread.join(10)
    assert sorted(answers) == [200, 200, 429]


def test_a_text_model_that_breaks_is_told_without_its_reasons(address):
    path = f"{address}/v1/chat/completions"
    broken = httpx.post(path, json=body("unplug"))
    assert (broken.status_code, broken.json()["error"]["code"]) == (503, "text_model")
    streamed = httpx.post(path, json=body("word unplug", stream=True))
    *_, last = [line for line in streamed.text.splitlines() if line]
    assert '"code": "text_model"' in last
    assert "secret" not in broken.text + streamed.text
    assert httpx.post(path, json=body()).status_code == 200


def test_a_model_of_transformers_streams_what_it_generates(tmp_path):
    writer = TransformersText(write_chat_model(tmp_path / "chat"))
    asked = {"model": writer.name, "messages": says("hello"), "max_tokens": 12}
    with (
        in_service(tmp_path, loaded(text_model=writer)) as service,
        on_thread(create_app(service)) as address,
        # pragma: allowlist nextline secret
        openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
    ):
        whole = client.chat.completions.create(**asked).choices[0].message.content
        chunks = client.chat.completions.create(**asked, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    turns = [Message(one["role"], one["content"]) for one in asked["messages"]]
    assert whole == writer.generate(turns, max_tokens=12)[0]
