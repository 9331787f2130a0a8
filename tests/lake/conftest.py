"""Both kinds of store for the lake's tests, each with a place of the test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from charts.settings import Settings
from tables import shares
from tables.store import Store, open_store


@pytest.fixture(params=["s3", "file"])
def lake_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return f"file://{tmp_path}/lake"
    return request.getfixturevalue("lake_s3").url


@pytest.fixture
async def store(lake_url: str) -> AsyncIterator[Store]:
    async with open_store(Settings(lake_url=lake_url)) as store:
        yield store


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Store]:
    """A folder, where the kind of store does not matter."""
    async with open_store(Settings(lake_url=f"file://{tmp_path}/lake")) as store:
        yield store


@pytest.fixture(params=[shares.MOST_ROWS, 3], ids=["in memory", "on disk"])
def most_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows of an hour in memory, where that must change nothing."""
    monkeypatch.setattr(shares, "MOST_ROWS", request.param)
