"""Views: what an endpoint is, declared in one place beside its handler.

    @view("GET", "/v1/charts/{region}/{window}", access="read", asked=ChartAsked, answers=ChartAnswer)
    async def chart(request: Request, asked: ChartAsked) -> Response:
        \"\"\"One chart, live or from the history.\"\"\"

Routing, roles, rate limits, validation and the OpenAPI document all read the same declaration; a route
without one is closed. `asked` is a model of path and query together (names in the path's braces come from
there), `body` a model of the JSON body; both are passed to the handler by these names. The handler's
docstring is the endpoint's description. `views.py` finds every View at the top level of a module in `web/`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from inspect import cleandoc
from re import findall
from types import MappingProxyType
from typing import Any, Literal

import orjson
from aiohttp import web
from aiohttp.web import Request, StreamResponse
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from web.body import read_body, read_form
from web.problem import Problem, ProblemBody, faults_of

#: Who may call: anybody; whoever may read (anybody under `public_read`); a key that may post plays;
#: whoever is logged in; at least an editor; an admin.
Access = Literal["open", "read", "ingest", "viewer", "editor", "admin"]
#: Which bucket a call is taken from; `none` for what a probe asks.
Rate = Literal["read", "write", "ingest", "login", "live", "none"]
Handler = Callable[..., Awaitable[StreamResponse]]
Refuse = Callable[[Problem], StreamResponse]

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
#: A body's default bound, in bytes.
BODY_BYTES_MAX = 64 * 1024


class Asked(BaseModel):
    """The base of every model of path and query: a misspelt parameter is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """One way an endpoint answers: its models by media type, and its headers for the document."""

    description: str
    content: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """One endpoint: its declaration and its handler."""

    method: str
    path: str
    handler: Handler
    access: Access
    rate: Rate
    asked: type[Asked] | None
    body: Any
    media: tuple[str, ...]
    body_bytes_max: int
    raw: bool
    answers: Mapping[int, Answer]
    refuses: tuple[int, ...]
    refuse: Refuse | None
    refusal: type[BaseModel]
    tag: str
    aliases: tuple[str, ...]
    reads: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.handler.__name__

    @property
    def description(self) -> str:
        return cleandoc(self.handler.__doc__ or "")

    @property
    def paths(self) -> list[str]:
        """Where it is mounted: its path, its aliases, and everything of /v1 under /api too."""
        paths = [self.path, *self.aliases]
        return paths + [f"/api{path}" for path in paths if path.startswith("/v1/")]

    @cached_property
    def path_names(self) -> tuple[str, ...]:
        return tuple(findall(r"{(\w+)[:}]", self.path))

    @cached_property
    def _body_shape(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.body)

    async def handle(self, request: Request) -> StreamResponse:
        """What aiohttp calls: read what the declaration says, then the handler."""
        given: dict[str, Any] = {}
        if self.asked is not None:
            given["asked"] = self._read_asked(request)
        if self.body is not None:
            given["body"] = await self._read_body(request)
        return await self.handler(request, **given)

    def _read_asked(self, request: Request) -> Asked:
        assert self.asked is not None
        query = request.query
        values: dict[str, Any] = {**query, **request.match_info}
        if len(query) != len(set(query)):
            twice = sorted({name for name in query if len(query.getall(name)) > 1})
            values |= {name: query.getall(name) for name in twice}
        try:
            return self.asked.model_validate(values)
        except ValidationError as error:
            raise Problem(400, "some parameters are wrong", errors=faults_of(error)) from None

    async def _read_body(self, request: Request) -> Any:
        if self.media and request.content_type not in self.media:
            raise Problem(415, f"send {' or '.join(self.media)}", headers={"Accept": ", ".join(self.media)})
        content = await read_body(request, self.body_bytes_max)
        if self.raw:
            return content
        if request.content_type == FORM:
            return self._validated(read_form(content))
        try:
            values = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise Problem(400, f"not JSON: {error}") from None
        return self._validated(values)

    def _validated(self, values: Any) -> Any:
        try:
            return self._body_shape.validate_python(values)
        except ValidationError as error:
            raise Problem(422, "some values are wrong", errors=faults_of(error)) from None


def view(
    method: str,
    path: str,
    *,
    access: Access,
    answers: Any = None,
    rate: Rate | None = None,
    asked: type[Asked] | None = None,
    body: Any = None,
    media: tuple[str, ...] = (JSON,),
    body_bytes_max: int = BODY_BYTES_MAX,
    raw: bool = False,
    refuses: tuple[int, ...] = (),
    refuse: Refuse | None = None,
    refusal: type[BaseModel] = ProblemBody,
    tag: str = "",
    aliases: tuple[str, ...] = (),
    reads: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[Handler], View]:
    """Declares the endpoint below it.

    `answers` is a model (status 200), or Answers by status. `refuses` names statuses beyond those that follow
    from the declaration (401, 403, 429, wrong parameters …). `raw` hands the body over as bytes, `refuse`
    and `refusal` replace the problem+json shape of errors and its model. `reads` are request headers that
    matter, with what they are for.
    """
    if not isinstance(answers, Mapping):
        answers = {200: Answer("What was asked for.", {JSON: answers} if answers is not None else {})}

    def declare(handler: Handler) -> View:
        return View(
            method=method,
            path=path,
            handler=handler,
            access=access,
            rate=rate or ("read" if method == "GET" else "write"),
            asked=asked,
            body=body,
            media=media,
            body_bytes_max=body_bytes_max,
            raw=raw,
            answers=answers,
            refuses=refuses,
            refuse=refuse,
            refusal=refusal,
            tag=tag or handler.__module__.removeprefix("web."),
            aliases=aliases,
            reads=reads,
        )

    return declare


def view_of(request: Request) -> View | None:
    """The declaration behind a request; none for a route that has none."""
    owner = getattr(request.match_info.handler, "__self__", None)
    return owner if isinstance(owner, View) else None


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer from a model, or from what orjson knows."""
    return web.Response(
        body=orjson.dumps(value, default=_plain), status=status, content_type=JSON, headers=headers
    )


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"not JSON: {type(value).__name__}")
