"""Real servers for every test: a broker, a Postgres and an object store, started once per run on free ports.

    kafka        the broker's address                      topic_name    a topic name no other test has
    postgres     the server's address as its superuser     database_url  a fresh, migrated database
    database     the same, opened                          lake_s3       an own prefix in the object store
    stack_dir    the folder all of them live in

None starts before a test asks for it.
"""

import itertools
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from simulator.servers import Postgres, free_ports
from tables.frames import receive_whole
from tables.migrations import migrate
from tables.pace import pace
from tables.postgres import Database
from tests import stores
from tests.brokers import new_broker, start

#: The broker forgets nothing while it runs: what all tests of a run together may send, in bytes.
KAFKA_DATA_BYTES = 5 << 30
_numbers = itertools.count(1)
# As in every worker.
pace()
receive_whole()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a broker, or a store: that is what `make test-kafka` and `make test-minio` run."""
    for item in items:
        needed = set(getattr(item, "fixturenames", ()))
        if {"kafka", "own_kafka"} & needed:
            item.add_marker("kafka")
        params = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        if "object_store" in needed or params.get("lake_url") == "s3":
            item.add_marker("store")


def pytest_sessionstart() -> None:
    """What takes minutes to build is no test's time."""
    stores.build()


@pytest.fixture(scope="session")
def stack_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="session")
def kafka(stack_dir: Path) -> Iterator[str]:
    server = new_broker(stack_dir, KAFKA_DATA_BYTES)
    try:
        start(server)
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def topic_name(request: pytest.FixtureRequest) -> str:
    """Named after the test, and fresh even where a test runs twice."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{words[:80]}-{secrets.token_hex(8)}"


@pytest.fixture(scope="session")
def postgres_server(stack_dir: Path) -> Iterator[Postgres]:
    #: Nothing of a test survives the machine anyway.
    fast = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
    server = Postgres(stack_dir, *free_ports(1), secrets.token_hex(8), fast)
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres(postgres_server: Postgres) -> str:
    return postgres_server.url()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(postgres_server: Postgres) -> str:
    """The migrated database every other one is copied from."""
    postgres_server.run_sql("CREATE DATABASE template_charts")
    async with Database(postgres_server.url("template_charts"), connections=1) as database:
        await migrate(database)
    return "template_charts"


@pytest.fixture
def database_url(postgres_server: Postgres, template: str) -> Iterator[str]:
    name = f"charts_{next(_numbers)}"
    postgres_server.run_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield postgres_server.url(name)
    postgres_server.run_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@dataclass(frozen=True, slots=True)
class Lake:
    """A place of a test's own in the object store, and how to get there."""

    url: str
    endpoint: str
    access_key: str
    secret_key: str
    #: The same under the names botocore reads; the fixture has set them.
    environ: dict[str, str]


@pytest.fixture(scope="session")
def object_store(stack_dir: Path) -> Iterator[stores.AnyStore]:
    server = stores.new_store(stack_dir)
    try:
        stores.start(server)
        yield server
    finally:
        server.stop()


@pytest.fixture
def lake_s3(object_store: stores.AnyStore, monkeypatch: pytest.MonkeyPatch, topic_name: str) -> Lake:
    environ = object_store.environ
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    url = f"{object_store.url}/{topic_name}"
    keys = object_store.keys
    return Lake(url, object_store.endpoint, keys.access, keys.secret, environ)
