"""Chats in the form of OpenAI: one answer as JSON, or pieces as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from genrec.serving.problems import RequestProblem
from genrec.serving.schemas import ChatAnswer, ChatBody, Choice, ReplyMessage, Usage
from genrec.serving.text import ChatMessage, Piece, Sampling, TextModel


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

    async def pieces(self, model: TextModel, body: ChatBody) -> AsyncIterator[Piece]:
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
        written = model.reply(messages(body), sampling(body))
        step: asyncio.Task[Piece | None] | None = None
        try:
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

    def _release_after(self, step: asyncio.Task[Piece | None] | None, written: Any) -> None:
        def release(_: object = None) -> None:
            with contextlib.suppress(Exception):
                written.close()
            self._turn.release()

        if step is None or step.done():
            release()
        else:
            step.add_done_callback(release)


def _late(timeout: float) -> RequestProblem:
    return RequestProblem(504, "timeout", f"No answer within {timeout:g} s. Ask for less text.")


def messages(body: ChatBody) -> list[ChatMessage]:
    """The conversation, parts of a message joined."""
    found = []
    for one in body.messages:
        content = one.content
        text = content if isinstance(content, str) else "".join(part.text for part in content)
        found.append(ChatMessage("system" if one.role == "developer" else one.role, text))
    return found


def sampling(body: ChatBody) -> Sampling:
    """How to draw, with the defaults of this service where the body says nothing."""
    plain = Sampling()
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    return Sampling(
        body.max_completion_tokens or body.max_tokens or plain.max_tokens,
        plain.temperature if body.temperature is None else body.temperature,
        plain.top_p if body.top_p is None else body.top_p,
        tuple(stop),
        body.seed,
    )


async def whole_answer(
    pieces: AsyncIterator[Piece], model: TextModel, prompt_tokens: int
) -> ChatAnswer:
    """The answer in one body."""
    texts, tokens, finish = [], 0, "stop"
    async for piece in pieces:
        texts.append(piece.text)
        tokens += piece.tokens
        finish = piece.finish or finish
    return ChatAnswer(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=model.name,
        choices=[Choice(message=ReplyMessage(content="".join(texts)), finish_reason=finish)],
        usage=usage(prompt_tokens, tokens),
    )


def usage(prompt: int, written: int) -> Usage:
    """Tokens of one answer."""
    return Usage(prompt_tokens=prompt, completion_tokens=written, total_tokens=prompt + written)


async def server_sent(
    pieces: AsyncIterator[Piece], model: TextModel, prompt_tokens: int, *, with_usage: bool
) -> AsyncIterator[str]:
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

    tokens, finish = 0, "stop"
    yield chunk({"role": "assistant", "content": ""})
    try:
        async for piece in pieces:
            tokens += piece.tokens
            finish = piece.finish or finish
            if piece.text:
                yield chunk({"content": piece.text})
    except RequestProblem as problem:
        yield _event(problem.answer.model_dump())
        return
    yield chunk({}, finish)
    if with_usage:
        counted = usage(prompt_tokens, tokens).model_dump()
        yield _event({**head, "choices": [], "usage": counted})
    yield "data: [DONE]\n\n"


def _event(values: dict[str, Any]) -> str:
    return f"data: {json.dumps(values, ensure_ascii=False)}\n\n"
