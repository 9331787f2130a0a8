"""The page, in a real browser on the real site: what a person sees, does and hears."""

import csv
import io
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.web import Application, AppRunner, TCPSite

from charts.settings import Settings
from simulator.ports import free_ports
from tests.web.browsing import PHONE, Visit, as_shown, browsing
from tests.web.conftest import serving
from tests.web.fed_boards import HALF_PAST_MS, HOUR, FedBoards
from web.services import Services
from web.site import mount

SMALL = {f"song {letter}": 10 * number for number, letter in enumerate("abcdefghijkl", 1)}


@pytest.fixture
async def address(boards: FedBoards, settings: Settings) -> AsyncIterator[str]:
    async with serving(Services(settings=settings, boards=boards)) as address:
        yield address


@pytest.fixture
async def visit(address: str) -> AsyncIterator[Visit]:
    async with browsing(address) as visit:
        yield visit


async def chart(address: str, path: str) -> dict[str, Any]:
    async with ClientSession() as session, session.get(f"{address}/v1/charts/{path}") as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_the_rows_are_the_chart(visit: Visit, boards: FedBoards) -> None:
    await visit.open()
    await visit.shows(".row .title")
    # However long the browser took to start.
    boards.beat(HALF_PAST_MS)
    boards.wake()
    await visit.shows(".live", "Live")
    await visit.shows(".row .title")
    assert await visit.rows(100) == as_shown(await chart(visit.address, "global/hour"), 100)
    assert await visit.page.title() == "1. The track-000 – Global · Livecharts"
    assert await visit.page.locator(".status").inner_text() == "Open"
    assert await visit.page.locator("[data-part=when]").inner_text() == "Sat 21 Nov, 14:00 – 15:00 UTC"
    assert await visit.page.locator("[data-part=asOf]").inner_text() == "14:30:00 UTC"
    assert await visit.page.locator("[data-part=plays]").first.inner_text() == "138,825"


async def test_ranks_and_numbers_change_by_themselves(visit: Visit, boards: FedBoards) -> None:
    boards.put("DE", HOUR, SMALL)
    await visit.open("/?region=DE")
    await visit.shows(".row .title", "The song l")
    await visit.stays()
    element = await visit.page.query_selector("[data-track='song a']")
    assert element is not None
    boards.put("DE", HOUR, SMALL | {"song a": 5000})
    await visit.until("document.querySelector('.row .plays[data-part]').textContent === '5,000'")
    assert await visit.rows(12) == as_shown(await chart(visit.address, "DE/hour"), 12)
    assert await visit.stayed()
    # The row itself moved: it is the same element, glides, and the change is said aloud.
    assert await element.evaluate("row => row.isConnected && row.matches(':first-child')")
    await visit.until("document.getElementById('said').textContent === 'The song a is the new number one.'")


async def test_rows_glide_unless_motion_is_unwanted(address: str, boards: FedBoards) -> None:
    for motion, expected in (("no-preference", True), ("reduce", False)):
        boards.put("DE", HOUR, SMALL)
        async with browsing(address, reduced_motion=motion) as visit:
            await visit.open("/?region=DE")
            await visit.shows(".row .title", "The song l")
            await visit.page.evaluate("""() => {
                const animate = Element.prototype.animate;
                window.glides = 0;
                Element.prototype.animate = function (...how) {
                    window.glides++;
                    return animate.apply(this, how);
                };
            }""")
            boards.put("DE", HOUR, SMALL | {"song a": 5000})
            await visit.until("document.querySelector('.row .title[href]').textContent === 'The song a'")
            assert (await visit.page.evaluate("window.glides") > 0) is expected


async def test_every_state_has_an_address_and_a_way_back(visit: Visit) -> None:
    page = visit.page
    await visit.open()
    await visit.shows(".row .title", "The track-000")
    await page.get_by_role("button", name="Region: Global").click()
    await page.keyboard.type("germ")
    await visit.shows("[role=option]", "Germany")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await visit.shows("h1", "Germany")
    await visit.shows(".row .title", "The a")
    assert await visit.query() == "?region=DE"
    await page.get_by_role("link", name="Day", exact=True).click()
    await visit.shows("h2", "Nothing was played here yet")
    assert await visit.query() == "?region=DE&window=day"
    await page.go_back()
    await visit.shows(".row .title", "The a")
    await page.go_back()
    await visit.shows("h1", "Global")
    await page.go_forward()
    await visit.shows("h1", "Germany")
    await page.reload()
    await visit.shows("h1", "Germany")
    assert await visit.rows(3) == as_shown(await chart(visit.address, "DE/hour"))


async def test_the_time_can_be_stepped_and_picked(visit: Visit) -> None:
    page = visit.page
    await visit.open("/?region=SE")
    await visit.shows("h2", "Nothing was played here yet")
    await page.get_by_role("link", name="The window before").click()
    await visit.shows(".row .title", "The a")
    assert await visit.query() == "?region=SE&at=2026-11-21T13:00:00Z"
    assert await page.locator(".status").inner_text() == "Closing"
    await page.get_by_role("link", name="The window after").click()
    await visit.shows("[data-part=when]", "14:00 – 15:00")
    await page.get_by_label("Hour, UTC").select_option("13")
    await visit.shows(".row .title", "The a")
    await page.get_by_role("link", name="Now").click()
    await visit.shows("h2", "Nothing was played here yet")
    assert await visit.query() == "?region=SE"


async def test_a_lost_connection_is_said_and_mended_without_a_reload(
    boards: FedBoards, settings: Settings
) -> None:
    """The server goes away in the middle and comes back on its port, with another chart."""
    boards.put("DE", HOUR, SMALL)
    [port] = free_ports(1)
    async with _server(boards, settings, port):
        refused = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY", "ERR_CONNECTION_RESET")
        async with browsing(f"http://127.0.0.1:{port}", forgive=refused) as visit:
            await visit.open("/?region=DE")
            await visit.shows(".row .title", "The song l")
            await visit.stays()
            await _stop_server()
            await visit.shows("#lost", "The connection is lost. You see the chart as of 14:30:00 UTC.")
            assert len(await visit.rows(12)) == 12
            boards.put("DE", HOUR, SMALL | {"song a": 999})
            async with _server(boards, settings, port):
                await visit.shows(".row .plays", "999")
                await visit.until("document.getElementById('lost').hidden")
                assert await visit.rows(12) == as_shown(await chart(visit.address, "DE/hour"), 12)
                assert await visit.stayed()
                await visit.page.close()


_runners: list[AppRunner] = []


@asynccontextmanager
async def _server(boards: FedBoards, settings: Settings, port: int) -> AsyncIterator[None]:
    application = Application()
    mount(application, Services(settings=settings, boards=boards))
    runner = AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    _runners.append(runner)
    try:
        yield
    finally:
        if runner in _runners:
            await _stop_server()


async def _stop_server() -> None:
    await _runners.pop().cleanup()


async def test_stale_numbers_are_called_stale(visit: Visit, boards: FedBoards) -> None:
    await visit.open("/?region=DE")
    await visit.shows(".row .title")
    boards.beat(HALF_PAST_MS)
    boards.wake()
    await visit.shows(".live", "Live")
    for head in boards.heads.values():
        object.__setattr__(head, "at", time.time_ns() // 1_000_000 - 60_000)
    await visit.shows("#lost", "these numbers are stale")
    assert await visit.page.locator(".live").inner_text() == "Stale"
    boards.beat(HALF_PAST_MS + 1000)
    boards.wake()
    await visit.until("document.getElementById('lost').hidden")


async def test_an_unknown_region_says_what_to_do(visit: Visit) -> None:
    await visit.open("/?region=ZZ")
    await visit.shows("h2", "There is no such chart")
    assert not await visit.page.locator(".facts").is_visible()
    await visit.page.get_by_role("link", name="Global").click()
    await visit.shows(".row .title", "The track-000")


async def test_what_a_notice_offers_stays_while_the_page_tries_again(visit: Visit) -> None:
    """A button replaced under the finger that presses it does nothing, and one replaced loses the focus."""
    page = visit.page
    await visit.open("/?region=ZZ")
    way_out = page.locator(".notice").get_by_role("link", name="Global")
    await way_out.focus()
    await way_out.hover()
    await page.mouse.down()
    for _ in range(2):  # the second is sent when the first one's refusal has been shown
        await page.wait_for_event("request", lambda request: "/v1/live" in request.url)
    assert await way_out.evaluate("link => link === document.activeElement")
    await page.mouse.up()
    await visit.shows(".row .title", "The track-000")


async def test_what_this_worker_has_not_is_no_error_of_the_page(visit: Visit) -> None:
    """A week needs the history, and a search the catalogue: both are in Postgres, which is away here."""
    await visit.open("/?window=week")
    await visit.shows("h2", "Not available now")
    await visit.open("/?view=search&q=anything")
    await visit.shows("h2", "This cannot be shown")
    await visit.open("/?view=track&track=track-000")
    await visit.shows(".notice")


@pytest.mark.parametrize("query", ["region=germany", "at=yesterday", "window=year", "view=nothing"])
async def test_nonsense_in_the_address_is_passed_over(visit: Visit, query: str) -> None:
    await visit.open(f"/?{query}")
    await visit.shows(".row .title", "The track-000")


async def test_before_the_first_play_it_says_what_to_do(settings: Settings) -> None:
    boards = FedBoards(settings, clock=0)
    async with serving(Services(settings=settings, boards=boards)) as address, browsing(address) as visit:
        await visit.open()
        await visit.shows("h2", "Nothing was played here yet")
        await visit.shows(".notice code", "charts simulate")
        assert "1970" not in await visit.page.locator("body").inner_text()
        assert await visit.page.locator("#date").input_value() == ""
        boards.put("global", HOUR, SMALL)
        await visit.shows(".row .title", "The song l")
        await visit.shows("[data-part=when]", "Sat 21 Nov, 14:00 – 15:00 UTC")


async def test_movers_and_comparison(visit: Visit, boards: FedBoards) -> None:
    boards.put("SE", HOUR, {"a": 9, "z": 3})
    await visit.open("/?view=compare&region=DE&with=SE")
    await visit.shows(".pane:nth-child(2) .row .title", "The a")
    page = visit.page
    assert await page.locator("h1 [data-part=region]").all_inner_texts() == ["Germany", "Sweden"]
    assert await page.locator(".threads path").count() == 1
    await page.locator(".pane:nth-child(1) [data-track=a]").hover()
    assert await page.locator(".pane:nth-child(2) .marked").get_attribute("data-track") == "a"
    await page.get_by_role("link", name="Movers").click()
    await visit.shows("h2", "Climbing")
    await visit.shows("p", "Nobody, in this window.")


async def test_a_second_region_is_found_for_who_names_none(visit: Visit) -> None:
    await visit.open()
    await visit.shows(".row .title")
    await visit.page.get_by_role("link", name="Compare").click()
    await visit.shows(".pane:nth-child(2) h1", "Germany")
    assert await visit.query() == "?view=compare&with=DE"


async def test_what_is_seen_can_be_taken_along_as_csv(visit: Visit) -> None:
    await visit.open("/?region=DE")
    await visit.shows(".row .title", "The a")
    async with visit.page.expect_download() as download:
        await visit.page.get_by_role("button", name="CSV").click()
    path = await (await download.value).path()
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [[row["rank"], row["title"], row["artist"], row["plays"]] for row in rows] == await visit.rows()
    assert (await download.value).suggested_filename == "DE-hour-2026-11-21T140000Z.csv"


async def test_everything_can_be_reached_by_keys(visit: Visit) -> None:
    page = visit.page
    await visit.open()
    await visit.shows(".row .title")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the chart"
    await page.locator(".row .title").nth(0).focus()
    await page.keyboard.press("ArrowDown")
    assert await page.evaluate("document.activeElement.textContent") == "The track-001"
    await page.keyboard.press("ArrowUp")
    assert await page.evaluate("document.activeElement.textContent") == "The track-000"
    await page.keyboard.press("/")
    assert await page.evaluate("document.activeElement.getAttribute('role')") == "combobox"


async def test_focus_stays_with_a_row_that_moves(visit: Visit, boards: FedBoards) -> None:
    boards.put("DE", HOUR, SMALL)
    await visit.open("/?region=DE")
    await visit.shows(".row .title", "The song l")
    await visit.page.locator("[data-track='song a'] a").focus()
    boards.put("DE", HOUR, SMALL | {"song a": 5000})
    await visit.until("document.querySelector('.row .plays[data-part]').textContent === '5,000'")
    assert await visit.page.evaluate("document.activeElement.closest('.row').dataset.track") == "song a"


async def test_the_readers_language_writes_numbers_and_dates(address: str) -> None:
    async with browsing(address, locale="de-DE") as visit:
        await visit.open("/?region=DE")
        await visit.shows("h1", "Deutschland")
        await visit.open()
        await visit.shows(".row .plays", "1.000")
        await visit.shows("[data-part=when]", "Sa., 21. Nov., 14:00 – 15:00 UTC")


async def test_light_dark_and_the_readers_own_choice(visit: Visit) -> None:
    page = visit.page
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    await page.emulate_media(color_scheme="light")
    await visit.open()
    light = await page.evaluate(paper)
    await page.emulate_media(color_scheme="dark")
    dark = await page.evaluate(paper)
    assert light != dark
    await page.get_by_role("button", name="Change the colours").click()
    assert await page.evaluate(paper) == light
    await page.reload()
    assert await page.evaluate(paper) == light


@pytest.mark.parametrize(
    "path", ["/", "/?view=movers", "/?view=compare&region=DE&with=global", "/?view=race"]
)
async def test_a_phone_shows_it_all_without_scrolling_sideways(address: str, path: str) -> None:
    async with browsing(address, viewport=PHONE, has_touch=True, is_mobile=True) as visit:
        await visit.open(path)
        await visit.shows(".pane h1")
        await visit.shows(".body > :not(.skeleton)")
        assert await visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        nav = await visit.page.locator("#nav").bounding_box()
        assert nav is not None and nav["y"] + nav["height"] == PHONE["height"]
        small = await visit.page.evaluate("""() => [...document.querySelectorAll("#nav a, #bar a, button")]
            .filter(one => one.checkVisibility() && one.getBoundingClientRect().height < 24)
            .map(one => one.outerHTML)""")
        assert small == []


async def test_the_narrowest_phone_has_room_for_two_charts_that_are_closing(address: str) -> None:
    narrow = {"width": 320, "height": 640}
    async with browsing(address, viewport=narrow, has_touch=True, is_mobile=True) as visit:
        await visit.open("/?view=compare&region=SE&with=SE&at=2026-11-21T13:00:00Z")
        await visit.shows(".pane:nth-child(2) .live", "Every few seconds")
        assert await visit.page.evaluate("document.documentElement.scrollWidth") <= narrow["width"]


async def test_no_dangling_link_in_the_shell(visit: Visit) -> None:
    await visit.open()
    await visit.shows(".row .title")
    html = await visit.page.content()
    assert set(re.findall(r'href="#(i-\w+)"', html)) <= set(re.findall(r'id="(i-\w+)"', html))
