"""The pool against a real server that comes and goes."""

import asyncio
import os
import signal

import asyncpg
import pytest

from charts.errors import BadRequest, Unreachable
from simulator.servers import Postgres
from tables.postgres import Database


async def test_it_opens_before_postgres_is_there(own_server: Postgres) -> None:
    own_server.stop()
    async with Database(own_server.url()) as database:
        with pytest.raises(Unreachable, match="Postgres does not answer"):
            await database.fetchval("SELECT 1")
        assert not database.reachable
        own_server.start()
        own_server.wait()
        assert await database.fetchval("SELECT 1") == 1
        assert database.reachable


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_it_survives_a_stop_and_a_crash(own_server: Postgres, how: signal.Signals) -> None:
    async with Database(own_server.url()) as database:
        assert await database.fetchval("SELECT 1") == 1
        question = asyncio.create_task(database.fetchval("SELECT pg_sleep(30)"))
        async with asyncio.timeout(60):
            while not await database.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
            ):
                await asyncio.sleep(0.01)
        os.kill(own_server.process.pid, how)
        own_server.stop()
        with pytest.raises(Unreachable):
            await question
        with pytest.raises(Unreachable):
            await database.fetchval("SELECT 1")
        own_server.start()
        own_server.wait()
        answers = await asyncio.gather(*(database.fetchval("SELECT $1::int", n) for n in range(20)))
        assert answers == list(range(20))


@pytest.mark.parametrize("wrong", [{"database": "nowhere"}, {"user": "nobody"}, {"password": "not this"}])
async def test_who_is_not_let_in_may_come_again(own_server: Postgres, wrong: dict[str, str]) -> None:
    """A database that is being restored is not there for a while, and no worker ends over it."""
    async with Database(own_server.url(**wrong)) as database:
        with pytest.raises(Unreachable):
            await database.fetchval("SELECT 1")
        with pytest.raises(Unreachable):
            async with database.session():
                pass
        assert not database.reachable


async def test_a_session_that_is_cut_says_so(database: Database) -> None:
    async with database.session() as session:
        backend = await session.fetchval("SELECT pg_backend_pid()")
        with pytest.raises(Unreachable):
            async with database.session() as cut:
                other = await cut.fetchval("SELECT pg_backend_pid()")
                assert other != backend
                await session.execute("SELECT pg_terminate_backend($1)", other)
                await cut.execute("SELECT pg_sleep(30)")


async def test_our_own_mistakes_stay_what_they_are(database: Database) -> None:
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await database.execute("SELEC 1")
    with pytest.raises(asyncpg.InterfaceError):
        await database.fetchval("SELECT $1::int")
    with pytest.raises(BadRequest):
        async with database.connection():
            raise BadRequest("ours")
    assert await database.fetchval("SELECT 1") == 1


async def test_an_empty_database_asks_for_its_migrations(empty_url: str) -> None:
    async with Database(empty_url) as database:
        with pytest.raises(Unreachable, match="charts migrate"):
            await database.fetch("SELECT * FROM no_such_table")


async def test_a_closed_pool_is_unreachable(empty_url: str) -> None:
    database = Database(empty_url)
    await database.open()
    await database.close()
    with pytest.raises(Unreachable):
        await database.fetchval("SELECT 1")


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    await database.execute("CREATE TABLE t (n integer)")
    with pytest.raises(BadRequest):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO t VALUES (1)")
            raise BadRequest("stop")
    assert await database.fetchval("SELECT count(*) FROM t") == 0


async def test_a_connection_that_dies_inside_a_transaction_is_unreachable(database: Database) -> None:
    """By then the pool has taken it back, and the driver calls that a misuse."""

    async def killed_inside() -> None:
        async with database.transaction() as connection:
            own = await connection.fetchval("SELECT pg_backend_pid()")
            await database.execute("SELECT pg_terminate_backend($1)", own)
            async with asyncio.timeout(60):
                while connection._con is not None:  # type: ignore[attr-defined]
                    await asyncio.sleep(0.01)
            await connection.fetchval("SELECT 1")

    with pytest.raises(Unreachable):
        await killed_inside()
    assert await database.fetchval("SELECT 1") == 1
