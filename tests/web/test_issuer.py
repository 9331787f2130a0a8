"""An outside issuer: its tokens open the door while its published keys say so."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession, web
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from charts.errors import BadSettings
from charts.settings import Settings
from tests.web.conftest import NO_LIMITS, SECRET, serving
from tests.web.fed_boards import FedBoards
from web import issuer as issuer_module
from web.issuer import Issuer
from web.services import Services

NAME = "https://accounts.example"
#: Nobody waits for an answer longer than this.
WAIT_S = 10


class Published:
    """An issuer's keys behind a real server, and how often they were asked for."""

    def __init__(self) -> None:
        self.private: dict[str, Any] = {}
        self.asked = 0
        self.status = 200
        #: Cleared, it holds its answers back.
        self.answers = asyncio.Event()
        self.answers.set()
        self.add("first", Ed25519PrivateKey.generate())

    def add(self, kid: str, key: Any) -> None:
        self.private[kid] = key

    def token(self, kid: str = "first", **claims: Any) -> dict[str, str]:
        key = self.private[kid]
        algorithm = "EdDSA" if isinstance(key, Ed25519PrivateKey) else "ES256"
        standard = {
            "iss": NAME,
            "aud": "charts",
            "sub": "somebody",
            "role": "viewer",
            "exp": time.time() + 60,
        }
        signed = jwt.encode(standard | claims, key, algorithm=algorithm, headers={"kid": kid})
        return {"Authorization": f"Bearer {signed}"}

    async def keys(self, request: web.Request) -> web.Response:
        self.asked += 1
        await self.answers.wait()
        shown = [_public(kid, key) for kid, key in self.private.items()]
        return web.json_response({"keys": shown}, status=self.status)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        application = web.Application()
        application.router.add_get("/keys", self.keys)
        runner = web.AppRunner(application)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
        finally:
            await runner.cleanup()


def _public(kid: str, key: Any) -> dict[str, Any]:
    kind = jwt.algorithms.OKPAlgorithm if isinstance(key, Ed25519PrivateKey) else jwt.algorithms.ECAlgorithm
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid}


@pytest.fixture
async def issued(boards: FedBoards) -> AsyncIterator[tuple[Published, ClientSession]]:
    published = Published()
    async with published.serving() as url:
        settings = Settings(
            jwt_secret=SECRET, jwks_url=url, jwks_issuer=NAME, jwks_audience="charts", **NO_LIMITS
        )
        async with (
            serving(Services(settings=settings, boards=boards)) as address,
            ClientSession(address) as session,
        ):
            yield published, session


async def status_of(session: ClientSession, headers: dict[str, str]) -> int:
    async with session.get("/v1/charts", headers=headers) as response:
        return response.status


async def test_its_tokens_carry_their_role(issued: tuple[Published, ClientSession]) -> None:
    published, session = issued
    assert await status_of(session, published.token()) == 200
    assert await status_of(session, published.token(role="nobody of ours")) == 403
    assert await status_of(session, published.token(role=["admin"])) == 403
    assert published.asked == 1


@pytest.mark.parametrize(
    "claims", [{"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1}, {"sub": None}]
)
async def test_tokens_that_are_not_for_us(
    issued: tuple[Published, ClientSession], claims: dict[str, Any]
) -> None:
    published, session = issued
    assert await status_of(session, published.token(**claims)) == 401


async def test_a_new_key_is_found_but_junk_does_not_make_us_ask(
    issued: tuple[Published, ClientSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    published, session = issued
    assert await status_of(session, published.token()) == 200
    published.add("second", generate_private_key(SECP256R1()))
    assert await status_of(session, published.token("second")) == 401
    assert published.asked == 1
    monkeypatch.setattr(issuer_module, "RETRY_S", 0.0)
    assert await status_of(session, published.token("second")) == 200
    assert published.asked == 2


async def test_an_issuer_that_is_away_is_a_503_and_known_keys_hold(
    issued: tuple[Published, ClientSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    published, session = issued
    published.status = 500
    assert await status_of(session, published.token()) == 503
    published.status = 200
    monkeypatch.setattr(issuer_module, "RETRY_S", 0.0)
    assert await status_of(session, published.token()) == 200
    published.status = 500
    monkeypatch.setattr(issuer_module, "KEYS_S", 0.0)
    assert await status_of(session, published.token(sub="another")) == 200


@pytest.mark.parametrize(("status", "expected"), [(200, 200), (500, 503)])
async def test_who_comes_while_the_keys_are_fetched_gets_what_the_first_gets(
    issued: tuple[Published, ClientSession], status: int, expected: int
) -> None:
    published, session = issued
    published.status = status
    published.answers.clear()
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
        calls = [
            tasks.create_task(status_of(session, published.token(sub=f"somebody {number}")))
            for number in range(5)
        ]
        # Whoever does not wait is answered well before this.
        await asyncio.wait(calls, timeout=0.3)
        published.answers.set()
    assert [call.result() for call in calls] == [expected] * 5
    assert published.asked == 1


async def test_a_failure_is_a_503_until_the_issuer_is_asked_again(
    issued: tuple[Published, ClientSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    published, session = issued
    published.status = 500
    assert await status_of(session, published.token()) == 503
    published.status = 200
    assert await status_of(session, published.token()) == 503
    assert published.asked == 1
    monkeypatch.setattr(issuer_module, "RETRY_S", 0.0)
    assert await status_of(session, published.token()) == 200
    monkeypatch.undo()
    published.add("second", Ed25519PrivateKey.generate())
    assert await status_of(session, published.token("second")) == 401


async def test_known_keys_do_not_wait_for_an_unknown_one(
    issued: tuple[Published, ClientSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    published, session = issued
    assert await status_of(session, published.token()) == 200
    monkeypatch.setattr(issuer_module, "RETRY_S", 0.0)
    published.add("second", Ed25519PrivateKey.generate())
    published.answers.clear()
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
        new = tasks.create_task(status_of(session, published.token("second")))
        while published.asked < 2:
            await asyncio.sleep(0.01)
        assert await status_of(session, published.token(sub="another")) == 200
        published.answers.set()
    assert new.result() == 200


def test_half_of_the_settings_is_none() -> None:
    with pytest.raises(BadSettings):
        Issuer.of(Settings(jwks_url="https://x.example/keys"))
