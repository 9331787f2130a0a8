"""Secrets: whatever happens, no password, token or key is in a log, an error or an answer but its own."""

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest
from yarl import URL

from tests.web.conftest import PASSWORD, SECRET, Desk
from web.views import views


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything any logger writes, with every extra field."""
    text = io.StringIO()

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text.write(f"{record.getMessage()} {vars(record)}\n{record.exc_text or ''}\n")

    handler = Everything(logging.DEBUG)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(before)
    root.removeHandler(handler)


async def test_no_secret_gets_out(desk: Desk, written: io.StringIO) -> None:
    told: list[str] = []
    secrets = {PASSWORD, SECRET, desk.key, "a wrong one entirely", "mistyped-" * 4, *desk.tokens.values()}

    async def ask(method: str, path: str, **options: object) -> None:
        async with desk.session.request(method, path, **options) as response:  # type: ignore[arg-type]
            told.append(f"{response.headers} {await response.text()}")

    login = {"username": "viewer", "password": PASSWORD}
    async with desk.session.post("/v1/auth/token", data=login) as response:
        tokens = await response.json()
    secrets |= {tokens["access_token"], tokens["refresh_token"]}
    async with desk.session.post("/v1/live/ticket", headers=desk.bearer("viewer")) as response:
        ticket = (await response.json())["ticket"]
    secrets.add(ticket)
    await ask("POST", "/v1/auth/token", json=login | {"password": "a wrong one entirely"})
    await ask("POST", "/v1/auth/token", json=login | {"password": {"nested": PASSWORD}})
    await ask("POST", "/v1/auth/register", json={"username": "!", "password": PASSWORD, "x": PASSWORD})
    await ask("POST", "/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"] + "x"})
    await ask("POST", "/v1/auth/refresh", json={"refresh_token": [tokens["refresh_token"]]})
    await ask("POST", "/v1/auth/password", json={"password": PASSWORD}, headers=desk.bearer("viewer"))
    await ask("GET", f"/v1/live?ticket={ticket}x")
    await ask("GET", f"/v1/charts?ticket={ticket}", headers=desk.bearer("viewer"))
    await ask("GET", f"/1/validate-token?token={desk.key}")
    await ask("GET", "/v1/charts", headers={"Authorization": "Bearer " + "mistyped-" * 4})
    await ask("POST", "/1/submit-listens", data=b"{", headers=desk.ingest)
    await ask("GET", "/v1/auth/keys", headers=desk.bearer("admin"))
    await ask("GET", "/v1/auth/users", headers=desk.bearer("admin"))
    await ask("GET", "/v1/auth/audit", headers=desk.bearer("admin"))
    for view in views():
        if view.rate != "live":
            await ask(view.method, view.path.split("{")[0], headers=desk.bearer("admin"))
    stored = "".join(str(dict(row)) for row in await desk.database.fetch("SELECT * FROM audit_log"))
    stored += "".join(str(dict(row)) for row in await desk.database.fetch("SELECT * FROM refresh_tokens"))
    logged = written.getvalue()
    assert "/v1/auth/token" in logged
    for secret in secrets:
        for place, text in (("a log", logged), ("an answer", "".join(told)), ("the database", stored)):
            assert secret not in text, f"{secret[:6]}… is in {place}"


@pytest.mark.parametrize(
    "garbled",
    [
        "GET /v1/live?ticket={secret}&x=\xff HTTP/1.1\r\n\r\n",
        "GET /v1/charts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\0\r\n\r\n",
        "GET /v1/charts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}" + 9000 * "x" + "\r\n\r\n",
        "POST /v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n{secret}\r\n",
        "POST /v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Encoding: gzip\r\nContent-Length: 16\r\n\r\n{secret}",
    ],
)
async def test_what_is_no_request_leaves_one_line_and_no_secret(
    desk: Desk, caplog: pytest.LogCaptureFixture, garbled: str
) -> None:
    secret = "sixteen-letters!"
    caplog.set_level("DEBUG")
    site = URL(desk.address)
    reader, writer = await asyncio.open_connection(site.host, site.port)
    try:
        writer.write(garbled.format(secret=secret).encode("latin-1"))
        async with asyncio.timeout(60):
            assert (await reader.read()).startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    finally:
        writer.close()
    ours = [record for record in caplog.records if record.name in {"aiohttp.server", "web.errors"}]
    assert [record.levelname for record in ours] == ["INFO"], caplog.text
    assert "is garbled" in caplog.text
    assert secret not in caplog.text
