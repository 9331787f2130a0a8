"""The role matrix: every route, as everybody, gives the stated status."""

import base64
import time

import orjson
import pytest
from aiohttp import ClientSession

from charts.settings import Settings
from tests.web.conftest import Desk, serving
from tests.web.fed_boards import FedBoards
from web.services import Services
from web.tokens import Keyring
from web.view import View
from web.views import views

CALLERS = ("nobody", "expired", "wrong key", "alg none", "viewer", "editor", "admin", "ingest")
#: Who is let in, by a view's access: everybody else is refused.
LET_IN = {
    "open": set(CALLERS),
    "read": {"viewer", "editor", "admin"},
    "viewer": {"viewer", "editor", "admin"},
    "editor": {"editor", "admin"},
    "admin": {"admin"},
    "ingest": {"ingest", "admin"},
}
#: Who shows nothing that means anything.
STRANGERS = {"nobody", "expired", "wrong key", "alg none"}


def tokens(desk: Desk) -> dict[str, dict[str, str]]:
    """What each of them shows."""
    keyring = Keyring.of(desk.settings)
    assert keyring is not None
    claims = {"sub": "11111111-1111-1111-1111-111111111111", "name": "x", "role": "admin"}
    other = Keyring.of(Settings(jwt_secret="another secret, as long as it has to be"))
    assert other is not None
    shown = {
        "expired": keyring.issue(claims, -1),
        "wrong key": other.issue(claims, 900),
        "alg none": unsigned(claims, keyring.current.kid),
        **desk.tokens,
    }
    made = {who: {"Authorization": f"Bearer {token}"} for who, token in shown.items()}
    return made | {"nobody": {}, "ingest": desk.ingest}


def unsigned(claims: dict[str, str], kid: str) -> str:
    now = int(time.time())
    payload = claims | {"iss": "livecharts", "aud": "livecharts", "iat": now, "exp": now + 900}
    parts = ({"alg": "none", "typ": "JWT", "kid": kid}, payload)
    return (
        ".".join(base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=").decode() for part in parts) + "."
    )


def stated(view: View, who: str) -> str:
    if who in LET_IN[view.access]:
        return "let in"
    if who in STRANGERS or view.refuse is not None:
        return "401"
    return "403"


def address_of(view: View) -> str:
    """The path with something in its braces; what it is does not matter before the door."""
    path = view.path
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = f"{path[:start]}x{path[end + 1 :]}"
    return path


@pytest.mark.parametrize("who", CALLERS)
async def test_every_route_as(desk: Desk, who: str) -> None:
    headers = tokens(desk)[who]
    wrong = []
    for view in views():
        if view.rate == "live" and who in LET_IN[view.access]:
            continue  # a stream: see test_live.py
        async with desk.session.request(view.method, address_of(view), headers=headers) as response:
            status = response.status
        got = str(status) if status in {401, 403} else "let in"
        # Log-in views refuse what is posted, not who posts: their own 401 is about the body.
        if got != stated(view, who):
            wrong.append((view.method, view.path, status, stated(view, who)))
    assert not wrong


async def test_public_read_opens_reads_alone(desk: Desk, boards: FedBoards) -> None:
    settings = desk.settings.model_copy(update={"public_read": True})
    services = Services(settings=settings, boards=boards, database=desk.database)
    async with serving(services) as address, ClientSession(address) as session:
        for view in views():
            if view.rate == "live":
                continue
            async with session.request(view.method, address_of(view)) as response:
                is_closed = response.status in {401, 403}
            assert is_closed == (view.access not in {"open", "read"}), view.path
        headers = tokens(desk)["expired"]
        async with session.get("/v1/charts", headers=headers) as response:
            assert response.status == 401, "an expired token is never taken for none"


def test_nothing_that_writes_is_open() -> None:
    open_writes = {view.path for view in views() if view.method != "GET" and view.access in {"open", "read"}}
    assert open_writes == {
        "/v1/auth/register",
        "/v1/auth/token",
        "/v1/auth/refresh",
        "/v1/auth/logout",
    }
