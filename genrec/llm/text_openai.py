"""Text from a server that speaks OpenAI's chat protocol, by OpenAI's own client."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import openai

from genrec.errors import ConfigError, GenrecError, InputError, nearest
from genrec.llm.text import Message, Sampling, TextModel, choice_question

_NO_KEY = "none"
# Tokens whose log-probabilities a server is asked for; OpenAI gives no more.
LIKELIEST = 20


class OpenAIText(TextModel):
    """A model behind an OpenAI-compatible server: OpenAI, vLLM, llama.cpp, Ollama and others.

    Args:
        name: as the server calls the model.
        base_url: where the server is, such as ``http://localhost:8000/v1``; by default the variable
            ``OPENAI_BASE_URL``, or OpenAI.
        api_key: by default the variable ``OPENAI_API_KEY``; servers of your own may need none.
        timeout: seconds to wait for one answer.
        retries: how often a request is repeated when the server is busy, fails or does not answer,
            after pauses that grow.
        workers: conversations that ``generate_many`` has under way at once.
        limit_name: what the server calls ``max_tokens``; newer models of OpenAI want
            ``max_completion_tokens``.

    Raises:
        ConfigError: OpenAI itself is asked and there is no key.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: int = 2,
        workers: int = 8,
        limit_name: str = "max_tokens",
    ) -> None:
        self.name, self.timeout, self.retries = name, timeout, retries
        self.workers, self.limit_name = workers, limit_name
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        key = api_key or os.environ.get("OPENAI_API_KEY")
        if not key and base_url is None:
            raise ConfigError(
                "OpenAI needs a key. Set OPENAI_API_KEY or pass api_key, or name a server of your "
                "own by OPENAI_BASE_URL or base_url."
            )
        self._key = key or _NO_KEY
        self._client = openai.OpenAI(
            base_url=base_url, api_key=self._key, timeout=timeout, max_retries=retries
        )
        self.base_url = str(self._client.base_url)

    def _answer(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[list[str]]:
        if len(conversations) == 1:
            return [self._answers(conversations[0], sampling)]
        pool = ThreadPoolExecutor(min(self.workers, len(conversations)))
        try:
            return list(pool.map(lambda one: self._answers(one, sampling), conversations))
        finally:
            # After a failure what has not begun need not begin.
            pool.shutdown(cancel_futures=True)

    def _answers(self, messages: Sequence[Message], sampling: Sampling) -> list[str]:
        answers: list[str] = []
        while len(answers) < sampling.n:
            # Some servers give one answer whatever n says; the next then needs another seed.
            wanted = {"n": sampling.n - len(answers), "seed": sampling.seed + len(answers)}
            with self._told():
                reply = self._client.chat.completions.create(
                    **{**self._request(messages, sampling), **wanted}
                )
            answers += self._contents(reply)
        return answers[: sampling.n]

    def _contents(self, reply: Any) -> list[str]:
        """The texts of an answer; the client takes whatever JSON a server sends for one."""
        try:
            texts = [choice.message.content or "" for choice in reply.choices]
        except (AttributeError, TypeError):
            texts = []
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ConfigError(
                f"{self.base_url} answered without a choice. Is it an OpenAI-compatible server?"
            )
        return texts

    def _choose(self, messages: Sequence[Message], choices: Sequence[str], begun: str) -> int:
        """Asks for JSON whose one value is one of the choices, which the server enforces."""
        ask = choice_question(choices, begun)
        schema = {
            "type": "object",
            "properties": {"choice": {"type": "string", "enum": list(choices)}},
            "required": ["choice"],
            "additionalProperties": False,
        }
        most = Sampling(max_tokens=max(len(one.encode()) for one in choices) + 32)
        form = {"name": "choice", "strict": True, "schema": schema}
        with self._told():
            reply = self._client.chat.completions.create(
                **self._request([*messages, ask], most),
                response_format={"type": "json_schema", "json_schema": form},
            )
        text = self._contents(reply)[0]
        try:
            return list(choices).index(json.loads(text)["choice"])
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f"{self.base_url} was held to a list of {len(choices)} texts and answered "
                f"{text[:80]!r}. It does not enforce response_format json_schema; use a server "
                "that does, such as vLLM or OpenAI."
            ) from None

    def _weigh(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float] | None:
        """By the server's likeliest first tokens; choices beyond these have the least of them."""
        try:
            reply = self._client.chat.completions.create(
                **self._request(messages, Sampling(max_tokens=1)),
                logprobs=True,
                top_logprobs=LIKELIEST,
            )
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            return None
        except openai.OpenAIError as error:
            raise self._error(error) from None
        logs = reply.choices[0].logprobs if reply.choices else None
        if logs is None or not logs.content or not logs.content[0].top_logprobs:
            return None
        told: dict[str, float] = {}
        for one in logs.content[0].top_logprobs:
            told[one.token.strip()] = max(one.logprob, told.get(one.token.strip(), one.logprob))
        if not any(one in told for one in choices):
            return None
        return [told.get(one, min(told.values())) for one in choices]

    def _stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        with (
            self._told(),
            self._client.chat.completions.create(
                **self._request(messages, sampling), stream=True
            ) as chunks,
        ):
            for chunk in chunks:
                if chunk.choices and (piece := chunk.choices[0].delta.content):
                    yield piece

    def _request(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.name,
            "messages": [{"role": one.role, "content": one.content} for one in messages],
            "temperature": sampling.temperature,
            "seed": sampling.seed,
            self.limit_name: sampling.max_tokens,
        }
        return {**request, "stop": list(sampling.stop)} if sampling.stop else request

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns errors of the client into ours, which say what to do and never hold the key."""
        try:
            yield
        except openai.OpenAIError as error:
            raise self._error(error) from None
        except ValueError as error:
            raise ConfigError(
                f"The server {self.base_url} answered what is no JSON ({error}). Is it an "
                "OpenAI-compatible server?"
            ) from None

    def _error(self, error: openai.OpenAIError) -> GenrecError:
        at = f"The server {self.base_url}"
        body = getattr(error, "body", None)
        said = body.get("message") if isinstance(body, dict) else None
        said = str(said or error).replace(self._key, "…").strip()
        tries = f" in {self.retries + 1} tries" if self.retries else ""
        if isinstance(error, openai.APITimeoutError):
            return ConfigError(
                f"{at} did not answer within {self.timeout:g} s{tries}. Raise timeout, or lower "
                "max_tokens."
            )
        if isinstance(error, openai.APIConnectionError):
            return ConfigError(
                f"{at} could not be reached{tries}. See that it runs and that base_url (or "
                "OPENAI_BASE_URL) is right; most end in /v1."
            )
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            whose = "no key was given" if self._key == _NO_KEY else "it refused the key"
            return ConfigError(
                f"{at} did not let us in: {whose}. Set OPENAI_API_KEY or pass api_key."
            )
        if isinstance(error, openai.NotFoundError):
            return ConfigError(f"{at} does not know the model '{self.name}'; {self._models()}")
        if isinstance(error, openai.RateLimitError):
            return ConfigError(
                f"{at} takes no more requests for now{tries}: {said}. Wait, or lower workers."
            )
        if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
            return InputError(f"{at} refuses the request: {said}")
        return ConfigError(f"{at} failed{tries}: {said}. Look at its log.")

    def _models(self) -> str:
        try:
            names = [model.id for model in self._client.with_options(max_retries=0).models.list()]
        except openai.OpenAIError:
            return "or base_url is wrong: most end in /v1."
        return nearest(self.name, names)
