"""Sessions, where what ends a family meets what adds to it."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from tables.accounts import Accounts, User
from tables.postgres import Connection, Database
from tables.sessions import Rotated, Sessions

LIFETIME_S = 3600.0
#: Nobody waits for a lock longer than this.
WAIT_S = 10

Ends = Callable[[Accounts, Sessions, User, list[str]], Awaitable[object]]

#: Everything that ends a family whose tokens so far are these.
ENDS: dict[str, Ends] = {
    "a new password": lambda people, _, user, __: people.set_password(user.user_id, "another hash"),
    "switched off": lambda people, _, user, __: people.change(user.name, active=False),
    "logged out": lambda _, sessions, __, tokens: sessions.end(tokens[1]),
    "logged out by the used token": lambda _, sessions, __, tokens: sessions.end(tokens[0]),
    "the used token shown again": lambda _, sessions, __, tokens: sessions.rotate(tokens[0]),
}


class Slow(Sessions):
    """Has used a token up, and adds the next only when let."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, LIFETIME_S)
        self.used = asyncio.Event()
        self.let = asyncio.Event()

    async def _issue(self, connection: Connection, family: UUID, user_id: UUID) -> str:
        self.used.set()
        await self.let.wait()
        return await super()._issue(connection, family, user_id)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_a_family_ends_with_the_token_that_was_being_added(database: Database, end: Ends) -> None:
    people, sessions, slow = Accounts(database), Sessions(database, LIFETIME_S), Slow(database)
    user = await people.create("nina", "a hash", "viewer")
    first = await _started(sessions, user)
    second = (await _rotated(sessions, first)).token
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
        rotating = tasks.create_task(_rotated(slow, second))
        await slow.used.wait()
        tasks.create_task(_awaited(end(people, sessions, user, [first, second])))
        await _somebody_waits(database)
        slow.let.set()
    assert await sessions.rotate(rotating.result().token) is None


@pytest.mark.parametrize("change", [{"active": False}, {"password_hash": "another hash"}])
async def test_no_family_begins_while_the_account_changes(
    database: Database, change: dict[str, object]
) -> None:
    people, sessions = Accounts(database), Sessions(database, LIFETIME_S)
    user = await people.create("nina", "a hash", "viewer")
    [[column, value]] = change.items()
    async with asyncio.timeout(WAIT_S), database.transaction() as connection:
        await connection.execute(f"UPDATE users SET {column} = $1", value)
        starting = asyncio.create_task(sessions.start(user.user_id, user.password_hash))
        await _somebody_waits(database)
    assert await starting is None
    assert await database.fetchval("SELECT count(*) FROM refresh_tokens") == 0


async def test_a_token_nobody_was_given_means_nothing(database: Database) -> None:
    sessions = Sessions(database, LIFETIME_S)
    assert await sessions.rotate(str(uuid4())) is None
    assert await sessions.end(str(uuid4())) is None


async def _awaited(end: Awaitable[object]) -> None:
    await end


async def _started(sessions: Sessions, user: User) -> str:
    token = await sessions.start(user.user_id, user.password_hash)
    assert token is not None
    return token


async def _rotated(sessions: Sessions, token: str) -> Rotated:
    rotated = await sessions.rotate(token)
    assert isinstance(rotated, Rotated)
    return rotated


async def _somebody_waits(database: Database) -> None:
    """Until a statement waits for another's lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while not await database.fetchval(waiting):
        await asyncio.sleep(0.01)
