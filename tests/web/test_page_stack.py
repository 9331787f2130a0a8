"""The page on everything that runs: the embedded stack, its simulator, thirty hours of plays behind it.

A play is sent when it is over, so an hour has hardly any in its first minutes. What needs a full chart looks
at the day, or at an hour that is over, and can be run at any time of the hour.
"""

import csv
import io
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientSession

from charts.window import HOUR_MS, Window, rfc3339
from tests.charts.test_external import APPLE
from tests.web.browsing import (
    FIRST_CHART_MS_MAX,
    PHONE,
    Visit,
    browsing,
    findings,
    first_paints_ms,
    need_chromium,
    report,
)
from tests.web.standing import Api, Site, agrees, log_in, standing
from web.clock import now_ms

#: Lost connections are the browser's own errors: no page can keep them off the console.
LOST = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY_RESPONSE")
#: A region the simulator's listeners do not live in: here only the test plays.
QUIET = "IS"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need_chromium()
    with standing(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
async def visit(site: Site) -> AsyncIterator[Visit]:
    async with browsing(site.address) as visit:
        yield visit


@pytest.fixture
async def api(site: Site) -> AsyncIterator[Api]:
    async with ClientSession(site.address) as session:
        yield Api(session, site)


def past_hour() -> str:
    """The hour before the last, as a page's address has it: every play of it has been sent."""
    return rfc3339(Window.at("hour", now_ms() - 2 * HOUR_MS).start)


async def test_the_first_rows_are_the_chart_and_grow_by_themselves(visit: Visit, api: Api) -> None:
    await visit.open(f"/?at={past_hour()}")
    await visit.shows(".row .line path")
    await visit.open("/?window=day")
    await visit.shows(".live", "Live")
    await agrees(visit, api, "global/day?limit=10")
    await visit.stays()
    plays = await visit.page.locator("[data-part=plays]").first.inner_text()
    await visit.until("document.querySelector('.facts [data-part=plays]').textContent !== given", plays)
    await agrees(visit, api, "global/day?limit=10")
    assert await visit.stayed()
    await visit.shot("desktop-light")
    await visit.page.emulate_media(color_scheme="dark")
    await visit.shot("desktop-dark")


async def test_ranks_change_live_and_a_play_has_its_receipt(visit: Visit, api: Api) -> None:
    await visit.open(f"/?region={QUIET}")
    await visit.shows("h2", "There is no such chart")
    await api.play(QUIET, {"first song": 5, "second song": 3}, "opening")
    await visit.shows(".row .title", "First Song")
    row = await visit.page.query_selector("[data-track='second song']")
    assert row is not None
    await api.play(QUIET, {"second song": 4}, "rise")
    await visit.until("document.querySelector('.rows-body .title').textContent === 'Second Song'")
    assert await row.evaluate("row => row.isConnected && row.matches(':first-child')")
    await agrees(visit, api, f"{QUIET}/hour", 2)
    await visit.page.get_by_role("link", name="Second Song").click()
    await visit.shows("h2", "What became of a play")
    await visit.page.get_by_label("Play id").fill("rise-2")
    await visit.page.get_by_role("button", name="Look up").click()
    await visit.shows("output[data-part=said]", "Counted")
    said = await visit.page.locator("output[data-part=said]").inner_text()
    assert {"Iceland hour", "Iceland day", "Global hour", "Global day"} <= set(said.rstrip(".").split(", "))
    await visit.page.get_by_label("Play id").fill("never")
    await visit.page.get_by_role("button", name="Look up").click()
    await visit.shows("output[data-part=said]", "No play 'never' of 'second song' is")


async def test_a_worker_killed_in_the_middle_is_survived_without_a_reload(site: Site, api: Api) -> None:
    worker = site.stack.workers[0]
    async with browsing(site.address, forgive=LOST) as visit:
        await visit.open("/?window=day")
        await visit.shows(".live", "Live")
        await visit.stays()
        os.kill(worker.pid, signal.SIGKILL)
        worker.gone(10)
        await visit.shows("#lost", "The connection is lost. You see the chart as of")
        assert len(await visit.rows()) == 10
        worker.start()
        await visit.page.locator("#lost").wait_for(state="hidden", timeout=60_000)
        await visit.shows(".live", "Live")
        await agrees(visit, api, "global/day?limit=10")
        plays = await visit.page.locator("[data-part=plays]").first.inner_text()
        await visit.until("document.querySelector('.facts [data-part=plays]').textContent !== given", plays)
        assert await visit.stayed()


async def test_back_and_forward_and_the_past(visit: Visit, api: Api) -> None:
    page = visit.page
    await visit.open()
    await visit.shows(".live", "Live")
    await page.get_by_role("button", name="Region: Global").click()
    await page.keyboard.type("united s")
    await page.keyboard.press("Enter")
    await visit.shows("h1", "United States")
    for _ in range(4):  # the fourth hour back is final at any minute
        # Which window is the one before, the page knows once it has the chart.
        await page.locator("#back[href]").click()
        await visit.shows(".row .title")
    await visit.shows(".status", "Final")
    at = (await visit.query()).split("at=")[1]
    await agrees(visit, api, f"US/hour?at={at}", 100)
    await page.get_by_role("link", name="Now").click()
    await visit.shows(".live", "Live")
    for _ in range(5):
        await page.go_back()
    await visit.shows(".live", "Live")
    assert await visit.query() == "?region=US"
    await page.go_back()
    await visit.shows("h1", "Global")
    for _ in range(5):
        await page.go_forward()
    await visit.shows(".status", "Final")
    assert await visit.query() == f"?region=US&at={at}"
    await agrees(visit, api, f"US/hour?at={at}")


async def test_weeks_and_other_publishers_charts(visit: Visit, site: Site, api: Api, tmp_path: Path) -> None:
    day = Window.at("day", now_ms())
    feed = tmp_path / "feed.json"
    feed.write_bytes(APPLE)
    site.charts("import-chart", str(feed), "--region", "SE", "--at", rfc3339(day.start))
    await visit.open(f"/?region=SE&window=day&at={rfc3339(day.start)}&source=apple")
    await visit.shows("[data-part=when]", "from apple")
    chart = await api.get(f"charts/SE/day?at={rfc3339(day.start)}&source=apple")
    titles = [row["title"] for row in chart["entries"]]
    assert titles
    assert [row[1] for row in await visit.rows(100)] == titles
    assert {row[3] for row in await visit.rows(100)} == {"–"}, "the feed says ranks, no plays"
    async with api.session.get("/v1/charts/global/week") as response:
        week = await response.json() if response.status == 200 else None
    await visit.open("/?window=week")
    if week is None:
        await visit.shows("h2", "There is no such chart")
    else:
        await visit.shows(".row .title")
        await agrees(visit, api, "global/week", 100)


@pytest.mark.parametrize(
    "query", ["region=ZZ", "at=2100-01-01T00:00:00Z", "source=apple", "at=1980-01-01T00:00:00Z"]
)
async def test_a_chart_that_is_not_there_says_what_to_do(visit: Visit, query: str) -> None:
    await visit.open(f"/?{query}")
    await visit.shows("h2", "There is no such chart")
    await visit.page.locator(".notice").get_by_role("link", name="Global").click()
    await visit.shows(".live", "Live")


async def test_movers_comparison_and_race(visit: Visit, api: Api) -> None:
    page = visit.page
    at = past_hour()
    await visit.open(f"/?view=movers&at={at}")
    await visit.shows("[aria-label=Climbing] .row .title")
    shown = await page.locator("[aria-label=Climbing] .rows-body .title").all_inner_texts()
    climbers = await api.get(f"movers/global/hour?at={at}&limit=5")
    assert shown[:5] == [row["title"] for row in climbers["entries"]]
    await page.get_by_role("link", name="Compare").click()
    await visit.shows(".pane:nth-child(2) .row .title")
    assert await page.locator(".threads path").count() > 0
    await page.locator(".pane:nth-child(1) .row .title").first.hover()
    assert await page.locator(".threads .marked, .pane .marked").count() > 0
    await page.get_by_role("link", name="Race").click()
    await visit.until("document.querySelectorAll('.runner').length === 10")
    # Every hour of the last 24 in which the leader was among the hundred.
    await visit.until("document.querySelectorAll('.runner:first-of-type circle').length > 12")
    chart = await api.get(f"charts/global/hour?at={at}&limit=10")
    assert len(await page.locator(".names li").all()) == len(chart["entries"])
    await visit.shot("race")


async def test_a_track(visit: Visit, api: Api) -> None:
    page = visit.page
    await visit.open(f"/?at={past_hour()}")
    await visit.shows(".row .title")
    await page.locator(".row .title").first.click()
    await visit.shows("figure.plot h3", "Rank")
    track = (await visit.query()).split("track=")[1].split("&")[0]
    history = (await api.get(f"tracks/{track}/history?region=global&window=hour"))["entries"]
    assert len(history) > 24
    plot = page.get_by_role("slider", name="Plays")
    await plot.focus()
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowRight")
    assert (await plot.get_attribute("aria-valuetext") or "").startswith(f"{history[1]['plays']:,} · ")
    await page.get_by_text("Every window as a table").click()
    rows = await page.locator("[aria-label=History] tbody tr").all_inner_texts()
    assert [row.split("\t")[1:4:2] for row in rows[1:]] == [
        [str(one["rank"]), f"{one['plays']:,}"] for one in reversed(history[: len(rows) - 1])
    ]
    regions = await page.locator("[aria-label='Present charts'] tbody tr").count()
    charts = (await api.get(f"tracks/{track}"))["charts"]
    assert regions == len([chart for chart in charts if chart["window"] == "hour"])
    await page.get_by_text("Every window as a table").click()
    await visit.shot("track")


async def test_a_track_of_the_past_that_charts_no_more(visit: Visit, api: Api) -> None:
    at = rfc3339(Window.at("hour", now_ms() - 6 * HOUR_MS).start)
    entries = (await api.get(f"charts/US/hour?at={at}"))["entries"]
    for entry in reversed(entries):
        if not (await api.get(f"tracks/{entry['track_id']}"))["charts"]:
            break
    else:
        raise AssertionError("all of them chart now")
    await visit.open(f"/?region=US&at={at}")
    await visit.page.locator(f"[data-track={entry['track_id']}] .title").click()
    await visit.shows("h1", entry["title"])
    await visit.shows(".plot")
    await visit.shows("p", "Not on any hour chart at the moment.")


async def test_a_csv_of_what_is_seen(visit: Visit, api: Api) -> None:
    hour = Window.at("hour", now_ms() - 5 * HOUR_MS)
    await visit.open(f"/?region=US&at={rfc3339(hour.start)}")
    await visit.shows(".status", "Final")
    async with visit.page.expect_download() as download:
        await visit.page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO((await (await download.value).path()).read_text())))
    chart = await api.get(f"charts/US/hour?at={rfc3339(hour.start)}")
    assert [row["track_id"] for row in rows] == [row["track_id"] for row in chart["entries"]]
    name = f"US-hour-{chart['starts_at'].replace(':', '')}.csv"
    assert (await download.value).suggested_filename == name


async def test_operations_then_search_by_keys_and_a_log_out(visit: Visit, site: Site, api: Api) -> None:
    page = visit.page
    await visit.open("/?view=operations")
    await visit.shows("h2", "For editors and admins")
    await log_in(visit, site)
    await visit.shows(".big", "records")
    shown = int((await page.locator(".big").inner_text()).split(" ")[0].replace(",", ""))
    assert 0 < shown <= (await api.get("ledger"))["records"]
    assert await page.locator("[aria-label=Partitions] tbody tr").count() == 2
    await page.locator("[aria-label='Lake jobs'] tbody tr").first.wait_for(timeout=60_000)
    await page.get_by_label("What the new key is for").fill("kitchen radio")
    await page.get_by_role("button", name="Create a key").click()
    await visit.shows(".secret code", "lck_")
    await visit.shows("[aria-label='API keys'] td", "kitchen radio")
    await visit.shot("operations")
    form = page.locator(".forms form").first
    await form.get_by_label("Title").fill("Waltz of the Zebras")
    await form.get_by_role("button", name="Save").click()
    await visit.until(
        "document.getElementById('said').textContent === 'Waltz of the Zebras is in the catalogue.'"
    )
    # No pointer from here on.
    await page.keyboard.press("/")
    await page.keyboard.type("waltz")
    await visit.shows("#search [role=option]", "Waltz of the Zebras")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await visit.shows("h1", "Waltz of the Zebras")
    await page.keyboard.press("/")
    await page.keyboard.type("waltz of the zebra")
    await page.keyboard.press("Enter")
    await visit.shows(".hits .title", "Waltz of the Zebras")
    assert await visit.query() == f"?view=search&q={quote('waltz of the zebra', safe='').replace('%20', '+')}"
    await page.get_by_role("button", name="Account of admin").press("Enter")
    await page.get_by_role("button", name="Log out").press("Enter")
    await page.locator("#account").get_by_role("button", name="Log in").wait_for()
    assert await page.locator("#nav").get_by_text("Operations").count() == 0


async def test_axe_finds_nothing_where_all_is_shown(site: Site, api: Api, axe: str) -> None:
    """In the light; the colours of the dark are measured where there is no stack (test_page_quality.py)."""
    track = (await api.get("charts/global/day?limit=1"))["entries"][0]["track_id"]
    at = past_hour()
    seen = {
        "window=day&rows=10": ".row .line path",
        f"view=movers&at={at}": ".row .title",
        f"view=compare&region=US&at={at}&rows=10": ".threads path",
        f"view=race&at={at}": ".runner",
        f"view=track&track={track}": ".plot path",
        "view=search&q=waltz": "h1",
        "region=ZZ": ".notice",
    }
    async with browsing(site.address, reduced_motion="reduce") as visit:
        for query, proof in seen.items():
            await visit.open(f"/?{query}")
            await visit.page.locator(proof).first.wait_for(state="attached")
            assert not await findings(visit, axe), query
        await visit.open("/?view=operations")
        await log_in(visit, site)
        await visit.shows("[aria-label=Partitions] td")
        assert not await findings(visit, axe)


@pytest.mark.alone
async def test_the_first_chart_is_painted_within_a_second(site: Site) -> None:
    took = await first_paints_ms(site.address, "/?window=day")
    report(f"first chart of the embedded stack painted after {took} ms")
    assert min(took) < FIRST_CHART_MS_MAX, took


async def test_a_phone_and_the_narrowest_of_them(site: Site, api: Api) -> None:
    hours, at = rfc3339(Window.at("hour", now_ms() - 4 * HOUR_MS).start), past_hour()
    track = (await api.get("charts/global/day?limit=1"))["entries"][0]["track_id"]
    for viewport in (PHONE, {"width": 320, "height": 640}):
        async with browsing(
            site.address, viewport=viewport, is_mobile=True, has_touch=True, reduced_motion="reduce"
        ) as visit:
            for query in (
                "window=day",
                f"at={hours}",
                f"view=compare&region=US&at={at}",
                f"view=race&at={at}",
                f"view=track&track={track}",
            ):
                await visit.open(f"/?{query}")
                await visit.shows(".row .title, .names .title, .plot")
                wide = await visit.page.evaluate("document.documentElement.scrollWidth")
                assert wide <= viewport["width"], (query, wide)
                if viewport is PHONE and query.startswith(("window", "view=race")):
                    await visit.shot("phone-race" if "race" in query else "phone")
