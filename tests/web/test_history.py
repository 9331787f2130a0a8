"""The past over HTTP: charts, movers, tracks, search, analytics; and every bad question is a problem."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import product

import pytest
from aiohttp import ClientSession

from charts.settings import Settings
from charts.window import DAY_MS, HOUR_MS, Window, rfc3339
from tables.catalogue import Catalogue
from tables.history import History
from tables.memory import Memory
from tables.popularity import refresh_popularity
from tables.postgres import Database
from tests.tables.made import made_chart, made_run, moment_ms, oracle
from tests.web.conftest import serving
from tests.web.fed_boards import DAY, HOUR, FedBoards
from web.analytics import ArtistReport, PlatformReport, TrackReport
from web.history import TrackHistoryShape
from web.search import FoundShape, SuggestedShape
from web.services import Services
from web.shapes import ChartShape

#: Eight hours and four days before the boards' present.
HOURS = made_run("hour", HOUR.start - 8 * HOUR_MS, 8, ["DE", "global"])
DAYS = made_run("day", DAY.start - 4 * DAY_MS, 4, ["DE", "SE", "global"])
#: In the catalogue.
KNOWN = ("track-000", "track-010", "track-020")


@pytest.fixture
async def past(boards: FedBoards, settings: Settings, database: Database) -> AsyncIterator[ClientSession]:
    """A site with a history, and a catalogue that knows the tracks ending in 0."""
    catalogue = Catalogue(database)
    for n, track in zip(range(0, 24, 10), KNOWN, strict=True):
        record = {"track_id": track, "title": f"Title {n}", "artist": "Ann", "genre": "pop"}
        await catalogue.create("tracks", record)
    history = History(database)
    await history.write_final(HOURS + DAYS)
    await refresh_popularity(database)
    memory = Memory(database, boards)
    services = Services(
        settings=settings,
        boards=boards,
        database=database,
        archive=memory.archive,
        dress=memory.dress,
        opens=(memory,),
    )
    async with serving(services) as address, ClientSession(address) as session:
        await memory.loaded.wait()
        yield session


async def get(session: ClientSession, path: str, status: int = 200) -> dict:  # type: ignore[type-arg]
    async with session.get(path) as response:
        assert response.status == status, await response.text()
        return await response.json(content_type=None)


async def test_a_past_chart_has_the_live_shape_and_always_the_same_bytes(past: ClientSession) -> None:
    window = HOURS[0].window
    path = f"/v1/charts/DE/hour?at={rfc3339(window.start + 1234)}"
    chart = await get(past, path)
    ChartShape.model_validate(chart, strict=True)
    assert chart["status"] == "final"
    rows = [
        tuple(
            entry[name]
            for name in (
                "rank",
                "track_id",
                "plays",
                "previous_rank",
                "movement",
                "peak_rank",
                "windows_on_chart",
            )
        )
        for entry in chart["entries"]
    ]
    assert rows == oracle(HOURS)["DE", window]
    async with past.get(path) as one, past.get(path) as other:
        assert await one.read() == await other.read()
        etag = one.headers["ETag"]
    async with past.get(path, headers={"If-None-Match": etag}) as again:
        assert again.status == 304


async def test_a_live_chart_moves_against_the_history(past: ClientSession, boards: FedBoards) -> None:
    before = next(chart for chart in HOURS if (chart.region, chart.window) == ("DE", HOUR.previous))
    first, second = before.entries[0].track_id, before.entries[1].track_id
    boards.put("DE", HOUR, {second: 9, first: 8, "never-seen": 7})
    chart = await get(past, "/v1/charts/DE/hour")
    assert [(e["movement"], e["previous_rank"]) for e in chart["entries"]] == [
        ("up", 2),
        ("down", 1),
        ("new", None),
    ]
    movers = await get(past, "/v1/movers/DE/hour")
    assert [entry["track_id"] for entry in movers["entries"]] == [second]


async def test_movers_of_a_past_chart(past: ClientSession) -> None:
    window = HOURS[-1].window
    movers = await get(past, f"/v1/movers/DE/hour?at={rfc3339(window.start)}&limit=3")
    ChartShape.model_validate(movers, strict=True)
    climbed = [row for row in oracle(HOURS)["DE", window] if row[4] == "up"]
    climbed.sort(key=lambda row: (row[0] - row[3], row[0]))
    assert [entry["track_id"] for entry in movers["entries"]] == [row[1] for row in climbed[:3]]


async def test_as_of_is_the_chart_as_it_stood(past: ClientSession, database: Database) -> None:
    window = HOURS[0].window
    at = rfc3339(window.start)
    before = await get(past, f"/v1/charts/DE/hour?at={at}")
    then = await moment_ms(database)
    await History(database).revise([made_chart(window, "DE", seed=7)], "a test")
    path = f"/v1/charts/DE/hour?at={at}&as_of={rfc3339(then)}"
    assert await get(past, path) == before
    assert await get(past, path) == before
    await get(past, f"/v1/charts/DE/hour?at={at}&as_of=2001-01-01", 404)


async def test_a_tracks_history(past: ClientSession) -> None:
    track = HOURS[0].entries[0].track_id
    found = await get(past, f"/v1/tracks/{track}/history?region=DE&window=hour")
    TrackHistoryShape.model_validate(found, strict=True)
    want = [
        (rfc3339(window.start), row[0], row[2])
        for (region, window), rows in sorted(oracle(HOURS).items(), key=lambda item: item[0][1])
        for row in rows
        if region == "DE" and row[1] == track
    ]
    assert [(e["starts_at"], e["rank"], e["plays"]) for e in found["entries"]] == want
    latest = await get(past, f"/v1/tracks/{track}/history?region=DE&limit=1")
    assert latest["entries"] == found["entries"][-1:]
    since = await get(past, f"/v1/tracks/{track}/history?region=DE&from={want[-1][0]}")
    assert since["entries"] == found["entries"][-1:]
    assert (await get(past, "/v1/tracks/nobody/history"))["entries"] == []


async def test_search_and_suggest(past: ClientSession) -> None:
    found = await get(past, "/v1/search?q=titel 10")
    FoundShape.model_validate(found, strict=True)
    assert [hit["id"] for hit in found["tracks"]] == ["track-010"]
    suggested = await get(past, "/v1/suggest?q=ti")
    SuggestedShape.model_validate(suggested, strict=True)
    assert {hit["id"] for hit in suggested["suggestions"]} == set(KNOWN)
    assert (await get(past, "/v1/suggest?q="))["suggestions"] == []


async def test_analytics_add_up(past: ClientSession) -> None:
    report = await get(past, "/v1/analytics/platform")
    PlatformReport.model_validate(report, strict=True)
    assert report["plays"] == sum(chart.plays for chart in DAYS if chart.region == "global")
    assert {row["region"]: row["plays"] for row in report["regions"]} == {
        region: sum(chart.plays for chart in DAYS if chart.region == region) for region in ("DE", "SE")
    }
    assert len(report["days"]) == 4
    assert report["days"][-1]["starts_at"] == rfc3339(DAY.start - DAY_MS)
    assert sum(point["plays"] for point in report["hours"]) == sum(
        c.plays for c in HOURS if c.region == "global"
    )
    track = "track-010"
    report = await get(past, f"/v1/analytics/tracks/{track}")
    TrackReport.model_validate(report, strict=True)
    plays = [e.plays for c in DAYS if c.region == "global" for e in c.entries if e.track_id == track]
    assert report["plays"] == sum(plays)
    artist = (await get(past, f"/v1/tracks/{track}"))["artist_id"]
    report = await get(past, f"/v1/analytics/artists/{artist}")
    ArtistReport.model_validate(report, strict=True)
    plays = [e.plays for c in DAYS if c.region == "global" for e in c.entries if e.track_id in KNOWN]
    assert report["plays"] == sum(plays)


async def test_growth_shares_and_best_ranks(past: ClientSession, database: Database) -> None:
    """A day that has only begun does not look like a fall."""
    begun = replace(made_chart(DAY, "global"), status="open")
    await History(database).write_open([begun])
    days = [chart for chart in DAYS if chart.region == "global"]
    last, before = days[-1], days[-2]
    platform = await get(past, "/v1/analytics/platform")
    assert platform["plays"] == sum(chart.plays for chart in [*days, begun])
    assert platform["growth"] == round(last.plays / before.plays - 1, 4)
    asked = [entry.track_id for entry in last.entries] + [days[0].entries[0].track_id]
    for track in (track for track in asked if track not in KNOWN):
        report = await get(past, f"/v1/analytics/tracks/{track}")
        then, now = (
            next((entry.plays for entry in chart.entries if entry.track_id == track), 0)
            for chart in (before, last)
        )
        assert report["growth"] == (round(now / then - 1, 4) if now and then else None)
        assert report["share"] == round(report["plays"] / platform["plays"], 6)
        want = {
            (region, window.kind): row[5:]
            for (region, window), rows in sorted(oracle(HOURS + DAYS).items(), key=lambda item: item[0][1])
            for row in rows
            if row[1] == track
        }
        bests = report["best_ranks"]
        assert {(b["region"], b["window"]): (b["peak_rank"], b["windows_on_chart"]) for b in bests} == want


async def test_what_is_popular_and_its_genres(past: ClientSession) -> None:
    plays: Counter[str] = Counter()
    for chart in DAYS:
        if chart.region != "global" and chart.window.start >= DAYS[-1].window.start - DAY_MS:
            plays.update({entry.track_id: entry.plays for entry in chart.entries if entry.track_id in KNOWN})
    report = await get(past, "/v1/analytics/platform")
    assert [(row["track_id"], row["plays"]) for row in report["popular_tracks"]] == sorted(
        plays.items(), key=lambda item: (-item[1], item[0])
    )
    assert [(row["name"], row["plays"]) for row in report["popular_artists"]] == [("Ann", plays.total())]
    assert report["genres"] == [{"genre": "pop", "tracks": len(plays), "plays": plays.total()}]
    one = await get(past, "/v1/analytics/platform?limit=1")
    assert one["popular_tracks"] == report["popular_tracks"][:1]


async def test_a_range_after_the_last_chart_is_an_empty_report(past: ClientSession) -> None:
    report = await get(past, "/v1/analytics/platform?from=2100-01-01")
    assert (report["plays"], report["growth"], report["days"]) == (0, None, [])


async def test_a_track_without_a_name_is_shown_by_what_the_play_said(past: ClientSession) -> None:
    found = await get(past, "/v1/tracks/b")
    assert found["title"] == "The b"
    assert [(place["region"], place["window"], place["rank"]) for place in found["charts"]] == [
        ("DE", "hour", 2)
    ]
    await get(past, "/v1/tracks/nobody", 404)
    unknown = await get(past, "/v1/tracks?unknown=true&limit=1000")
    charted = {entry.track_id for chart in HOURS + DAYS for entry in chart.entries}
    assert {item["track_id"] for item in unknown["items"]} == charted - set(KNOWN)


TIMES = [
    "",
    "yesterday",
    "2026-13-01",
    "2026-11-21T14:00",
    "-1",
    "9" * 30,
    "2026-11-21T14:00:00+99:99",
    "\x00",
]
NUMBERS = ["-1", "0", "1000000000", "1e9", "ten", "", "NaN"]
LIMITED = (
    *("/v1/charts/DE/hour?", "/v1/movers/DE/hour?", "/v1/tracks/a/history?"),
    *("/v1/search?q=a&", "/v1/tracks?"),
)
BAD = [
    *(f"/v1/charts/DE/hour?at={time}" for time in TIMES),
    *(f"/v1/charts/DE/hour?as_of={time}" for time in TIMES),
    *(f"/v1/tracks/a/history?from={time}" for time in TIMES),
    *(f"/v1/analytics/platform?to={time}" for time in TIMES),
    *(
        f"{path}limit={number}"
        for path, number in product(
            (
                "/v1/charts/DE/hour?",
                "/v1/movers/DE/hour?",
                "/v1/tracks/a/history?",
                "/v1/search?q=a&",
                "/v1/tracks?",
            ),
            NUMBERS,
        )
    ),
    "/v1/charts/de/hour",
    "/v1/charts/DEU/hour",
    "/v1/charts/DE/minute",
    "/v1/movers/DE/year",
    "/v1/search",
    "/v1/suggest",
    "/v1/search?q=" + "x" * 201,
    "/v1/search?q=%00",
    "/v1/suggest?q=a%00",
    "/v1/tracks?after=%00",
    "/v1/tracks/" + "x" * 129,
    "/v1/tracks/%00",
    "/v1/tracks/a%00b/history",
    "/v1/tracks/a/history?from=2026-01-02&to=2026-01-01",
    "/v1/analytics/platform?from=1970-01-01",
    "/v1/analytics/platform?from=2026-01-02&to=2026-01-01",
    "/v1/tracks?unknown=perhaps",
    "/v1/artists?page=2",
]
MISSING = [
    "/v1/charts/ZZ/hour?at=2026-11-21",
    "/v1/charts/DE/week",
    "/v1/charts/DE/hour?source=apple",
    "/v1/movers/ZZ/day?at=2026-11-21",
    "/v1/tracks/nobody",
    "/v1/tracks/a/history?region=ZZ",
    "/v1/artists/nobody",
    "/v1/artists/nobody/tracks",
    "/v1/albums/nobody",
    "/v1/analytics/tracks/nobody",
    "/v1/analytics/artists/nobody",
]


async def test_bad_questions_get_a_problem(past: ClientSession) -> None:
    for paths, status in ((BAD, 400), (MISSING, 404)):
        for path in paths:
            async with past.get(path) as response:
                assert response.status == status, (path, response.status, await response.text())
                assert response.content_type == "application/problem+json", path


async def test_without_postgres_live_charts_stay_and_the_past_is_a_503(
    boards: FedBoards, settings: Settings
) -> None:
    away = Database("postgresql://charts@127.0.0.1:1/charts")
    memory = Memory(away, boards)
    services = Services(
        settings=settings,
        boards=boards,
        database=away,
        archive=memory.archive,
        dress=memory.dress,
        opens=(away, memory),
        more={"memory": memory},
    )
    async with serving(services) as address, ClientSession(address) as session:
        assert (await get(session, "/v1/charts/DE/hour"))["entries"]
        ready = await get(session, "/ready")
        assert ready["status"] == "degraded"
        assert not ready["checks"]["postgres"]["ok"]
        assert not ready["checks"]["history"]["ok"]
        paths = ("/v1/search?q=a", "/v1/charts/DE/hour?at=2001-01-01", "/v1/tracks", "/v1/analytics/platform")
        for path in paths:
            async with session.get(path) as response:
                assert response.status == 503
                assert response.headers["Retry-After"]


async def test_weeks_come_from_the_history_alone(past: ClientSession, database: Database) -> None:
    week = Window.at("week", DAY.start)
    await History(database).write_open([replace(made_chart(week, "DE"), status="open")])
    chart = await get(past, "/v1/charts/DE/week")
    assert (chart["window"], chart["status"]) == ("week", "open")
