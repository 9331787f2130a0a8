"""Layers: what every request passes through, outermost first.

    softened    a refusal as a 200, for the caller that prefers it
    traced      gives the request its id, writes the access line (no query: it may hold a ticket)
    explained   turns every error into problem+json
    crossed     answers what browsers ask before a page of another origin may call (CORS)
    guarded     the view (a route without a declaration is closed), then the caller, its rate, its role

Headers are set when a response is prepared, so that streams and files carry them too.
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable
from itertools import count
from secrets import token_hex

from aiohttp import web
from aiohttp.web import Request, StreamResponse

from web.access import CALLER, require
from web.address import address_of
from web.body import GONE
from web.guard import GUARD
from web.headers import PREPARED, REQUEST_ID, crossed
from web.limits import LIMITS, TAKEN, Limits, too_many
from web.meters import HTTP_SECONDS, REJECTED_LOGINS
from web.problem import MEDIA_TYPE, Problem, problem_of
from web.services import services_of
from web.view import Rate, view_of

Handler = Callable[[Request], Awaitable[StreamResponse]]

ACCESS = logging.getLogger("web.access")
ERRORS = logging.getLogger("web.errors")
#: Ids of this process: where it began is random, so that two workers' do not meet.
_BEGINNING = token_hex(6)
_ids = count(1)
_REQUEST_ID_SHAPE = re.compile(r"[A-Za-z0-9._-]{8,64}")
#: What a caller sends (RFC 7240) who reads refusals from the body: `Prefer: status=200`.
_SOFT = "status=200"


@web.middleware
async def softened(request: Request, handler: Handler) -> StreamResponse:
    """A refusal with status 200, where the caller prefers it; its body says the status it is of.

    A browser writes every other status to its console as a failure, the expected too: a chart nobody played
    yet, a play nobody remembers, a token that ran out. What is an error on our side stays one.
    """
    response = await handler(request)
    if (
        response.content_type == MEDIA_TYPE
        and response.status != 500
        and request.headers.get("Prefer") == _SOFT
    ):
        response.set_status(200)
        response.headers["Preference-Applied"] = _SOFT
        response.headers["Cache-Control"] = "no-store"
    return response


@web.middleware
async def traced(request: Request, handler: Handler) -> StreamResponse:
    """An id for every request, and a line when it ends; of reads and plays that went well only at debug."""
    given = request.headers.get("X-Request-ID", "")
    request[REQUEST_ID] = given if _REQUEST_ID_SHAPE.fullmatch(given) else f"{_BEGINNING}-{next(_ids):x}"
    started = time.perf_counter()
    status = GONE
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        seconds = time.perf_counter() - started
        found = view_of(request)
        HTTP_SECONDS.labels(found.path if found else "", request.method, status).observe(seconds)
        _write_line(request, status, seconds)


def _write_line(request: Request, status: int, seconds: float) -> None:
    found = view_of(request)
    many = request.method in {"GET", "HEAD"} or (found is not None and found.rate == "ingest")
    level = logging.DEBUG if status < 400 and many else logging.INFO
    if not ACCESS.isEnabledFor(level):
        return
    caller = request.get(CALLER)
    fields = {
        "request_id": request[REQUEST_ID],
        "method": request.method,
        "path": request.path,
        "route": found.path if found else None,
        "status": status,
        "duration_ms": round(seconds * 1000, 2),
        "caller": caller.name if caller else None,
    }
    ACCESS.log(level, "%s %s %d", request.method, request.path, status, extra=fields)


@web.middleware
async def explained(request: Request, handler: Handler) -> StreamResponse:
    """Every error as the view's callers expect it; the unforeseen as a bare 500, its traceback logged."""
    try:
        return await handler(request)
    except Exception as error:
        if request.get(PREPARED):
            raise  # half an answer is out: all that is left is to hang up
        problem = problem_of(error)
        if problem is None:
            ERRORS.exception("unforeseen error", extra={"request_id": request[REQUEST_ID]})
            problem = Problem(500, "an error on our side; it is in the log under this request's id")
    view = view_of(request)
    if view is not None and view.refuse is not None:
        return view.refuse(problem)
    return problem.response(request.path, request[REQUEST_ID])


@web.middleware
async def guarded(request: Request, handler: Handler) -> StreamResponse:
    """Nobody gets past a view's declaration."""
    view = view_of(request)
    if view is None:
        if request.match_info.http_exception is not None:
            raise request.match_info.http_exception
        raise Problem(403, "this endpoint is closed: it declares nobody it is for")
    limits = request.app[LIMITS]
    try:
        caller = request[CALLER] = await request.app[GUARD].identify(request, view)
    except Problem as problem:
        # Whoever tries out credentials is slowed down like whoever tries out passwords.
        if problem.status == 401:
            REJECTED_LOGINS.labels("token").inc()
            _take(request, limits, "login", f"address:{address_of(request)}")
        raise
    _take(request, limits, view.rate, caller.name)
    require(view, caller, public_read=services_of(request).settings.public_read)
    return await handler(request)


def _take(request: Request, limits: Limits, rate: Rate, caller: str) -> None:
    taken = limits.take(rate, caller)
    if taken is None:
        return
    request[TAKEN] = taken
    if not taken.allowed:
        raise too_many(taken)


#: The order is the design: the first is outermost.
LAYERS = (softened, traced, explained, crossed, guarded)
