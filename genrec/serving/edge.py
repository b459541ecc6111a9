"""What stands before the routes: body limits, request ids, metrics, logs. Plain ASGI.

Logs hold no personal data: method, route as a template, status, milliseconds and a request id that
is made here. No ids of items or users, no keys, no bodies, no addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import re
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.routing import Match

from genrec.serving.options import ServeConfig
from genrec.serving.problems import RequestProblem

log = logging.getLogger("genrec.serving")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# Possessive, and open at the end: linear in the body's length also for what is no JSON.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+\\?(?:"|\Z)', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_UNKEPT = re.compile("[\x00\ud800-\udfff]")
_LONGEST_INT = 18
_MOST_LINES = 10_000
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = here = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("genrec_requests", "Answered requests.", labels, registry=here)
        self.seconds = Histogram(
            "genrec_request_seconds", "Time to answer.", ("route",), buckets=_SECONDS, registry=here
        )
        self.batches = Histogram(
            "genrec_batch_requests", "Requests in a batch.", buckets=_SIZES, registry=here
        )
        self.batch_seconds = Histogram(
            "genrec_batch_seconds", "Time to compute a batch.", buckets=_SECONDS, registry=here
        )
        self.waiting = Gauge("genrec_queue_requests", "Requests that wait.", registry=here)
        self.events = Counter("genrec_events", "Events that were new.", registry=here)
        self.reloads = Counter("genrec_reloads", "Reloads.", ("outcome",), registry=here)
        self.model = Gauge("genrec_model_info", "The model in service.", ("model",), registry=here)

    def batch(self, size: int, seconds: float) -> None:
        """Counts a batch."""
        self.batches.observe(size)
        self.batch_seconds.observe(seconds)


class Observed:
    """Gives each request an id, counts and logs it, and answers what nobody foresaw with 500."""

    def __init__(self, app: App, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, number = time.perf_counter(), uuid.uuid4().hex
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", number.encode()),
                ]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            log.exception("Request %s failed", number)
            if status:
                raise
            problem = RequestProblem(
                500, "internal", f"An error of the service; its log has request {number}."
            )
            await answer(problem, watched)
        finally:
            # A client that left before its answer has the status that nginx gave the case.
            status = status or 499
            seconds = time.perf_counter() - started
            route = _route(scope)
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            self.metrics.requests.labels(method, route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(seconds)
            facts = {
                "method": method,
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 1),
                "request_id": number,
            }
            log.info("request", extra={"facts": facts})


def _route(scope: Scope) -> str:
    """The path of a request's route, also where it was refused before it came there."""
    routes = getattr(scope.get("app"), "routes", ())
    found = scope.get("route") or next(
        (one for one in routes if one.matches(scope)[0] == Match.FULL), None
    )
    return getattr(found, "path", "unmatched")


_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"}


class BodyLimits:
    """Reads a body whole before the routes see it, and refuses what is too large or no JSON."""

    def __init__(self, app: App, config: ServeConfig) -> None:
        self.app, self.config = app, config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        try:
            body = await self._body(scope, receive)
            if body is None:
                return
            if body:
                _check_type(scope)
                check_json(body, deepest=self.config.max_nesting)
        except RequestProblem as problem:
            await answer(problem, send)
            return
        given = False

        async def replayed() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replayed, send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        limit = self.config.max_body
        too_large = RequestProblem(
            413, "body_too_large", f"The body is larger than {limit:,} bytes. Send less at once."
        )
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > limit:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.config.timeout):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > limit:
                        raise too_large
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise RequestProblem(
                408, "body_late", f"The body did not come within {self.config.timeout:g} s."
            ) from None


def _check_type(scope: Scope) -> None:
    kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise RequestProblem(
            415,
            "not_json",
            "The body must be JSON. Send the header Content-Type: application/json.",
        )


def check_json(body: bytes, *, deepest: int) -> None:
    """Refuses what no part of the service could keep or answer.

    Raises:
        RequestProblem: 400 for no UTF-8, no JSON, brackets nested too deep, numbers beyond 64
            bits, and text with NUL or half a surrogate pair.
    """
    try:
        decoded = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start} is no UTF-8") from None
    # Few brackets cannot be nested deep, wherever they stand.
    brackets = body.count(b"[") + body.count(b"{")
    if brackets > deepest and (depth := _nesting(body)) > deepest:
        raise _malformed(f"brackets are nested {depth} deep; {deepest} is the limit")
    try:
        value = json.loads(
            decoded, parse_int=_bounded_int, parse_float=_finite_float, parse_constant=_no_constant
        )
    except ValueError as error:
        raise _malformed(str(error)) from None
    # Neither may stand in a body as it is, so only an escape can have made it.
    if b"\\u" in body and any(_UNKEPT.search(text) for text in _texts(value)):
        raise _malformed("text holds NUL or half a surrogate pair")


def _texts(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        here = stack.pop()
        if isinstance(here, str):
            yield here
        elif isinstance(here, dict):
            stack += [*here, *here.values()]
        elif isinstance(here, list):
            stack += here


def _malformed(why: str) -> RequestProblem:
    return RequestProblem(400, "malformed_body", f"The body is no JSON that is taken here: {why}.")


def _nesting(body: bytes) -> int:
    depth = deepest = 0
    for found in _BRACKETS.finditer(_STRING.sub(b"", body)):
        depth += 1 if found[0] in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _bounded_int(text: str) -> int:
    if len(text) > _LONGEST_INT:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite_float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError("a number beyond 64 bits")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


async def answer(problem: RequestProblem, send: Send) -> None:
    """Sends a problem where no framework is at hand."""
    body = problem.answer.model_dump_json().encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message, and the facts of a request."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            # Where it failed, not the values that it failed with: those may be personal.
            kind, _, trace = record.exc_info
            places = []
            while trace is not None:
                code = trace.tb_frame.f_code
                places.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
                trace = trace.tb_next
            line["error"] = {"type": kind.__name__ if kind else "", "places": places}
        return json.dumps(line, ensure_ascii=False)


class GatheredLines(logging.Handler):
    """Writes lines together, some times a second: each write costs every other thread its turn.

    Warnings and what is worse are written at once, with all that came before them.

    Args:
        stream: that is written to; one that is closed loses the lines.
        seconds: that a line waits at most.
    """

    def __init__(self, stream: TextIO, seconds: float = 0.2) -> None:
        super().__init__()
        self.stream, self.seconds = stream, seconds
        self._lines: deque[str] = deque()
        # A thread that writes may be asked to write again, by a signal's handler.
        self._some, self._writing = threading.Event(), threading.RLock()
        threading.Thread(target=self._work, name="genrec-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the line, or writes all."""
        try:
            self._lines.append(self.format(record) + "\n")
            if record.levelno >= logging.WARNING or len(self._lines) >= _MOST_LINES:
                self.flush()
            elif not self._some.is_set():
                self._some.set()
        except Exception:  # noqa: BLE001
            self.handleError(record)

    def flush(self) -> None:
        """Writes what has gathered."""
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            with contextlib.suppress(OSError, ValueError):
                self.stream.write("".join(lines))
                self.stream.flush()

    def _work(self) -> None:
        while self._some.wait():
            time.sleep(self.seconds)
            self._some.clear()
            self.flush()


def log_as_json(level: int = logging.INFO) -> None:
    """Sends the logs of genrec and of the server to stderr as JSON lines."""
    handler = GatheredLines(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("genrec", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
