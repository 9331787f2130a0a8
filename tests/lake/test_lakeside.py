"""The lake worker's own web: an absent store is told, in words and in figures."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from tables.lake import LakeState, Written
from web.lakeside import mount

ROOT = Path(__file__).parents[2]


class Asked:
    """What the worker would say of itself."""

    def __init__(self) -> None:
        self.state = LakeState()


@pytest.fixture
async def worker() -> AsyncIterator[tuple[Asked, ClientSession]]:
    asked, application = Asked(), web.Application()
    mount(application, lambda: asked.state)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with ClientSession(f"http://127.0.0.1:{port}") as session:
        yield asked, session
    await runner.cleanup()


async def test_ready_tells_of_an_absent_store(worker: tuple[Asked, ClientSession]) -> None:
    asked, session = worker
    for state, status, word in (
        (LakeState(), 503, "starting"),
        (LakeState(ready=True), 200, "ready"),
        (LakeState(ready=True, away_s=7.5, why="object store: connection refused"), 503, "degraded"),
    ):
        asked.state = state
        async with session.get("/ready") as answer:
            body = await answer.json()
            assert (answer.status, body["status"]) == (status, word)
    assert body["checks"]["object store"]["reason"] == "object store: connection refused"
    async with session.get("/health") as answer:
        assert answer.status == 200


async def test_the_figures_are_prometheus_text(worker: tuple[Asked, ClientSession]) -> None:
    asked, session = worker
    asked.state = LakeState(ready=True, away_s=3, written=Written(2, 100_000, 3_000_000), growing=17)
    async with session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    assert "lake_store_away_seconds 3.0" in lines
    assert "lake_rows_written 100000.0" in lines
    assert "lake_rows_growing 17.0" in lines
    documented = re.findall(r"^\| `(lake_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    assert [line.split()[2] for line in lines if line.startswith("# TYPE")] == documented
