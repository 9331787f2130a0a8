"""Problems: every refusal of the site, in one shape (RFC 9457).

Views and `charts/` raise; here, once, an error becomes a status. What is not foreseen is a 500 that says
nothing but the request's id: its traceback belongs in the log.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from charts.errors import BadRequest, ChartsError, Conflict, MalformedPlay, NotFound, Unreachable

MEDIA_TYPE = "application/problem+json"
#: How long a caller waits before it asks again, where nothing better is known, in seconds.
RETRY_AFTER_S = 2

_STATUS: dict[type[ChartsError], int] = {
    BadRequest: 400,
    NotFound: 404,
    Conflict: 409,
    MalformedPlay: 422,
    Unreachable: 503,
}


class Fault(BaseModel):
    """One wrong value: where it is and what is wrong with it."""

    at: list[str | int] = Field(description="the way to the value: names and indexes")
    message: str


class ProblemBody(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    instance: str | None = Field(None, description="the request's path")
    request_id: str | None = Field(None, description="name this when you ask about it")
    errors: list[Fault] | None = Field(None, description="every wrong value, where several can be named")


class Problem(Exception):
    """Raised when a request is refused, by any layer of the site."""

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        errors: Sequence[Fault] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(detail or title_of(status))
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        #: For a view that words its refusals in its own way.
        self.cause = cause
        if status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))

    def body(self, path: str, request_id: str | None) -> bytes:
        fields = ProblemBody(
            title=title_of(self.status),
            status=self.status,
            detail=self.detail,
            instance=path,
            request_id=request_id,
            errors=list(self.errors) if self.errors is not None else None,
        )
        return orjson.dumps({**fields.model_dump(exclude_none=True), **self.extra})

    def response(self, path: str, request_id: str | None) -> web.Response:
        return web.Response(
            body=self.body(path, request_id),
            status=self.status,
            content_type=MEDIA_TYPE,
            headers=self.headers,
        )


def title_of(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problem_of(error: Exception) -> Problem | None:
    """The problem an expected error is; none for one nobody foresaw."""
    match error:
        case Problem():
            return error
        case web.HTTPException():
            kept = {name: value for name, value in error.headers.items() if name in {"Allow", "Location"}}
            return Problem(error.status, headers=kept)
        case ValidationError():
            return Problem(422, "some values are wrong", errors=faults_of(error))
        case ChartsError():
            status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), None)
            return Problem(status, str(error)) if status else None
    return None


def faults_of(error: ValidationError) -> list[Fault]:
    """Every wrong value pydantic named, without repeating the value (it may be a secret)."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [Fault(at=list(one["loc"]), message=one["msg"]) for one in found]
