"""The layers: ids, rate limits, origins, addresses behind a proxy, and headers on everything."""

import asyncio
import logging
from typing import Any

import pytest
from aiohttp import ClientSession
from yarl import URL

from charts.settings import Settings
from tests.web.conftest import serving
from tests.web.fed_boards import FedBoards
from web.limits import CALLERS_MAX, Limits
from web.services import Services
from web.views import views


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_empties_and_fills() -> None:
    clock = Clock()
    limits = Limits(Settings(rate_read=4), clock)
    taken = [limits.take("read", "a") for _ in range(21)]
    assert [one.allowed for one in taken if one] == [True] * 20 + [False]
    assert taken[-1] is not None
    assert (taken[-1].limit, taken[-1].remaining, taken[-1].retry_s) == (20, 0, 1)
    other = limits.take("read", "b")
    assert other is not None
    assert other.allowed
    clock.now = 0.25
    refilled = limits.take("read", "a")
    assert refilled is not None
    assert refilled.allowed


def test_no_limit_and_no_end_of_callers() -> None:
    limits = Limits(Settings(rate_read=1, rate_write=0))
    assert limits.take("write", "a") is None
    assert limits.take("none", "a") is None
    for number in range(CALLERS_MAX + 10):
        limits.take("read", f"address:{number}")
    assert len(limits._buckets) == CALLERS_MAX


async def test_too_many_is_a_429_that_says_when(boards: FedBoards) -> None:
    settings = Settings(public_read=True, rate_read=0.1)
    async with (
        serving(Services(settings=settings, boards=boards)) as address,
        ClientSession(address) as session,
    ):
        for remaining in range(9, -1, -1):
            async with session.get("/v1/charts") as response:
                assert response.status == 200
                assert abs(int(response.headers["RateLimit-Remaining"]) - remaining) <= 1
        statuses = []
        for _ in range(5):
            async with session.get("/v1/charts") as response:
                statuses.append(response.status)
                if response.status == 429:
                    assert int(response.headers["Retry-After"]) >= 1
                    assert response.content_type == "application/problem+json"
        assert 429 in statuses
        async with session.get("/health") as response:
            assert response.status == 200


async def test_guessing_credentials_is_slowed_down(boards: FedBoards) -> None:
    settings = Settings(rate_login=0.1, jwt_secret="x" * 40)
    async with (
        serving(Services(settings=settings, boards=boards)) as address,
        ClientSession(address) as session,
    ):
        statuses = []
        for number in range(12):
            headers = {"Authorization": f"Bearer guess{number}"}
            async with session.get("/v1/charts", headers=headers) as response:
                statuses.append(response.status)
    assert statuses == [401] * 10 + [429] * 2


async def test_a_credential_that_is_no_text_means_nothing(boards: FedBoards) -> None:
    settings = Settings(rate_login=0.1, jwt_secret="x" * 40)
    async with serving(Services(settings=settings, boards=boards)) as address:
        url = URL(address)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(b"GET /v1/charts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        writer.write(b"Authorization: Bearer \xff\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
        writer.close()


@pytest.mark.parametrize(
    ("trusted", "forwarded", "seen"),
    [
        ("", "9.9.9.9", "127.0.0.1"),
        ("10.0.0.0/8", "9.9.9.9", "127.0.0.1"),
        ("127.0.0.0/8", "9.9.9.9", "9.9.9.9"),
        ("127.0.0.0/8", "1.1.1.1, 9.9.9.9", "9.9.9.9"),
        ("127.0.0.0/8,10.0.0.0/8", "9.9.9.9, 10.0.0.7", "9.9.9.9"),
        ("127.0.0.0/8", "nonsense", "127.0.0.1"),
        ("127.0.0.0/8", "", "127.0.0.1"),
    ],
)
async def test_an_address_is_believed_from_a_trusted_proxy_alone(
    boards: FedBoards, caplog: Any, trusted: str, forwarded: str, seen: str
) -> None:
    caplog.set_level(logging.DEBUG, logger="web.access")
    settings = Settings(public_read=True, trusted_proxies=trusted)
    async with (
        serving(Services(settings=settings, boards=boards)) as address,
        ClientSession(address) as session,
        session.get("/v1/charts", headers={"X-Forwarded-For": forwarded}) as response,
    ):
        assert response.status == 200
    assert caplog.records[-1].caller == f"address:{seen}"


async def test_an_access_line_has_an_id_and_no_query(client: ClientSession, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, logger="web.access")
    headers = {"X-Request-ID": "given-by-me-123"}
    async with client.get("/v1/charts/DE/hour?limit=7", headers=headers) as response:
        assert response.headers["X-Request-ID"] == "given-by-me-123"
    line = caplog.records[-1]
    assert (line.request_id, line.route, line.status) == (
        "given-by-me-123",
        "/v1/charts/{region}/{window}",
        200,
    )
    assert "limit" not in line.getMessage()
    async with client.get("/health", headers={"X-Request-ID": "bad id\twith tabs"}) as response:
        made = response.headers["X-Request-ID"]
        assert "bad" not in made
        assert len(made) >= 14


@pytest.mark.parametrize("path", ["/", "/v1/charts", "/v1/nothing", "/docs", "/v1/charts/XX/hour"])
async def test_security_headers_are_on_everything(client: ClientSession, path: str) -> None:
    async with client.get(path) as response:
        headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ("", "https://a.example", None),
        ("https://a.example", "https://a.example", "https://a.example"),
        ("https://a.example, https://b.example", "https://b.example", "https://b.example"),
        ("https://a.example", "https://evil.example", None),
        ("*", "https://anybody.example", "*"),
    ],
)
async def test_origins_by_list(boards: FedBoards, origins: str, origin: str, allowed: str | None) -> None:
    settings = Settings(public_read=True, cors_origins=origins)
    async with (
        serving(Services(settings=settings, boards=boards)) as address,
        ClientSession(address) as session,
    ):
        async with session.get("/v1/charts", headers={"Origin": origin}) as response:
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        async with session.options("/v1/plays", headers=preflight) as response:
            assert response.status == 204
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
        async with session.options("/1/submit-listens", headers=preflight) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.headers["Access-Control-Max-Age"] == "21600"


async def test_a_page_elsewhere_may_send_and_read_every_header_that_matters(boards: FedBoards) -> None:
    settings = Settings(public_read=True, cors_origins="*")
    origin = {"Origin": "https://a.example"}
    async with (
        serving(Services(settings=settings, boards=boards)) as address,
        ClientSession(address, headers=origin) as session,
    ):
        async with session.options("/v1/x", headers={"Access-Control-Request-Method": "GET"}) as response:
            allowed = set(response.headers["Access-Control-Allow-Headers"].split(", "))
        async with session.get("/v1/charts/XX/hour", headers={"Prefer": "status=200"}) as response:
            exposed = set(response.headers["Access-Control-Expose-Headers"].split(", "))
    assert {name for view in views() for name in view.reads} | {"Authorization", "Prefer"} <= allowed
    assert {"ETag", "Retry-After", "X-Request-ID", "Preference-Applied"} <= exposed


@pytest.mark.parametrize(
    "path", ["/v1/charts/XX/hour", "/v1/charts/global/week", "/v1/charts/xx/hour", "/v1/auth/me"]
)
async def test_a_refusal_is_as_soft_as_the_caller_prefers(client: ClientSession, path: str) -> None:
    async with client.get(path) as hard:
        assert hard.status in {400, 401, 404, 503}
        expected = await hard.json()
    async with client.get(path, headers={"Prefer": "status=200"}) as soft:
        body = await soft.json()
    assert soft.status == 200
    assert soft.content_type == "application/problem+json"
    assert soft.headers["Preference-Applied"] == "status=200"
    assert soft.headers["Cache-Control"] == "no-store"
    assert body["status"] == hard.status
    assert {**body, "request_id": ""} == {**expected, "request_id": ""}


async def test_an_error_on_our_side_stays_hard(
    client: ClientSession,
    boards: FedBoards,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FedBoards, "charts", lambda self: 1 / 0)
    async with client.get("/v1/charts", headers={"Prefer": "status=200"}) as response:
        assert response.status == 500
    assert "Preference-Applied" not in response.headers
    assert "ZeroDivisionError" in caplog.text
