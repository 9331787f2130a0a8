"""A Postgres to be stopped, and a database without a table."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.servers import Postgres, free_ports


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Postgres]:
    """A server this test may stop, kill and start again."""
    server = Postgres(tmp_path, *free_ports(1), secrets.token_hex(8), ("fsync=off",))
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture
def empty_url(postgres_server: Postgres) -> Iterator[str]:
    """A database without a table."""
    name = f"empty_{secrets.token_hex(4)}"
    postgres_server.run_sql(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.run_sql(f"DROP DATABASE {name} WITH (FORCE)")
