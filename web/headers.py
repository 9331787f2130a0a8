"""Headers: what every response carries, streams and files too, and what other origins' pages may do.

Set when a response is prepared, so no handler can forget them.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.web import Request, RequestKey, Response, StreamResponse

from web.limits import TAKEN, headers_of, x_headers_of
from web.services import services_of

REQUEST_ID = RequestKey("request_id", str)
#: Whether the head of a response is out already.
PREPARED = RequestKey("prepared", bool)
#: The page and the documentation need nothing but their own files; an answer of the API needs nothing at all.
PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
API_CSP = "default-src 'none'; frame-ancestors 'none'"
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_EXPOSED = (
    "ETag, Link, Preference-Applied, Retry-After, X-Request-ID, "
    "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset-In, X-RateLimit-Reset"
)
_ALLOWED = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, "
    "X-Request-ID"
)
_PREFLIGHT_S = 21_600


async def set_headers(request: Request, response: StreamResponse) -> None:
    """Completes a response about to be sent."""
    request[PREPARED] = True
    headers = response.headers
    headers["X-Request-ID"] = request.get(REQUEST_ID, "")
    for name, value in SECURITY.items():
        headers.setdefault(name, value)
    is_page = response.content_type == "text/html"
    headers.setdefault("Content-Security-Policy", PAGE_CSP if is_page else API_CSP)
    if not services_of(request).settings.public_read or "Authorization" in request.headers:
        headers.setdefault("Cache-Control", "no-store")
        headers.add("Vary", "Authorization")
    taken = request.get(TAKEN)
    if taken is not None:
        headers.update(headers_of(taken))
        if _is_listenbrainz(request):
            headers.update(x_headers_of(taken))
    _allow_origin(request, response)


@web.middleware
async def crossed(
    request: Request, handler: Callable[[Request], Awaitable[StreamResponse]]
) -> StreamResponse:
    """A browser's question before it lets a page call: answered for any path, without a handler."""
    wanted = request.headers.get("Access-Control-Request-Method")
    if request.method != "OPTIONS" or wanted is None or "Origin" not in request.headers:
        return await handler(request)
    headers = {
        "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "Access-Control-Allow-Headers": _ALLOWED,
        "Access-Control-Max-Age": str(_PREFLIGHT_S),
    }
    return Response(status=204, headers=headers)


def _allow_origin(request: Request, response: StreamResponse) -> None:
    """Names the origin where the list has it. Nothing here is a cookie, so `*` gives nothing away."""
    origin = request.headers.get("Origin")
    if origin is None:
        return
    allowed = {part.strip() for part in services_of(request).settings.cors_origins.split(",")}
    if "*" in allowed or _is_listenbrainz(request):
        response.headers["Access-Control-Allow-Origin"] = "*"
    elif origin in allowed:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers.add("Vary", "Origin")
    else:
        return
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED


def _is_listenbrainz(request: Request) -> bool:
    """ListenBrainz lets every origin call, and says its limits by older names."""
    return request.path.startswith(("/1/", "/apis/listenbrainz/"))
