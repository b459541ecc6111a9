"""Chats in the form of OpenAI: one answer as JSON, or pieces as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

from genrec.errors import GenrecError, InputError
from genrec.llm.text import Message, TextModel
from genrec.serving.problems import RequestProblem
from genrec.serving.schemas import ChatAnswer, ChatBody, Choice, ReplyMessage

log = logging.getLogger(__name__)

# Of an answer when the request does not say.
MAX_TOKENS = 256


class Chats:
    """One chat at a time; a text model writes on one thread.

    Args:
        waiting: chats that may wait for their turn.
        timeout: seconds for a whole answer, the wait included.
    """

    def __init__(self, *, waiting: int, timeout: float) -> None:
        self.waiting, self.timeout = waiting, timeout
        self._turn = asyncio.Lock()
        self._queued = 0

    async def pieces(self, model: TextModel, body: ChatBody) -> AsyncIterator[str]:
        """The answer as it is written.

        Raises:
            RequestProblem: too many wait, or the time is over.
        """
        if self._queued >= self.waiting:
            raise RequestProblem(
                429, "queue_full", f"{self._queued} chats wait. Try again.", retry_after=5
            )
        self._queued += 1
        deadline = asyncio.get_running_loop().time() + self.timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._turn.acquire()
        except TimeoutError:
            raise _late(self.timeout) from None
        finally:
            self._queued -= 1
        # Closing a generator that another thread is inside would fail, so steps are not cancelled:
        # each is awaited to its end, and the next one is not begun.
        written: Any = None
        step: asyncio.Task[str | None] | None = None
        try:
            written = _stream(model, body)
            while True:
                step = asyncio.create_task(asyncio.to_thread(next, written, None))
                done, _ = await asyncio.wait(
                    {step}, timeout=deadline - asyncio.get_running_loop().time()
                )
                if not done:
                    raise _late(self.timeout)
                if (piece := step.result()) is None:
                    return
                yield piece
        finally:
            self._release_after(step, written)

    def _release_after(self, step: asyncio.Task[str | None] | None, written: Any) -> None:
        def release(_: object = None) -> None:
            with contextlib.suppress(Exception):
                getattr(written, "close", lambda: None)()
            self._turn.release()

        if step is None or step.done():
            release()
        else:
            step.add_done_callback(release)


def failed(error: Exception) -> RequestProblem:
    """What a client is told when the text model cannot go on; the log has the rest."""
    log.error("The text model failed: %s", type(error).__name__, exc_info=error)
    return RequestProblem(
        503, "text_model", "The text model cannot be used. Try again; the service's log says more."
    )


def _late(timeout: float) -> RequestProblem:
    return RequestProblem(504, "timeout", f"No answer within {timeout:g} s. Ask for less text.")


def _stream(model: TextModel, body: ChatBody) -> Iterator[str]:
    turns = []
    for one in body.messages:
        content = one.content
        text = content if isinstance(content, str) else "".join(part.text for part in content or ())
        turns.append(Message("system" if one.role == "developer" else one.role, text))
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    try:
        return model.stream(
            turns,
            max_tokens=body.max_completion_tokens or body.max_tokens or MAX_TOKENS,
            temperature=body.temperature or 0.0,
            seed=body.seed or 0,
            stop=stop,
        )
    except InputError as error:
        raise RequestProblem.of_input(error) from error


async def whole_answer(pieces: AsyncIterator[str], model: TextModel) -> ChatAnswer:
    """The answer in one body."""
    text = "".join([piece async for piece in pieces])
    return ChatAnswer(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=model.name,
        choices=[Choice(message=ReplyMessage(content=text))],
    )


async def server_sent(pieces: AsyncIterator[str], model: TextModel) -> AsyncIterator[str]:
    """The answer as events; an error after the first byte is an event too."""
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model.name,
    }

    def chunk(delta: dict[str, str], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event({**head, "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    try:
        async for piece in pieces:
            yield chunk({"content": piece})
    except (RequestProblem, GenrecError) as error:
        # The status has been sent, so that it went wrong can only be told as an event.
        problem = error if isinstance(error, RequestProblem) else failed(error)
        yield _event(problem.answer.model_dump())
        return
    yield chunk({}, "stop")
    yield "data: [DONE]\n\n"


def _event(values: dict[str, Any]) -> str:
    return f"data: {json.dumps(values, ensure_ascii=False)}\n\n"
