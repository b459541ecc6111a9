"""Who may call a route, and how its refusals are described."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from genrec.serving.keys import ApiKey, KeyFile, RateLimits
from genrec.serving.problems import ErrorAnswer, RequestProblem

_MEANINGS = {
    400: "The body is no JSON.",
    401: "No API key, or a wrong one.",
    403: "The key may not do this.",
    404: "There is no such item or user.",
    408: "The body came too slowly.",
    409: "It does not fit what is there.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "The request cannot be answered; `problems` says why.",
    429: "Too many requests; see `Retry-After`.",
    500: "An error of the service.",
    501: "This service was started without it.",
    503: "The service is stopping, or its store cannot be reached.",
    504: "No answer in time.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that are no success, for its description."""
    return {status: {"model": ErrorAnswer, "description": _MEANINGS[status]} for status in statuses}


POSTED = (400, 401, 408, 413, 415, 422, 429, 503)


Guard = Callable[..., Awaitable[ApiKey | None]]


def guards(keys: KeyFile | None) -> tuple[Guard, Guard]:
    """Who may call, and who may reload models."""
    limits = RateLimits()
    bearer = HTTPBearer(auto_error=False, description="A key made by `genrec keys new`.")
    Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]  # noqa: N806

    # Not worth a thread of their own: each takes some microseconds.
    async def allowed(given: Credentials) -> ApiKey | None:
        if keys is None:
            return None
        key = keys.find(given.credentials) if given else None
        if key is None:
            what = "is not known here" if given else "is missing"
            raise RequestProblem(
                401,
                "wrong_key",
                f"The API key {what}. Send the header Authorization: Bearer KEY.",
            )
        if wait := limits.take(key):
            raise RequestProblem(
                429,
                "rate_limit",
                f"The key may make {key.rate:g} requests a minute.",
                retry_after=wait,
            )
        return key

    async def admin(key: Annotated[ApiKey | None, Depends(allowed)]) -> ApiKey:
        if key is None or not key.admin:
            raise RequestProblem(
                403, "admin_only", "Only an admin key may do this: genrec keys new NAME --admin"
            )
        return key

    return allowed, admin
