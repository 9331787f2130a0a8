"""The real site on a port of its own, and a real client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession
from aiohttp.web import Application, AppRunner, TCPSite

from charts.settings import Settings
from tests.web.small_boards import DAY, HOUR, SmallBoards, chart_of
from web.services import Services
from web.site import mount

PLAYS = {f"track-{number:03}": 1000 - number for number in range(150)}
#: 32 bytes and more; means nothing to anybody.
SECRET = "only-for-tests-only-for-tests-only-for-tests"


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
def boards() -> SmallBoards:
    return SmallBoards(
        chart_of("global", HOUR, PLAYS),
        chart_of("global", DAY, PLAYS),
        chart_of("DE", HOUR, {"b": 3, "a": 3, "c": 1}),
        chart_of("SE", HOUR.previous, {"a": 3}),
    )


@pytest.fixture
def settings() -> Settings:
    return Settings(public_read=True, jwt_secret=SECRET)


@pytest.fixture
async def client(boards: SmallBoards, settings: Settings) -> AsyncIterator[ClientSession]:
    """A client of a site that anybody may read."""
    async with (
        serving(Services(settings=settings, boards=boards)) as address,
        ClientSession(address) as session,
    ):
        yield session
