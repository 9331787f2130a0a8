"""Access: who calls, and whether the view they call is for them.

Roles are ranks: an editor may what a viewer may. An ingest key is beside them: it may post plays and
nothing else. A bad credential is refused even where none is needed, so that nobody takes an expired
token for a working one.
"""

from dataclasses import dataclass
from typing import Literal

from aiohttp.web import Request, RequestKey

from web.problem import Problem
from web.services import Services, services_of
from web.view import View

Role = Literal["viewer", "editor", "admin"]
RANK: dict[str, int] = {"viewer": 1, "editor": 2, "admin": 3}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request."""

    #: `address:…`, `user:…` or `key:…`: what a rate limit and a log line name.
    name: str
    user_id: str | None = None
    role: Role | None = None
    #: May post plays.
    ingest: bool = False
    #: The region an ingest key posts for, where its owner fixed one.
    region: str | None = None
    #: When the credential ends, epoch seconds.
    expires_at: int | None = None


CALLER = RequestKey("caller", Caller)


def caller_of(request: Request) -> Caller:
    """Who makes this request."""
    return request[CALLER]


def require(view: View, caller: Caller, services: Services) -> None:
    """Refuses a caller whom the view is not for."""
    if may(view, caller, public_read=services.settings.public_read):
        return
    if caller.role is None and not caller.ingest:
        raise Problem(401, "this needs a token", headers={"WWW-Authenticate": 'Bearer realm="livecharts"'})
    raise Problem(403, f"this needs {_wanted(view)}")


def may(view: View, caller: Caller, *, public_read: bool) -> bool:
    """Whether the view is for this caller."""
    match view.access:
        case "open":
            return True
        case "read":
            return public_read or RANK.get(caller.role or "", 0) >= RANK["viewer"]
        case "ingest":
            return caller.ingest or caller.role == "admin"
        case _:
            return RANK.get(caller.role or "", 0) >= RANK[view.access]


def _wanted(view: View) -> str:
    return (
        "a key with scope ingest"
        if view.access == "ingest"
        else f"the role {view.access.replace('read', 'viewer')}"
    )


async def identify(request: Request) -> Caller:
    """The caller by its credential, else by its address."""
    guard = services_of(request).guard
    if guard is None:
        return Caller(name=f"address:{request.remote}")
    return await guard.identify(request)
