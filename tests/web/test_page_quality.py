"""The page's qualities, measured: accessible, at once there, and light on the processor."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from charts.settings import Settings
from tests.web.browsing import FIRST_CHART_MS_MAX, PHONE, browsing, findings, first_paints_ms, report
from tests.web.conftest import serving
from tests.web.fed_boards import HOUR, FedBoards
from web.services import Services

#: Of processor time, per second in which 200 rows change.
BUSY_MS_MAX = 300
SEEN = [
    "/",
    "/?region=DE&window=day",
    "/?view=movers",
    "/?view=compare&region=DE&with=global",
    "/?view=race",
    "/?view=operations",
    "/?view=search",
]


@pytest.fixture
async def address(boards: FedBoards, settings: Settings) -> AsyncIterator[str]:
    async with serving(Services(settings=settings, boards=boards)) as address:
        yield address


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(address: str, axe: str, scheme: str) -> None:
    async with browsing(address, color_scheme=scheme, reduced_motion="reduce") as visit:
        for path in SEEN:
            await visit.open(path)
            await visit.shows("h1")
            await visit.until("!document.querySelector('.skeleton')")
            assert not await findings(visit, axe), path
        await visit.open("/")
        await visit.page.get_by_role("button", name="Region: Global").click()
        await visit.shows("[role=option]", "Sweden")
        assert not await findings(visit, axe)
        await visit.page.keyboard.press("Escape")
        await visit.page.locator("#account").get_by_role("button", name="Log in").click()
        assert not await findings(visit, axe)


async def test_axe_finds_nothing_on_a_phone(address: str, axe: str) -> None:
    async with browsing(address, viewport=PHONE, is_mobile=True, has_touch=True) as visit:
        await visit.open("/")
        await visit.shows(".row .title")
        assert not await findings(visit, axe)


@pytest.mark.alone
async def test_the_chart_is_there_within_a_second(address: str) -> None:
    took = await first_paints_ms(address)
    report(f"first chart painted after {took} ms")
    assert min(took) < FIRST_CHART_MS_MAX, took


@pytest.mark.alone
async def test_two_hundred_rows_a_second_leave_the_processor_idle(boards: FedBoards, address: str) -> None:
    """Two charts of 100 rows side by side, every row and many ranks changing once a second."""
    tracks = [f"track {number:03}" for number in range(100)]

    def flush(second: int) -> None:
        for place, region in enumerate(("DE", "SE")):
            plays = {
                track: 10_000 - 90 * number + second * 131 * ((number * 7 + place + second) % 5)
                for number, track in enumerate(tracks)
            }
            boards.put(region, HOUR, plays)

    flush(0)
    async with browsing(address) as visit:
        await visit.open("/?view=compare&region=DE&with=SE")
        await visit.until("document.querySelectorAll('.rows-body .row').length === 200")
        devtools = await visit.context.new_cdp_session(visit.page)
        await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        busy, plays = [], await visit.rows()
        for second in range(1, 7):
            before, began = await _busy_ms(devtools), time.monotonic()
            flush(second)
            # Not a wait for anything: the second that is measured.
            await visit.page.wait_for_timeout(1000)
            busy.append(round((await _busy_ms(devtools) - before) / (time.monotonic() - began)))
            plays, last = await visit.rows(), plays
            assert plays != last
        report(f"main thread busy, ms of processor time per second: {busy}")
        assert sorted(busy)[len(busy) // 2] < BUSY_MS_MAX, busy


async def _busy_ms(devtools: Any) -> float:
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "TaskDuration") * 1000
