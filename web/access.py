"""Access: who calls, and whether the view they call is for them.

Roles are ranks: an editor may what a viewer may. An ingest key is beside them: it may post plays and
nothing else. A bad credential is refused even where none is needed, so that nobody takes an expired
token for a working one.
"""

from dataclasses import dataclass
from typing import Literal

from aiohttp.web import Request, RequestKey

from web.problem import Problem
from web.view import View

Role = Literal["viewer", "editor", "admin"]
RANK: dict[str, int] = {"viewer": 1, "editor": 2, "admin": 3}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request."""

    #: `address:…`, `user:…` or `key:…`: what a rate limit and a log line name.
    name: str
    user_id: str | None = None
    #: The person, or the owner of the key.
    user_name: str | None = None
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


def require(view: View, caller: Caller, *, public_read: bool) -> None:
    """Refuses a caller whom the view is not for."""
    if may(view, caller, public_read=public_read):
        return
    if caller.name.startswith("address:"):
        header = {"WWW-Authenticate": 'Bearer realm="livecharts"'}
        raise Problem(401, "this needs a token", headers=header, cause="missing")
    wanted = "a key with scope ingest" if view.access == "ingest" else f"the role {view.access}"
    raise Problem(403, f"this needs {wanted.replace('role read', 'role viewer')}")


def may(view: View, caller: Caller, *, public_read: bool) -> bool:
    """Whether the view is for this caller."""
    rank = RANK.get(caller.role or "", 0)
    match view.access:
        case "open":
            return True
        case "read":
            return public_read or rank >= RANK["viewer"]
        case "ingest":
            return caller.ingest or caller.role == "admin"
        case _:
            return rank >= RANK[view.access]
