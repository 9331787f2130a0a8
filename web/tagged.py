"""Tagged answers: JSON with an ETag of its content, and 304 for a caller who has it."""

from hashlib import blake2b
from typing import Any

from aiohttp.web import Request, Response

from web.encoding import knows
from web.view import JSON, answer

ETAG = {"ETag": "names this content; send it back in If-None-Match"}


def tagged(request: Request, value: Any) -> Response:
    """The answer, or that the caller's is still right."""
    made = answer(value)
    body = made.body
    assert isinstance(body, bytes)
    etag = blake2b(body, digest_size=12).hexdigest()
    headers = {"ETag": f'"{etag}"', "Cache-Control": "no-cache"}
    if knows(request.headers.get("If-None-Match"), etag):
        return Response(status=304, headers=headers)
    return Response(body=body, content_type=JSON, headers=headers)
