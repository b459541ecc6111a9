"""Which error gets which answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from genrec.errors import ArtefactError, InputError, StorageError
from genrec.serving.batching import Closed, QueueFull
from genrec.serving.problems import RequestProblem
from genrec.serving.schemas import REFUSED_FILTER

log = logging.getLogger(__name__)
# Further problems of a body whose form is wrong; the second argument says what the form of its
# filter was refused for, if it was.
Further: TypeAlias = Callable[[Mapping[str, Any], InputError | None], list[RequestProblem]]


def handle_errors(app: FastAPI, further: Mapping[str, Further]) -> None:
    """Answers every error in the one JSON shape.

    Args:
        further: by route, what else is looked for in bodies of a wrong form; may take long.
    """

    def shown(problem: RequestProblem) -> JSONResponse:
        return JSONResponse(
            problem.answer.model_dump(), problem.status, headers=dict(problem.headers)
        )

    def on(kind: type[Exception], turn: Callable[[Any], RequestProblem]) -> None:
        async def handle(_: Request, error: Exception) -> Response:
            return shown(turn(error))

        handler: Callable[[Request, Exception], Awaitable[Response]] = handle
        app.add_exception_handler(kind, handler)

    async def invalid(request: Request, error: Any) -> Response:
        of_route = further.get(getattr(request.scope.get("route"), "path", ""))
        return shown(await asyncio.to_thread(_invalid, error, of_route))

    app.add_exception_handler(RequestValidationError, invalid)
    on(RequestProblem, lambda problem: problem)
    on(InputError, lambda error: RequestProblem.of_input(error, "bad_filter"))
    on(QueueFull, _full)
    on(Closed, lambda _: RequestProblem(503, "stopping", "The service is stopping. Try another."))
    on(StorageError, _unstored)
    on(ArtefactError, _unstored)
    on(HTTPException, _of_http)


def _full(error: QueueFull) -> RequestProblem:
    return RequestProblem(
        429,
        "queue_full",
        f"{error.waiting} requests wait. Try again.",
        retry_after=error.seconds,
    )


def _unstored(error: Exception) -> RequestProblem:
    # The message names files and hosts, which are not a client's business.
    log.error("%s", error)
    return RequestProblem(
        503, "storage", "The service cannot reach its storage. Try again; its log says more."
    )


def _of_http(error: HTTPException) -> RequestProblem:
    code = {404: "no_route", 405: "wrong_method", 400: "malformed_body"}.get(
        error.status_code, "http"
    )
    return RequestProblem(error.status_code, code, f"{error.detail}. See /docs.")


# The kinds of value that pydantic tried in turn; a reader needs none of them.
_KINDS = {"bool", "int", "float", "str", "body"}


def _invalid(error: RequestValidationError, further: Further | None) -> RequestProblem:
    problems: dict[str, str] = {}
    refused: InputError | None = None
    for one in error.errors():
        if one["type"] == REFUSED_FILTER:
            refused = one["ctx"]["error"]
            continue
        place = ".".join(str(p) for p in one["loc"] if p not in _KINDS and "[" not in str(p))
        problems.setdefault(place or "body", one["msg"])
    told = [f"{place}: {text}" for place, text in problems.items()]
    found = []
    if told:
        message = f"The request has {len(told)} problem(s), first {told[0]}."
        found.append(RequestProblem(422, "bad_request", message, told))
    if further and isinstance(error.body, dict):
        found += further(error.body, refused)
    return RequestProblem.together(found)
