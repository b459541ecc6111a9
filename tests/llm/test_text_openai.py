import logging
import socket

import pytest

from genrec.errors import ConfigError, InputError
from genrec.llm.text import Message
from genrec.llm.text_transformers import TransformersText
from tests.contracts.text_model import HELLO, TALK, TextModelContract
from tests.llm.openai_server import KEY, chat_server, likeliest
from tests.small_chat import write_chat_model

pytest.importorskip("openai", reason="needs the extra 'openai'")

from genrec.llm.text_openai import OpenAIText


@pytest.fixture(scope="module")
def behind(tmp_path_factory) -> TransformersText:
    return TransformersText(write_chat_model(tmp_path_factory.mktemp("chat")), device="cpu")


@pytest.fixture(scope="module")
def server(behind):
    with chat_server(behind) as running:
        yield running


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def client(server, name: str = "tiny-chat", **options) -> OpenAIText:
    return OpenAIText(name, **{"base_url": server.url, "api_key": KEY, "retries": 0, **options})


class TestOpenAIText(TextModelContract):
    @pytest.fixture(scope="class")
    @classmethod
    def writer(cls, server):
        return client(server)

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, behind):
        return behind


def test_servers_that_give_one_answer_at_a_time_are_asked_again(behind):
    with chat_server(behind, knows_n=False) as server:
        texts = client(server).generate(HELLO, max_tokens=8, temperature=1.0, n=3, seed=4)
        assert len(set(texts)) == 3
        assert [request["seed"] for request in server.requests] == [4, 5, 6]


def test_address_and_key_may_come_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert OpenAIText("tiny-chat").generate(HELLO, max_tokens=4)


def test_openai_itself_needs_a_key():
    with pytest.raises(ConfigError, match="Set OPENAI_API_KEY"):
        OpenAIText("any")


def test_a_busy_server_is_asked_again(server):
    server.failures += [503]
    assert client(server, retries=1).generate(HELLO, max_tokens=4)
    assert not server.failures


@pytest.mark.parametrize(("status", "said"), [(429, "no more requests"), (500, "failed")])
def test_a_server_that_keeps_failing_is_an_error(server, status, said):
    server.failures += [status]
    with pytest.raises(ConfigError, match=f"{said}.*overloaded"):
        client(server).generate(HELLO, max_tokens=4)


@pytest.mark.parametrize("call", ["generate", "stream", "many"])
def test_a_wrong_key_is_said_without_showing_it(server, call, caplog, capfd):
    secret = "sk-very-secret-123"  # pragma: allowlist secret
    model = client(server, api_key=secret)
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError) as error:
        {
            "generate": lambda: model.generate(HELLO),
            "stream": lambda: list(model.stream(HELLO)),
            "many": lambda: model.generate_many([HELLO, TALK]),
        }[call]()
    assert "refused the key. Set OPENAI_API_KEY" in str(error.value)
    shown = f"{error.value}{model!r}{caplog.text}{capfd.readouterr()}"
    assert secret not in shown


def test_a_server_that_wants_a_key_and_gets_none(server):
    with pytest.raises(ConfigError, match="no key was given"):
        client(server, api_key=None).generate(HELLO)


def test_a_wrong_model_is_said_with_the_nearest(server):
    with pytest.raises(ConfigError, match="'tiny-chad'; did you mean 'tiny-chat'"):
        client(server, "tiny-chad").generate(HELLO)


def test_a_wrong_path_is_not_taken_for_a_wrong_model(server):
    wrong = server.url.removesuffix("/v1")
    with pytest.raises(ConfigError, match="most end in /v1"):
        client(server, base_url=wrong).generate(HELLO)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_that_is_not_there():
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(ConfigError, match=f"{url}/ could not be reached. See that it runs"):
        OpenAIText("m", base_url=url, retries=0).generate(HELLO)


def test_a_server_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(ConfigError, match=r"did not answer within 0\.3 s\. Raise timeout"):
            OpenAIText("m", base_url=url, timeout=0.3, retries=0).generate(HELLO)


def test_what_the_server_refuses_is_told_in_its_words(server):
    with pytest.raises(InputError, match="refuses the request: The messages take"):
        client(server).generate([Message("user", "long " * 200)])


def test_no_more_requests_are_under_way_than_workers(behind):
    import threading

    under_way, most, lock = 0, 0, threading.Lock()

    class Counting(TransformersText):
        def generate(self, *words, **options):
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
            try:
                return super().generate(*words, **options)
            finally:
                with lock:
                    under_way -= 1

    with chat_server(Counting(behind.name, device="cpu")) as server:
        texts = client(server, workers=2).generate_many([HELLO, TALK] * 4, max_tokens=8)
    assert texts[0::2] == [texts[0]] * 4
    assert most == 2


def test_choices_are_enforced_by_the_server_s_json_schema(server):
    choices = ["red apples", "two ripe plums"]
    assert choices[client(server).choose(HELLO, choices, begun="I like ")] in choices
    asked = server.requests[-1]
    schema = asked["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["choice"]["enum"] == choices
    assert "I like" in asked["messages"][-1]["content"]


def test_a_server_that_does_not_enforce_a_schema_is_told_of(behind):
    with chat_server(behind) as running:
        running.guides = False
        with pytest.raises(ConfigError, match="does not enforce response_format"):
            client(running).choose(HELLO, ["red apples", "two ripe plums"])


def test_a_server_tells_what_the_first_letters_of_an_answer_are_worth(server, behind):
    letters = [token for token, _ in likeliest(behind, HELLO, 20) if token.isalnum()]
    assert len(letters) >= 2
    found = client(server).weigh(HELLO, letters)
    assert found == pytest.approx(behind.weigh(HELLO, letters), abs=1e-3)
    least = likeliest(behind, HELLO, 20)[-1][1]
    assert client(server).weigh(HELLO, [letters[0], "no such token"])[1] == pytest.approx(least)
    assert client(server).weigh(HELLO, ["no such token", "nor this"]) is None


def test_a_server_that_tells_no_probabilities_is_asked_for_a_choice_instead(behind):
    with chat_server(behind) as running:
        running.tells = False
        assert client(running).weigh(HELLO, ["A", "B"]) is None
