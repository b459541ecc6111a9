import threading

import httpx
import openai
import pytest

from genrec.serving.app import create_app
from genrec.serving.options import ServeConfig
from genrec.serving.text import Piece
from tests.serving.live import on_thread, until
from tests.serving.shops import in_service, loaded


class Echo:
    """Says the last message again, a word at a time; ``slow`` waits between words."""

    name = "echo"

    def __init__(self) -> None:
        self.slow, self.closed, self.begun = threading.Event(), threading.Event(), 0
        self.slow.set()

    def prompt_tokens(self, messages):
        return sum(len(one.content.split()) for one in messages)

    def reply(self, messages, sampling):
        self.begun += 1
        words = messages[-1].content.split()
        try:
            for number, word in enumerate(words[: sampling.max_tokens]):
                assert self.slow.wait(20)
                yield Piece(f"{word} " if number + 1 < len(words) else word)
            yield Piece("", 0, "length" if len(words) > sampling.max_tokens else "stop")
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
        echo.slow.set()


@pytest.fixture
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def says(text):
    return [{"role": "system", "content": "You repeat."}, {"role": "user", "content": text}]


def test_the_client_of_openai_gets_a_whole_answer(client):
    done = client.chat.completions.create(model="echo", messages=says("three small words"))
    assert done.choices[0].message.content == "three small words"
    assert done.choices[0].finish_reason == "stop"
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (5, 3)


def test_the_answer_ends_at_the_tokens_asked_for(client):
    done = client.chat.completions.create(
        model="echo", messages=says("three small words"), max_tokens=2
    )
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == (
        "three small ",
        "length",
    )


def test_a_stream_joins_to_the_whole_answer(client):
    chunks = list(
        client.chat.completions.create(
            model="echo",
            messages=says("drei kleine Wörter ✓"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "drei kleine Wörter ✓"
    assert sum(bool(text) for text in texts) == 4
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.total_tokens == 6 + 4
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_message_in_parts_is_one_text(client):
    parts = [{"type": "text", "text": "two "}, {"type": "text", "text": "parts"}]
    done = client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": parts}]
    )
    assert done.choices[0].message.content == "two parts"


def test_the_models_are_listed_and_another_name_is_an_error(client):
    assert "echo" in [model.id for model in client.models.list()]
    with pytest.raises(openai.NotFoundError, match="it is echo"):
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
        echo.slow.clear()
    echo.slow.set()
    until(echo.closed.is_set)
    assert httpx.post(f"{address}/v1/chat/completions", json=body()).status_code == 200


def test_an_answer_that_takes_too_long_is_504_and_the_next_one_comes(address, echo):
    echo.slow.clear()
    late = httpx.post(f"{address}/v1/chat/completions", json=body(), timeout=10)
    assert (late.status_code, late.json()["error"]["code"]) == (504, "timeout")
    echo.slow.set()
    until(echo.closed.is_set)
    assert httpx.post(f"{address}/v1/chat/completions", json=body()).status_code == 200


def test_more_chats_than_may_wait_are_turned_away(address, echo):
    echo.slow.clear()
    path = f"{address}/v1/chat/completions"
    answers = []

    def post():
        answers.append(httpx.post(path, json=body(), timeout=10).status_code)

    threads = [threading.Thread(target=post) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: answers)
    assert answers == [429]
    echo.slow.set()
    for thread in threads:
        thread.join(10)
    assert sorted(answers) == [200, 200, 429]
