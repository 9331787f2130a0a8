"""Real object stores for the lake: one SeaweedFS per run, a prefix per test; and a folder."""

import itertools
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from charts.settings import Settings
from tables.store import Store, open_store
from tests.lake.own_seaweed import BUCKET, OwnSeaweed

_numbers = itertools.count()


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnSeaweed]:
    server = OwnSeaweed(tmp_path_factory.mktemp("lake"))
    server.start()
    yield server
    # It says good-bye for half a minute; nobody needs its data.
    server.stop(signal.SIGKILL)


@pytest.fixture(params=["s3", "file"])
def lake_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A lake of this test's own, in either kind of store."""
    if request.param == "file":
        return f"file://{tmp_path}/lake"
    seaweed: OwnSeaweed = request.getfixturevalue("seaweed")
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in seaweed.env.items():
        patch.setenv(name, value)
    return f"s3://{BUCKET}/test-{next(_numbers)}"


@pytest.fixture
async def store(lake_url: str) -> AsyncIterator[Store]:
    async with open_store(Settings(lake_url=lake_url)) as store:
        yield store
