"""A small server that speaks OpenAI's chat protocol over a text model of ours."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch

from genrec.errors import InputError
from genrec.llm.text import Message, TextModel
from genrec.llm.text_transformers import TransformersText

KEY = "sk-test-abcdef"


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._reply(200, {"object": "list", "data": [{"id": "tiny-chat", "object": "model"}]})
        else:
            self._refuse(404, "no such path")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._refuse(401, f"Incorrect key: {self.headers.get('Authorization')}")
        elif self.path != "/v1/chat/completions":
            self._refuse(404, "no such path")
        elif body["model"] != "tiny-chat":
            self._refuse(404, f"The model {body['model']} does not exist")
        elif self.server.failures:
            self._refuse(self.server.failures.pop(), "overloaded")
        else:
            try:
                self._answer(body)
            except InputError as error:
                self._refuse(400, str(error))

    def _answer(self, body: dict) -> None:
        messages = [Message(one["role"], one["content"]) for one in body["messages"]]
        words = {name: body[name] for name in ("max_tokens", "temperature", "seed")}
        words["stop"] = body.get("stop", ())
        if body.get("stream"):
            pieces = self.server.model.stream(messages, **words)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for piece in pieces:
                self._event(json.dumps(self._chunk({"delta": {"content": piece}})))
            self._event(json.dumps(self._chunk({"delta": {}, "finish_reason": "stop"})))
            self._event("[DONE]")
            return
        n = body.get("n", 1) if self.server.knows_n else 1
        if form := body.get("response_format"):
            self._choose(body, messages, form["json_schema"]["schema"])
            return
        texts = self.server.model.generate(messages, n=n, **words)
        choices = [
            {
                "index": number,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": t},
            }
            for number, t in enumerate(texts)
        ]
        if body.get("logprobs") and self.server.tells:
            choices[0]["logprobs"] = {"content": [self._first(messages, body["top_logprobs"])]}
        reply = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
        self._reply(200, {**reply, "choices": choices})

    def _first(self, messages: list[Message], count: int) -> dict:
        """The likeliest first tokens of an answer, as OpenAI's servers tell them."""
        model = self.server.model
        found = likeliest(model, messages, count)
        tops = [{"token": token, "logprob": log, "bytes": None} for token, log in found]
        return {**tops[0], "top_logprobs": tops}

    def _choose(self, body: dict, messages: list[Message], schema: dict) -> None:
        """What a server with guided decoding does: one of the values, whatever the model wants."""
        choices = schema["properties"]["choice"]["enum"]
        picked = choices[self.server.model.choose(messages, choices)]
        text = json.dumps({"choice": picked}) if self.server.guides else "Whatever I like."
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        reply = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
        self._reply(200, {**reply, "choices": [choice]})

    def _chunk(self, choice: dict) -> dict:
        choices = [{"index": 0, "finish_reason": None, **choice}]
        about = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "tiny-chat"}
        return {**about, "choices": choices}

    def _event(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def _reply(self, status: int, values: dict) -> None:
        content = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, status: int, message: str) -> None:
        self._reply(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def log_message(self, *_words: object) -> None:
        """Keeps quiet."""


class ChatServer(ThreadingHTTPServer):
    """Serves one model under the name ``tiny-chat`` to those who have the key.

    Attributes:
        knows_n: whether it gives as many choices as were asked for.
        failures: statuses that the next requests get instead of an answer, last first.
        guides: whether it keeps to a JSON schema that it is given.
        tells: whether it gives log-probabilities when it is asked for them.
        requests: bodies of all requests so far.
    """

    daemon_threads = True

    def __init__(self, model: TextModel, *, knows_n: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model, self.knows_n = model, knows_n
        self.failures: list[int] = []
        self.guides = True
        self.tells = True
        self.requests: list[dict] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader who leaves a stream early is no fault of the server."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


def likeliest(model: TransformersText, messages: list[Message], n: int) -> list[tuple[str, float]]:
    """The likeliest first tokens of an answer with their log-probabilities."""
    ids = model.text_tokenizer(model.prompt_text(messages), add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logs = model.model(torch.tensor([ids])).logits[0, -1].float().log_softmax(0)
    best = logs.topk(n)
    tokens = [model.text_tokenizer.decode([number]) for number in best.indices.tolist()]
    return list(zip(tokens, best.values.tolist(), strict=True))


@contextmanager
def chat_server(model: TextModel, *, knows_n: bool = True) -> Iterator[ChatServer]:
    """A running server; it is gone after the block."""
    with ChatServer(model, knows_n=knows_n) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
