"""A real Postgres for the tables: one server per run, a database per test."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from tables.migrations import migrate
from tables.postgres import Database
from tests.tables.own_postgres import OwnPostgres

_numbers = itertools.count()


def readable(folder: Path) -> Path:
    """Postgres runs as nobody, pytest's folders are closed to others."""
    if os.getuid() == 0:
        for parent in (folder, *folder.parents[:2]):
            parent.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    server = OwnPostgres(readable(tmp_path_factory.mktemp("server")))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[OwnPostgres]:
    """A server this test may stop."""
    server = OwnPostgres(readable(tmp_path))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def empty_url(server: OwnPostgres) -> str:
    """A database of this test's own, without a table."""
    name = f"empty_{next(_numbers)}"
    await _run(server, f"CREATE DATABASE {name}")
    return server.url(name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(server: OwnPostgres) -> str:
    """The migrated database every other one is copied from."""
    await _run(server, "CREATE DATABASE template_charts")
    async with Database(server.url("template_charts")) as database:
        await migrate(database)
    return "template_charts"


@pytest.fixture
async def database(server: OwnPostgres, template: str) -> AsyncIterator[Database]:
    name = f"charts_{next(_numbers)}"
    await _run(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with Database(server.url(name)) as database:
        yield database
    await _run(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _run(server: OwnPostgres, sql: str) -> None:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
