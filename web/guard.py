"""The guard: from a credential to a caller.

    Authorization: Bearer <access token>        people
    Authorization: Token <key>                  machines (the scheme's word is not checked)
    Sec-WebSocket-Protocol: livecharts, token.<access token>    a browser's WebSocket
    ?ticket=<ticket>                            a browser's EventSource, on live streams only

A browser cannot put headers on the last two. A ticket is asked for with the access token, is good for half
a minute and for live streams alone, and access lines carry no query: what a log may keep is worth nothing.
"""

import asyncio
import time
from collections import OrderedDict
from typing import Any

import jwt
from aiohttp import web
from aiohttp.web import Request

from charts.errors import Unreachable
from tables.keys import KEY_SHAPE
from web.access import RANK, Caller
from web.address import address_of
from web.desk import Desk
from web.problem import Problem
from web.view import View

SUBPROTOCOL = "livecharts"
_PROTOCOL_PREFIX = "token."
#: A revoked key works on other workers for as long as they remember it, in seconds …
KEY_REMEMBERED_S = 10.0
#: … and while Postgres is away, so that plays still come in, this long.
KEY_GRACE_S = 600.0
#: A key that is known waits this long for Postgres, and where that was in vain none asks for a while.
KEY_PATIENCE_S = 0.5
KEY_PAUSE_S = 5.0
#: Callers remembered at a time.
REMEMBERED_MAX = 10_000


class Guard:
    """Knows callers by what they show, and remembers them for a while."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tokens: OrderedDict[str, Caller] = OrderedDict()
        self._keys: OrderedDict[str, tuple[Caller, float]] = OrderedDict()
        #: Questions for known keys; whoever waited may have gone on.
        self._asking: dict[str, asyncio.Task[Caller]] = {}
        self._in_vain_at = -KEY_PAUSE_S

    async def identify(self, request: Request, view: View) -> Caller:
        """Who calls; a credential that means nothing is a 401, none at all is an address."""
        if view.access == "open":
            return Caller(name=f"address:{address_of(request)}")
        if view.rate == "live" and (ticket := request.query.get("ticket")):
            return self._by_ticket(ticket)
        credential = _credential(request)
        if credential is None:
            return Caller(name=f"address:{address_of(request)}")
        if not credential.isascii():
            raise unknown()
        if credential.startswith("lck_"):
            return await self.by_key(credential)
        return await self._by_token(credential)

    async def by_key(self, secret: str) -> Caller:
        """The machine behind a key."""
        if not KEY_SHAPE.fullmatch(secret) or self._desk.keys is None:
            raise unknown()
        now = time.monotonic()
        caller, known_at = self._keys.get(secret, (None, 0.0))
        if caller is not None and not _lasts(caller):
            caller = None
        if caller is None or now - known_at >= KEY_GRACE_S:
            return await self._ask(secret)
        if now - known_at < KEY_REMEMBERED_S or now - self._in_vain_at < KEY_PAUSE_S:
            return caller
        asking = self._asking.get(secret)
        if asking is None:
            asking = self._asking[secret] = asyncio.create_task(self._ask(secret))
            asking.add_done_callback(lambda done: self._answered(secret, done))
        await asyncio.wait([asking], timeout=KEY_PATIENCE_S)
        if asking.done() and not isinstance(asking.exception(), Unreachable):
            return asking.result()
        self._in_vain_at = now
        return caller

    def _answered(self, secret: str, asking: asyncio.Task[Caller]) -> None:
        del self._asking[secret]
        if not asking.cancelled():
            # Nobody may have waited for it.
            asking.exception()

    async def _ask(self, secret: str) -> Caller:
        """The machine behind a key, as Postgres has it."""
        keys = self._desk.keys
        assert keys is not None
        now = time.monotonic()
        key = await keys.use(secret)
        if key is None:
            self._keys.pop(secret, None)
            raise unknown()
        expires_at = int(key.expires_at.timestamp()) if key.expires_at else None
        caller = Caller(
            name=f"key:{key.key_id}",
            user_name=key.owner,
            ingest=True,
            region=key.region,
            expires_at=expires_at,
        )
        _remember(self._keys, secret, (caller, now))
        return caller

    def forget_keys(self) -> None:
        """After a key was revoked here."""
        self._keys.clear()

    async def _by_token(self, token: str) -> Caller:
        kept = self._tokens.get(token)
        if kept is not None and _lasts(kept):
            return kept
        caller = await self._read(token)
        _remember(self._tokens, token, caller)
        return caller

    async def _read(self, token: str) -> Caller:
        try:
            issuer = self._desk.issuer
            if issuer is not None and _claimed_issuer(token) == issuer.issuer:
                return _caller(await issuer.read(token))
            if self._desk.keyring is None:
                raise unknown()
            return _caller(self._desk.keyring.read(token))
        except jwt.ExpiredSignatureError:
            raise unknown("the token has expired") from None
        except jwt.PyJWTError:
            raise unknown() from None

    def _by_ticket(self, ticket: str) -> Caller:
        if self._desk.keyring is None:
            raise unknown()
        try:
            claims = self._desk.keyring.read(ticket, "livecharts-live")
        except jwt.PyJWTError:
            raise unknown("the ticket means nothing (any more): ask for a new one") from None
        return _caller({**claims, "exp": claims["until"]})


GUARD = web.AppKey("guard", Guard)


def unknown(detail: str = "the token means nothing") -> Problem:
    return Problem(
        401,
        detail,
        headers={"WWW-Authenticate": 'Bearer realm="livecharts", error="invalid_token"'},
        cause="unknown",
    )


def _credential(request: Request) -> str | None:
    header = request.headers.get("Authorization")
    if header is not None:
        parts = header.split()
        if len(parts) < 2:
            raise Problem(
                401,
                "Authorization needs a scheme and a token",
                headers={"WWW-Authenticate": 'Bearer realm="livecharts", error="invalid_request"'},
                cause="unreadable",
            )
        return parts[1]
    for protocol in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
        if protocol.strip().startswith(_PROTOCOL_PREFIX):
            return protocol.strip().removeprefix(_PROTOCOL_PREFIX)
    return None


def _caller(claims: dict[str, Any]) -> Caller:
    role = claims.get("role")
    return Caller(
        name=f"user:{claims['sub']}",
        user_id=str(claims["sub"]),
        user_name=claims.get("name"),
        role=role if isinstance(role, str) and role in RANK else None,
        expires_at=int(claims["exp"]),
    )


def _claimed_issuer(token: str) -> Any:
    return jwt.decode(token, options={"verify_signature": False}).get("iss")


def _lasts(caller: Caller) -> bool:
    return caller.expires_at is None or caller.expires_at > time.time()


def _remember(kept: OrderedDict[str, Any], secret: str, value: Any) -> None:
    kept[secret] = value
    kept.move_to_end(secret)
    if len(kept) > REMEMBERED_MAX:
        kept.popitem(last=False)
