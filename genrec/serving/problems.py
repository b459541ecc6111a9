"""What goes wrong in a request, as one JSON shape. Knows HTTP statuses, not frameworks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from genrec.errors import InputError

# Problems in one answer; a history may hold thousands of unknown items.
SHOWN = 100


class ErrorDetail(BaseModel):
    """What went wrong and what to do."""

    code: str = Field(description="A word for programs, such as `nothing_allowed`.")
    message: str = Field(description="What happened and what to do, for people.")
    problems: list[str] = Field(default=[], description="Every problem that was found.")


class ErrorAnswer(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class RequestProblem(Exception):
    """A request that cannot be answered.

    Args:
        status: of HTTP.
        code: a word for programs.
        message: what happened and what to do.
        problems: every problem that was found.
        retry_after: seconds after which the same request may succeed.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        problems: Sequence[str] = (),
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.problems, self.retry_after = list(problems), retry_after

    @staticmethod
    def of_input(error: InputError, code: str = "bad_request") -> RequestProblem:
        """Status 422 with the error's problems."""
        return RequestProblem(422, code, str(error).partition("\n")[0], error.problems)

    @staticmethod
    def together(found: Sequence[RequestProblem]) -> RequestProblem:
        """Several as one, with the status and code of the first."""
        first, *others = found
        if not others:
            return first
        told = [text for one in found for text in one.problems or [one.message]]
        message = " ".join(one.message for one in found)
        return RequestProblem(first.status, first.code, message, told)

    @property
    def answer(self) -> ErrorAnswer:
        """The body."""
        problems = self.problems[:SHOWN]
        if len(self.problems) > SHOWN:
            problems.append(f"and {len(self.problems) - SHOWN} more")
        return ErrorAnswer(
            error=ErrorDetail(code=self.code, message=self.message, problems=problems)
        )

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that go with the status."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers
