"""A key that is known goes on while Postgres hangs, and no longer than it may."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tables.keys import Keys
from tests.web.conftest import Desk
from web import guard as guard_module
from web.guard import Guard
from web.problem import Problem


async def test_a_known_key_does_not_wait_for_a_postgres_that_hangs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "KEY_REMEMBERED_S", 0.0)
    keys = Keys(desk.database)
    accounts: Any = SimpleNamespace(keys=keys, keyring=None, issuer=None)
    guard = Guard(accounts)
    secret = desk.ingest["Authorization"].split()[1]
    known = await guard.by_key(secret)
    assert known.ingest
    async with desk.database.transaction() as connection:
        await connection.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
        # Each would wait half a minute for the lock.
        async with asyncio.timeout(20):
            assert await asyncio.gather(*(guard.by_key(secret) for _ in range(50))) == [known] * 50
            for _ in range(50):
                assert await guard.by_key(secret) is known
        await connection.execute("UPDATE api_keys SET revoked_at = now()")
    monkeypatch.setattr(guard_module, "KEY_PAUSE_S", 0.0)
    async with asyncio.timeout(60):
        with pytest.raises(Problem) as refused:
            while True:
                await guard.by_key(secret)
    assert refused.value.status == 401
