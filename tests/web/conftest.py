"""The real site on a port of its own, and a real client."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
from aiohttp import ClientSession
from aiohttp.web import Application, AppRunner, TCPSite
from argon2 import PasswordHasher

from charts.settings import Settings
from tables.accounts import Accounts, Role
from tables.keys import Keys
from tables.postgres import Database
from tests.web.browsing import npm
from tests.web.fed_boards import DAY, HOUR, FedBoards
from web.services import Services
from web.site import mount
from web.tokens import Keyring

PLAYS = {f"track-{number:03}": 1000 - number for number in range(150)}
#: 32 bytes and more; means nothing to anybody.
SECRET = "only-for-tests-only-for-tests-only-for-tests"
NO_LIMITS = {f"rate_{name}": 0 for name in ("read", "write", "ingest", "login", "live")}
AXE = "axe-core@4.11"
NPM_TIMEOUT_S = 120
#: What everybody's password is here.
PASSWORD = "correct horse battery"


@asynccontextmanager
async def serving(services: Services) -> AsyncIterator[str]:
    """The site's address for as long as the block runs."""
    application = Application()
    mount(application, services)
    runner = AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
def boards(settings: Settings) -> FedBoards:
    boards = FedBoards(settings)
    boards.put("global", HOUR, PLAYS)
    boards.put("global", DAY, PLAYS)
    boards.put("DE", HOUR, {"b": 3, "a": 3, "c": 1})
    boards.put("SE", HOUR.previous, {"a": 3})
    return boards


@pytest.fixture
def settings() -> Settings:
    return Settings(public_read=True, jwt_secret=SECRET, top_n=1000, **NO_LIMITS)


@pytest.fixture
async def client(boards: FedBoards, settings: Settings) -> AsyncIterator[ClientSession]:
    """A client of a site that anybody may read."""
    async with (
        serving(Services(settings=settings, boards=boards)) as address,
        ClientSession(address) as session,
    ):
        yield session


@dataclass
class Desk:
    """A site with accounts, and people of every role."""

    session: ClientSession
    address: str
    database: Database
    settings: Settings
    tokens: dict[str, str]
    key: str

    def bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}

    @property
    def ingest(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.key}"}


@pytest.fixture
def closed_settings() -> Settings:
    """Nothing is public, and no test meets a rate limit it did not ask for."""
    return Settings(jwt_secret=SECRET, **NO_LIMITS)


@pytest.fixture(scope="session")
def password_hash() -> str:
    return PasswordHasher().hash(PASSWORD)


@pytest.fixture
async def desk(
    boards: FedBoards, closed_settings: Settings, database: Database, password_hash: str
) -> AsyncIterator[Desk]:
    """Accounts on a real Postgres: a viewer, an editor, an admin, and an ingest key of the editor's."""
    keyring = Keyring.of(closed_settings)
    assert keyring is not None
    tokens = {}
    for role in get_args(Role):
        user = await Accounts(database).create(role, password_hash, role)
        tokens[role] = keyring.issue({"sub": str(user.user_id), "name": role, "role": role}, 900)
        if role == "editor":
            _, key = await Keys(database).create(user.user_id, "scrobbler", "DE", None)
    services = Services(settings=closed_settings, boards=boards, database=database)
    async with serving(services) as address, ClientSession(address) as session:
        yield Desk(session, address, database, closed_settings, tokens, key)


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's source, from npm; it never becomes part of the page."""
    folder: Path = tmp_path_factory.mktemp("axe")
    command = [npm(), "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", AXE]
    done = subprocess.run(command, capture_output=True, timeout=NPM_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return (folder / "node_modules/axe-core/axe.min.js").read_text()
