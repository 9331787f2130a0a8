"""Accounts: log-in, rotation, theft, lock-out, keys and the audit log, on a real Postgres."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession
from argon2 import PasswordHasher

from charts.settings import Settings
from tables.accounts import Accounts
from tables.keys import Keys
from tests.web.conftest import PASSWORD, Desk, serving
from tests.web.fed_boards import FedBoards
from web.passwords import Passwords
from web.services import Services
from web.tokens import Keyring

VIEWER = {"username": "viewer", "password": PASSWORD}
#: As it was made when machines were slower.
OLD_HASH = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)


async def test_register_log_in_and_be_somebody(desk: Desk) -> None:
    body = {"username": "nina", "password": "a long enough one"}
    async with desk.session.post("/v1/auth/register", json=body) as response:
        user = await response.json()
        assert (response.status, user["username"], user["role"]) == (201, "nina", "viewer")
    async with desk.session.post("/v1/auth/register", json=body | {"username": "NINA"}) as response:
        assert response.status == 409
    async with desk.session.post("/v1/auth/login", json=body) as response:
        tokens = await response.json()
        assert response.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with desk.session.get("/v1/auth/me", headers=headers) as response:
        assert await response.json() == user


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"username": "x", "password": "a long enough one"}, ["username"]),
        ({"username": "fine", "password": "short"}, ["password"]),
        ({"username": "fine"}, ["password"]),
        ({"username": "fine", "password": "a long enough one", "role": "admin"}, ["role"]),
    ],
)
async def test_a_bad_registration_names_the_field(desk: Desk, body: dict[str, str], at: list[str]) -> None:
    async with desk.session.post("/v1/auth/register", json=body) as response:
        problem = await response.json(content_type=None)
    assert response.status == 422
    assert [fault["at"] for fault in problem["errors"]] == [at]
    assert "a long enough one" not in str(problem)


@pytest.mark.parametrize(
    "body",
    [{"json": {"username": "a\0b", "password": "x"}}, {"data": {"username": "\0", "password": "x"}}],
    ids=["json", "form"],
)
async def test_a_name_postgres_cannot_hold_names_the_field(desk: Desk, body: dict[str, Any]) -> None:
    async with desk.session.post("/v1/auth/token", **body) as response:
        problem = await response.json(content_type=None)
    assert (response.status, problem["errors"][0]["at"]) == (422, ["username"])


async def test_registration_can_be_closed(boards: FedBoards, closed_settings: Settings, desk: Desk) -> None:
    closed = closed_settings.model_copy(update={"registration": False})
    services = Services(settings=closed, boards=boards, database=desk.database)
    async with serving(services) as address, ClientSession(address) as session:
        body = {"username": "nina", "password": "a long enough one"}
        async with session.post("/v1/auth/register", json=body) as response:
            assert response.status == 403


async def test_a_refresh_token_works_once_and_its_theft_ends_the_family(desk: Desk) -> None:
    credentials = {"grant_type": "password", "username": "viewer", "password": PASSWORD}
    async with desk.session.post("/v1/auth/token", data=credentials) as response:
        first = (await response.json())["refresh_token"]
    second = await _refreshed(desk, first)
    third = await _refreshed(desk, second)
    async with desk.session.post("/v1/auth/refresh", json={"refresh_token": first}) as stolen:
        assert (stolen.status, (await stolen.json(content_type=None))["error"]) == (401, "invalid_grant")
    async with desk.session.post("/v1/auth/refresh", json={"refresh_token": third}) as owner:
        assert owner.status == 401
    assert await _events(desk, "refresh token reused") == ["viewer"]


async def test_logout_ends_the_log_in(desk: Desk) -> None:
    async with desk.session.post(
        "/v1/auth/token", json={"username": "viewer", "password": PASSWORD}
    ) as response:
        refresh_token = (await response.json())["refresh_token"]
    for _ in range(2):
        async with desk.session.post("/v1/auth/logout", json={"refresh_token": refresh_token}) as response:
            assert response.status == 204
    async with desk.session.post("/v1/auth/refresh", json={"refresh_token": refresh_token}) as response:
        assert response.status == 401
    assert await _events(desk, "logged out") == ["viewer"]


@pytest.mark.parametrize("name", ["viewer", "nobody-has-this-name"])
async def test_five_failures_lock_a_name_known_or_not(desk: Desk, name: str) -> None:
    wrong = {"username": name, "password": "something else"}
    statuses = []
    for _ in range(5):
        async with desk.session.post("/v1/auth/token", json=wrong) as response:
            statuses.append(response.status)
    assert statuses == [401, 401, 401, 401, 429]
    async with desk.session.post("/v1/auth/token", json=wrong | {"password": PASSWORD}) as response:
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 30


@pytest.mark.parametrize("password", [PASSWORD, "something else"])
async def test_a_guess_made_beside_others_does_not_escape_the_lock(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    async def fail_five_times() -> None:
        for _ in range(5):
            await Accounts(desk.database).fail("viewer")

    _meanwhile(monkeypatch, "check", fail_five_times)
    async with desk.session.post("/v1/auth/token", json=VIEWER | {"password": password}) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "60")
    async with desk.session.post("/v1/auth/token", json=VIEWER) as response:
        assert response.status == 429
    assert await _events(desk, "logged in") == []


async def test_an_unknown_name_and_a_wrong_password_look_the_same(desk: Desk) -> None:
    answers = []
    for name in ("viewer", "nobody-has-this-name"):
        body = {"username": name, "password": "something else"}
        async with desk.session.post("/v1/auth/token", json=body) as response:
            problem = await response.json(content_type=None)
        del problem["request_id"]
        answers.append((response.status, problem))
    assert answers[0] == answers[1]


@pytest.mark.alone
async def test_an_unknown_name_takes_as_long(desk: Desk) -> None:
    """Both run one argon2: the medians differ by far less than the hash takes."""
    spent: dict[str, list[float]] = {"viewer": [], "nobody-has-this-name": []}
    for _ in range(4):
        for name, seconds in spent.items():
            body = {"username": name, "password": "something else"}
            started = time.perf_counter()
            async with desk.session.post("/v1/auth/token", json=body) as response:
                assert response.status == 401
            seconds.append(time.perf_counter() - started)
    known, unknown = (sorted(seconds)[1] for seconds in spent.values())
    assert 0.4 < unknown / known < 2.5


async def test_a_new_password_ends_every_log_in(desk: Desk) -> None:
    async with desk.session.post(
        "/v1/auth/token", json={"username": "viewer", "password": PASSWORD}
    ) as response:
        refresh_token = (await response.json())["refresh_token"]
    change = {"password": PASSWORD, "new_password": "another good one"}
    async with desk.session.post("/v1/auth/password", json=change, headers=desk.bearer("viewer")) as response:
        assert response.status == 204
    async with desk.session.post("/v1/auth/refresh", json={"refresh_token": refresh_token}) as response:
        assert response.status == 401
    async with desk.session.post("/v1/auth/password", json=change, headers=desk.bearer("viewer")) as response:
        assert response.status == 403


@pytest.mark.parametrize("change", ["a new password", "switched off"])
async def test_a_log_in_under_way_does_not_outlive_its_password(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    async def switch_off() -> None:
        await Accounts(desk.database).change("viewer", active=False)

    work = switch_off if change == "switched off" else lambda: _set_hash(desk, "the hash of another")
    _meanwhile(monkeypatch, "check", work)
    async with desk.session.post("/v1/auth/token", json=VIEWER) as response:
        assert (response.status, (await response.json(content_type=None))["error"]) == (401, "invalid_grant")
    assert await desk.database.fetchval("SELECT count(*) FROM refresh_tokens") == 0
    assert (await _events(desk, "log-in failed"), await _events(desk, "logged in")) == (["viewer"], [])


async def test_a_log_in_under_way_outlives_a_hash_made_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, password_hash: str
) -> None:
    await _set_hash(desk, OLD_HASH)
    _meanwhile(monkeypatch, "check", lambda: _set_hash(desk, password_hash))
    async with desk.session.post("/v1/auth/token", json=VIEWER) as response:
        assert response.status == 200
        await _refreshed(desk, (await response.json())["refresh_token"])


async def test_a_hash_of_before_is_made_anew_and_the_log_in_lasts(desk: Desk) -> None:
    await _set_hash(desk, OLD_HASH)
    async with desk.session.post("/v1/auth/token", json=VIEWER) as response:
        refresh_token = (await response.json())["refresh_token"]
    assert not PasswordHasher().check_needs_rehash(await _hash_of_viewer(desk))
    await _refreshed(desk, refresh_token)
    async with desk.session.post("/v1/auth/token", json=VIEWER) as response:
        assert response.status == 200


async def test_a_hash_made_anew_does_not_undo_a_new_password(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _set_hash(desk, OLD_HASH)
    _meanwhile(monkeypatch, "hash", lambda: _set_hash(desk, "the hash of another"))
    async with desk.session.post("/v1/auth/token", json=VIEWER) as response:
        assert response.status == 200
    assert await _hash_of_viewer(desk) == "the hash of another"


async def test_a_reset_is_not_undone_by_who_knew_the_password_before(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _meanwhile(monkeypatch, "hash", lambda: _set_hash(desk, "the hash of a reset"))
    change = {"password": PASSWORD, "new_password": "another good one"}
    async with desk.session.post("/v1/auth/password", json=change, headers=desk.bearer("viewer")) as response:
        assert response.status == 403
    assert await _hash_of_viewer(desk) == "the hash of a reset"
    assert await _events(desk, "password change refused") == ["viewer"]


async def test_an_admin_changes_roles(desk: Desk) -> None:
    admin = desk.bearer("admin")
    async with desk.session.patch(
        "/v1/auth/users/viewer", json={"role": "editor"}, headers=admin
    ) as response:
        assert (response.status, (await response.json())["role"]) == (200, "editor")
    async with desk.session.get("/v1/auth/users", headers=admin) as response:
        roles = {user["username"]: user["role"] for user in await response.json()}
    assert roles == {"admin": "admin", "editor": "editor", "viewer": "editor"}
    async with desk.session.patch("/v1/auth/users/viewer", json={"active": False}, headers=admin) as response:
        assert (await response.json())["active"] is False
    async with desk.session.post(
        "/v1/auth/token", json={"username": "viewer", "password": PASSWORD}
    ) as response:
        assert response.status == 401
    async with desk.session.patch("/v1/auth/users/nobody", json={}, headers=admin) as response:
        assert response.status == 404
    assert await _events(desk, "account changed") == ["viewer", "viewer"]


async def test_a_key_is_shown_once_and_can_be_revoked(desk: Desk) -> None:
    editor = desk.bearer("editor")
    async with desk.session.get("/v1/auth/keys", headers=editor) as response:
        text = await response.text()
        [key] = await response.json()
    assert desk.key not in text
    assert desk.key.startswith(f"lck_{key['key_id']}_")
    assert (key["name"], key["region"], key["owner"]) == ("scrobbler", "DE", "editor")
    stored = await desk.database.fetchval("SELECT key_hash FROM api_keys")
    assert desk.key.encode() not in stored
    async with desk.session.delete(f"/v1/auth/keys/{key['key_id']}", headers=editor) as response:
        assert response.status == 204
    async with desk.session.delete(f"/v1/auth/keys/{key['key_id']}", headers=editor) as response:
        assert response.status == 404
    async with desk.session.get("/v1/charts", headers=desk.ingest) as response:
        assert response.status == 401


async def test_editors_see_their_own_keys_and_admins_all(desk: Desk) -> None:
    async with desk.session.post(
        "/v1/auth/keys", json={"name": "mine", "expires_in_days": 1}, headers=desk.bearer("admin")
    ) as response:
        made = await response.json()
        assert made["expires_at"] is not None
    for who, names in (("editor", {"scrobbler"}), ("admin", {"scrobbler", "mine"})):
        async with desk.session.get("/v1/auth/keys", headers=desk.bearer(who)) as response:
            assert {key["name"] for key in await response.json()} == names
    async with desk.session.delete(
        f"/v1/auth/keys/{made['key_id']}", headers=desk.bearer("editor")
    ) as response:
        assert response.status == 404


async def test_a_key_ends_when_it_expires_also_where_it_is_remembered(desk: Desk) -> None:
    owner = await Accounts(desk.database).by_name("editor")
    assert owner is not None
    _, key = await Keys(desk.database).create(owner.user_id, "brief", None, 5.0)
    headers, now = {"Authorization": f"Token {key}"}, now_playing()
    async with desk.session.post("/1/submit-listens", json=now, headers=headers) as response:
        assert response.status == 200
    async with asyncio.timeout(60):
        status = 200
        while status == 200:
            await asyncio.sleep(0.1)
            async with desk.session.post("/1/submit-listens", json=now, headers=headers) as response:
                status = response.status
    assert status == 401
    async with desk.session.get("/1/validate-token", headers=headers) as response:
        assert not (await response.json())["valid"]


def now_playing() -> dict[str, Any]:
    """What a key may post to a site without Kafka."""
    track = {"artist_name": "Somebody", "track_name": "Something"}
    return {"listen_type": "playing_now", "payload": [{"track_metadata": track}]}


async def test_the_audit_log_is_for_admins(desk: Desk) -> None:
    async with desk.session.post(
        "/v1/auth/token", data={"username": "viewer", "password": PASSWORD}
    ) as response:
        assert response.status == 200
    async with desk.session.post(
        "/v1/auth/keys", json={"name": "x"}, headers=desk.bearer("editor")
    ) as response:
        key = (await response.json())["key"]
    async with desk.session.get("/v1/auth/audit?limit=2", headers=desk.bearer("admin")) as response:
        events = await response.json()
    assert [event["event"] for event in events] == ["key created", "logged in"]
    assert events[0]["actor"].startswith("user:")
    assert key not in str(events)


async def test_every_security_event_is_in_the_audit_log(desk: Desk) -> None:
    nora = {"username": "nora", "password": PASSWORD}
    admin, said = desk.bearer("admin"), []

    async def ask(method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
        async with desk.session.request(method, f"/v1/auth/{path}", json=body, headers=headers) as response:
            return await response.json(content_type=None) if response.status != 204 else None

    async def expect(*events: str) -> None:
        said.extend(events)
        found = await ask("GET", f"audit?limit={len(said)}", headers=admin)
        assert [event["event"] for event in reversed(found)] == said
        assert {event["name"] for event in found[: len(events)]} <= {"nora", "of nora"}

    await ask("POST", "register", nora)
    tokens = await ask("POST", "token", nora)
    await expect("registered", "logged in")
    await ask("PATCH", "users/nora", {"role": "editor"}, admin)
    await expect("account changed")
    refresh = {"refresh_token": (await ask("POST", "token", nora))["refresh_token"]}
    await ask("POST", "refresh", refresh)
    await ask("POST", "refresh", refresh)
    await expect("logged in", "refresh token reused")
    tokens = await ask("POST", "token", nora)
    mine = {"Authorization": f"Bearer {tokens['access_token']}"}
    key = await ask("POST", "keys", {"name": "of nora"}, mine)
    await ask("DELETE", f"keys/{key['key_id']}", headers=mine)
    await expect("logged in", "key created", "key revoked")
    await ask("POST", "password", {"password": "a wrong one", "new_password": PASSWORD + "!"}, mine)
    await ask("POST", "password", {"password": PASSWORD, "new_password": PASSWORD + "!"}, mine)
    await expect("password change refused", "password changed")
    refresh = {
        "refresh_token": (await ask("POST", "token", nora | {"password": PASSWORD + "!"}))["refresh_token"]
    }
    await ask("POST", "logout", refresh)
    await expect("logged in", "logged out")
    for _ in range(6):
        await ask("POST", "token", nora)
    await expect(*5 * ["log-in failed"], "locked log-in refused")


async def test_keys_rotate_without_logging_anybody_out(desk: Desk, boards: FedBoards) -> None:
    """Tokens of the last secret work while it is listed, and not a moment longer."""
    new = desk.settings.model_copy(
        update={
            "jwt_secret": type(desk.settings.jwt_secret)("n" * 40),
            "jwt_previous": desk.settings.jwt_secret,
        }
    )
    gone = new.model_copy(update={"jwt_previous": type(desk.settings.jwt_secret)("")})
    for settings, status in ((new, 200), (gone, 401)):
        services = Services(settings=settings, boards=boards, database=desk.database)
        async with (
            serving(services) as address,
            ClientSession(address) as session,
            session.get("/v1/auth/me", headers=desk.bearer("viewer")) as response,
        ):
            assert response.status == status


async def test_tokens_can_be_signed_with_ed25519(boards: FedBoards, desk: Desk) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from pydantic import SecretStr

    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    settings = desk.settings.model_copy(update={"jwt_private_key": SecretStr(pem.decode())})
    services = Services(settings=settings, boards=boards, database=desk.database)
    async with serving(services) as address, ClientSession(address) as session:
        credentials = {"username": "viewer", "password": PASSWORD}
        async with session.post("/v1/auth/token", json=credentials) as response:
            token = (await response.json())["access_token"]
        assert jwt.get_unverified_header(token)["alg"] == "EdDSA"
        async with session.get("/v1/auth/me", headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == 200


async def test_a_token_of_another_audience_opens_nothing(desk: Desk) -> None:
    keyring = Keyring.of(desk.settings)
    assert keyring is not None
    async with desk.session.post("/v1/live/ticket", headers=desk.bearer("viewer")) as response:
        ticket = (await response.json())["ticket"]
    async with desk.session.get("/v1/charts", headers={"Authorization": f"Bearer {ticket}"}) as response:
        assert response.status == 401


def _meanwhile(monkeypatch: pytest.MonkeyPatch, step: str, work: Callable[[], Awaitable[object]]) -> None:
    """Lets something happen while argon2 is at its next hash, or check; once."""
    slow = getattr(Passwords, step)

    async def slower(self: Passwords, *given: str) -> str | bool:
        done = await slow(self, *given)
        monkeypatch.setattr(Passwords, step, slow)
        await work()
        return done

    monkeypatch.setattr(Passwords, step, slower)


async def _set_hash(desk: Desk, password_hash: str) -> None:
    people = Accounts(desk.database)
    user = await people.by_name("viewer")
    assert user is not None
    await people.set_password(user.user_id, password_hash)


async def _hash_of_viewer(desk: Desk) -> str:
    return await desk.database.fetchval("SELECT password_hash FROM users WHERE name = 'viewer'")


async def _refreshed(desk: Desk, refresh_token: str) -> str:
    async with desk.session.post("/v1/auth/refresh", json={"refresh_token": refresh_token}) as response:
        assert response.status == 200
        return (await response.json())["refresh_token"]


async def _events(desk: Desk, event: str) -> list[str]:
    rows = await desk.database.fetch("SELECT name FROM audit_log WHERE event = $1 ORDER BY audit_id", event)
    return [row["name"] for row in rows]
