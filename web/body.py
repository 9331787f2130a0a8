"""Bodies: read whole and never past their bound, also where they are compressed or come in chunks."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp.web import Request, RequestPayloadError

from web.problem import Problem

#: Fields of a form; more is no form of ours.
_FIELDS_MAX = 20
#: The status of a request whose caller went away, in lines and metrics.
GONE = 499


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The whole body.

    A little too much is read to its end, so that the connection can go on; far too much is not.
    """
    if (request.content_length or 0) > 2 * bytes_max:
        raise Problem(413, f"at most {bytes_max} bytes", headers={"Connection": "close"})
    content = bytearray()
    size = 0
    while piece := await _next(request):
        size += len(piece)
        if size > 2 * bytes_max:
            raise Problem(413, f"at most {bytes_max} bytes", headers={"Connection": "close"})
        if size <= bytes_max:
            content += piece
    if size > bytes_max:
        raise Problem(413, f"at most {bytes_max} bytes")
    return bytes(content)


async def _next(request: Request) -> bytes:
    """What came next of the body; nothing at its end."""
    try:
        return await request.content.readany()
    except RequestPayloadError as error:
        # aiohttp hangs up after it: the caller should not be left to find out with its next request.
        said = f"the body is not what its headers say: {error}"
        raise Problem(400, said, headers={"Connection": "close"}) from None
    except (ConnectionError, RuntimeError):
        # aiohttp says either when the caller hung up. There is nobody left to answer.
        if request.transport is not None and not request.transport.is_closing():
            raise
        raise Problem(GONE, "the caller hung up", headers={"Connection": "close"}) from None


def read_form(content: bytes) -> Mapping[str, str]:
    """The fields of a form; of a field given twice, the last."""
    try:
        pairs = parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError as error:
        raise Problem(400, f"not a form: {error}") from None
    return dict(pairs)
