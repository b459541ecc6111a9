"""The shop assistant as a model of OpenAI's protocol: words, cards as text, and tool calls.

The protocol keeps no session: a client sends the whole conversation each time, and what was
understood so far follows from the shopper's own messages. Only their messages are read: what
stands in system messages or comes back from tools can change neither filters nor items.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.events import Done
from genrec.serving.conversation.message import Message
from genrec.serving.conversation.state import ChatState
from genrec.serving.feed import Feed, Piece
from genrec.serving.problems import RequestProblem
from genrec.serving.schemas import ChatBody, MessageBody, ToolBody
from genrec.serving.shop_tools import TOOLS
from genrec.serving.shopfront import Shopfront

SHOP_MODEL = "genrec-shop"
# Messages of the shopper that are gone through again where nothing is remembered of them.
REPLAYED = 40
REMEMBERED = 2_000


class Assistant:
    """Answers conversations that are sent whole.

    What the shopper's messages came to is remembered for a while, by a hash of them and of who
    sent them, so that each request costs one turn; forgotten, they are gone through again.
    """

    def __init__(self, shopfront: Shopfront) -> None:
        self.shopfront = shopfront
        self._states: OrderedDict[str, ChatState] = OrderedDict()
        self._lock = threading.Lock()

    def feed(self, body: ChatBody, *, owner: str) -> Feed:
        """The answer's events, as they are made.

        Raises:
            RequestProblem: there is nothing to answer.
            QueueFull: too many turns wait.
        """
        said = [_text(one) for one in body.messages if one.role == "user"]
        if not said:
            raise RequestProblem(422, "bad_request", "messages: none is of the role 'user'.")
        said, whose = said[-REPLAYED:], f"{owner} {body.user or ''}"
        conversation = self.shopfront.conversation

        def work(feed: Feed) -> None:
            state = self._state(conversation, whose, body.user or "", said[:-1])
            for event in conversation.turn(state, Message(said[-1])):
                if isinstance(event, Done) and event.state is not None:
                    self._remember(conversation, whose, said, event.state)
                feed.say(event.to_dict())

        return self.shopfront.compute(work)

    def _state(
        self, conversation: Conversation, whose: str, user: str, said: Sequence[str]
    ) -> ChatState:
        known, state = 0, ChatState(user=user)
        with self._lock:
            for count in range(len(said), 0, -1):
                if found := self._states.get(_key(conversation, whose, said[:count])):
                    known, state = count, found
                    break
        for count in range(known, len(said)):
            for event in conversation.turn(state, Message(said[count])):
                if isinstance(event, Done) and event.state is not None:
                    state = event.state
            self._remember(conversation, whose, said[: count + 1], state)
        return state

    def _remember(
        self, conversation: Conversation, whose: str, said: Sequence[str], state: ChatState
    ) -> None:
        with self._lock:
            self._states[_key(conversation, whose, said)] = state
            while len(self._states) > REMEMBERED:
                self._states.popitem(last=False)


def _key(conversation: Conversation, whose: str, said: Sequence[str]) -> str:
    text = json.dumps([id(conversation), whose, *said])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _text(message: MessageBody) -> str:
    content = message.content
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.text for part in content)


def words_of(piece: Piece) -> str:
    """What an event adds to an answer in plain words; the words of a turn come as tokens."""
    kind = piece["kind"]
    if kind == "token":
        return str(piece["text"])
    if kind == "cards" and piece["cards"]:
        lines = [_line(at, card) for at, card in enumerate(piece["cards"], 1)]
        return "\n\n" + "\n".join(lines) + "\n\n"
    if kind == "ad":
        return "\n\n" + "\n".join(str(one) for one in piece["fields"].values() if one)
    return str(piece["text"]) if kind == "error" else ""


def _line(number: int, card: Mapping[str, Any]) -> str:
    parts = [card["title"], card["price_text"], card["why"]]
    return f"{number}. " + " · ".join(str(part) for part in parts if part)


def tool_calls(pieces: Sequence[Piece], body: ChatBody) -> list[dict[str, Any]]:
    """Calls of those tools that the client knows, which show what the answer shows.

    None where the client has just run tools, or asks for none.
    """
    tools = {tool.function.name: tool for tool in body.tools or () if tool.function.name in TOOLS}
    choice = body.tool_choice
    if not tools or choice == "none" or body.messages[-1].role == "tool":
        return []
    wanted = ""
    if isinstance(choice, dict):
        wanted = str((choice.get("function") or {}).get("name", ""))
    calls = [
        _call(name, arguments, tools[name])
        for name, arguments in _calls(pieces, body)
        if name in tools and wanted in ("", name)
    ]
    return calls[:1] if body.parallel_tool_calls is False else calls


def _calls(pieces: Sequence[Piece], body: ChatBody) -> Iterator[tuple[str, dict[str, Any]]]:
    said = next(_text(one) for one in reversed(body.messages) if one.role == "user")
    held: dict[str, Any] = {}
    wish = ""
    user = {"user": body.user} if body.user else {}
    for piece in pieces:
        if piece["kind"] == "filter":
            held, wish = piece["where"], piece["wish"]
        elif piece["kind"] == "cards" and piece["cards"]:
            asked = {"n": len(piece["cards"]), "where": held, **user}
            if wish:
                yield "find", {"text": wish or said, **asked}
            else:
                yield "recommend", asked
        elif piece["kind"] == "explanation" and piece["item"]:
            yield "explain", {"item": piece["item"], **user}
        elif piece["kind"] == "ad":
            yield "make_ad", {"item": piece["item"], **user}


def _call(name: str, arguments: dict[str, Any], tool: ToolBody) -> dict[str, Any]:
    # A client's tool of that name may take less than ours.
    known = (tool.function.parameters or {}).get("properties")
    given = {key: value for key, value in arguments.items() if known is None or key in known}
    return {
        "id": f"call_{uuid.uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(given, ensure_ascii=False)},
    }


async def whole(feed: Feed, body: ChatBody) -> dict[str, Any]:
    """The answer in one body.

    Raises:
        RequestProblem: it could not be made.
    """
    pieces = [piece async for _, piece in feed.listen() if piece is not None]
    _check(pieces)
    calls = tool_calls(pieces, body)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(map(words_of, pieces)).strip(),
    }
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return {**_head("chat.completion"), "choices": [choice]}


async def streamed(feed: Feed, body: ChatBody) -> AsyncIterator[str]:
    """The answer as server-sent events."""
    head, pieces = _head("chat.completion.chunk"), []

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return f"data: {json.dumps({**head, 'choices': [choice]}, ensure_ascii=False)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    async for _, piece in feed.listen():
        if piece is None:
            yield ": still here\n\n"
            continue
        pieces.append(piece)
        if words := words_of(piece):
            yield chunk({"content": words})
    calls = tool_calls(pieces, body)
    for at, call in enumerate(calls):
        yield chunk({"tool_calls": [{"index": at, **call}]})
    yield chunk({}, "tool_calls" if calls else "stop")
    yield "data: [DONE]\n\n"


def _check(pieces: Sequence[Piece]) -> None:
    down = {"unavailable", "unkept"}
    for piece in pieces:
        if piece["kind"] == "error" and piece["code"] in down:
            raise RequestProblem(503, "unavailable", str(piece["text"]), retry_after=5)


def _head(kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": SHOP_MODEL,
    }
