"""Charts into Postgres and back, against an oracle that keeps everything."""

import asyncio
import random
from dataclasses import replace

import pytest

from charts.chart import Chart, Entry
from charts.errors import Unreachable
from charts.trend import with_trends
from charts.window import DAY_MS, HOUR_MS, Window
from tables.archive import Archive
from tables.history import History, _by_window
from tables.postgres import Database
from tests.tables.made import made_chart, made_run, moment_ms, oracle, rows_of

START = 1_700_006_400_000
REGIONS = ["US", "DE", "global"]


async def expect(database: Database, charts: list[Chart]) -> None:
    archive = Archive(database)
    for (region, window), rows in oracle(charts).items():
        chart = await archive.chart(region, window)
        assert chart is not None
        assert chart.status == "final"
        assert rows_of(chart) == rows, (region, window)


@pytest.mark.parametrize("kind", ["hour", "day", "week"])
async def test_final_charts_say_what_the_oracle_says(database: Database, kind: str) -> None:
    charts = made_run(kind, START, 12, REGIONS)
    random.Random(5).shuffle(charts)
    written = await History(database).write_final(charts)
    assert len(written) == len(charts)
    await expect(database, charts)


async def test_a_chart_comes_back_as_it_went_in(database: Database) -> None:
    chart = made_chart(Window("hour", START))
    entries = (replace(chart.entries[0], title="Tïtle", artist="Ar\ttist"), *chart.entries[1:])
    chart = with_trends(replace(chart, entries=entries, as_of=START + HOUR_MS + 1), {})
    await History(database).write_final([chart])
    assert await Archive(database).chart("US", chart.window) == chart


@pytest.mark.parametrize("status", ["open", "final"])
async def test_a_name_may_hold_what_postgres_cannot(database: Database, status: str) -> None:
    chart = made_chart(Window("hour", START))
    entries = (replace(chart.entries[0], title="A\0B", artist="\0"), *chart.entries[1:])
    chart = replace(chart, status=status, entries=entries)
    await (History(database).write_final if status == "final" else History(database).write_open)([chart])
    stored = await Archive(database).chart("US", chart.window)
    assert stored is not None
    assert (stored.entries[0].title, stored.entries[0].artist) == ("AB", "")


async def test_writing_again_changes_nothing(database: Database) -> None:
    charts = made_run("hour", START, 3, REGIONS)
    history = History(database)
    assert len(await history.write_final(charts)) == 9
    before = await database.fetch("SELECT * FROM chart_snapshots ORDER BY region, starts_at")
    other = [replace(chart, plays=1, entries=chart.entries[:1]) for chart in charts]
    assert await history.write_final(charts + other) == []
    await history.write_open([replace(chart, status="open") for chart in other])
    assert await database.fetch("SELECT * FROM chart_snapshots ORDER BY region, starts_at") == before
    await expect(database, charts)


async def test_an_open_chart_is_one_row_that_follows(database: Database) -> None:
    history, archive = History(database), Archive(database)
    window = Window("hour", START)
    for seed in range(3):
        chart = replace(made_chart(window, seed=seed, status="open"), as_of=START + seed)
        await history.write_open([chart])
        assert await archive.chart("US", window) == chart
    # A leader that lags behind does not turn it back.
    await history.write_open([replace(made_chart(window, seed=9, status="open"), as_of=START)])
    assert await archive.chart("US", window) == chart
    assert await database.fetchval("SELECT count(*) FROM chart_snapshots") == 1
    assert await database.fetchval("SELECT count(*) FROM chart_entries") == 0
    assert await database.fetchval("SELECT count(*) FROM top_songs_hourly") == len(chart.entries)
    await history.write_final([replace(chart, status="final")])
    assert await database.fetchval("SELECT count(*) FROM chart_snapshots") == 1
    assert await database.fetchval("SELECT count(*) FROM top_songs_hourly") == len(chart.entries)


async def test_the_views_of_the_seed(database: Database) -> None:
    hour, day = made_chart(Window("hour", START)), made_chart(Window.at("day", START), "DE")
    named = replace(hour, entries=(replace(hour.entries[0], title="Song"), *hour.entries[1:]))
    await History(database).write_final([named, day])
    rows = await database.fetch(
        'SELECT region, "timestamp", song, plays FROM top_songs_hourly ORDER BY plays DESC'
    )
    songs = ["Song", *(entry.track_id for entry in hour.entries[1:])]
    assert sorted(row["song"] for row in rows) == sorted(songs)
    assert {row["timestamp"].timestamp() * 1000 for row in rows} == {START}
    rows = await database.fetch("SELECT region, date, song, plays FROM top_songs_daily")
    assert {row["date"].isoformat() for row in rows} == {"2023-11-15"}
    assert sum(row["plays"] for row in rows) == sum(entry.plays for entry in day.entries)


async def test_two_writers_at_once_leave_one_of_each(database: Database) -> None:
    charts = made_run("hour", START, 6, [*REGIONS, "FR", "GB"])
    written = await asyncio.gather(*(History(database).write_final(charts) for _ in range(4)))
    assert sum(map(len, written)) == len(charts)
    assert await database.fetchval("SELECT count(*) FROM chart_entries") == sum(
        len(c.entries) for c in charts
    )
    await expect(database, charts)


async def test_a_writer_that_dies_halfway_leaves_whole_charts(database: Database) -> None:
    charts = made_run("hour", START, 20, [*REGIONS, "FR", "GB"])
    rng = random.Random(11)
    for _ in range(12):
        writing = asyncio.create_task(History(database).write_final(charts))
        await asyncio.sleep(rng.random() * 0.05)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        torn = await database.fetchval(
            """SELECT count(*) FROM chart_snapshots AS s WHERE (SELECT count(*) FROM chart_entries AS e
               WHERE e.region = s.region AND e.starts_at = s.starts_at) <> 8"""
        )
        assert torn == 0
    await History(database).write_final(charts)
    await expect(database, charts)


async def test_what_was_read_before_a_revision_is_not_kept_after_it(database: Database) -> None:
    chart = made_chart(Window("hour", START))
    history, archive = History(database), Archive(database, charts_kept=10)
    await history.write_final([chart])
    read = archive._read

    async def slowly(*place: object) -> Chart | None:
        found = await read(*place)  # type: ignore[arg-type]
        await history.revise([made_chart(chart.window, seed=1)], "late plays")
        archive.forget()
        return found

    archive._read = slowly  # type: ignore[method-assign, assignment]
    await archive.chart("US", chart.window)
    archive._read = read  # type: ignore[method-assign]
    found = await archive.chart("US", chart.window)
    assert found is not None
    assert found.revision == 1


async def test_a_revision_leaves_the_later_charts_alone(database: Database) -> None:
    charts = made_run("hour", START, 8, ["US"])
    history, archive = History(database), Archive(database)
    await history.write_final(charts)
    before = [await archive.chart("US", chart.window) for chart in charts]
    then = await moment_ms(database)
    revised = [made_chart(chart.window, seed=1) for chart in charts[3:5]]
    written = await history.revise(revised, "late plays")
    assert [chart.revision for chart in written] == [1, 1]
    archive.forget()
    mixed = charts[:3] + revised
    for (region, window), rows in oracle(mixed).items():
        chart = await archive.chart(region, window)
        assert chart is not None
        assert rows_of(chart) == rows
        assert chart.revision == (1 if window in {c.window for c in revised} else 0)
    for chart, old in list(zip(charts, before, strict=True))[5:]:
        assert await archive.chart("US", chart.window) == old
    # As it stood before the revision; and no chart at all before there was one.
    assert await archive.chart("US", charts[3].window, as_of=then) == before[3]
    assert await archive.chart("US", charts[3].window, as_of=START) is None
    assert await history.revise(revised, "again") == []
    assert await database.fetchval("SELECT count(*) FROM current_entries") == 8 * 8


async def test_what_comes_after_a_revision_builds_on_it(database: Database) -> None:
    charts = made_run("hour", START, 5, ["US"])
    history, archive = History(database), Archive(database)
    await history.write_final(charts[:4])
    revised = made_chart(charts[3].window, seed=1)
    await history.revise([revised], "late plays")
    await history.write_final([charts[4]])
    expected = oracle([*charts[:3], revised, charts[4]])
    chart = await archive.chart("US", charts[4].window)
    assert chart is not None
    assert rows_of(chart) == expected["US", chart.window]


async def test_an_earlier_chart_that_comes_late_looks_only_back(database: Database) -> None:
    charts = made_run("hour", START, 4, ["US"])
    history, archive = History(database), Archive(database)
    await history.write_final(charts[:2] + charts[3:])
    await history.write_final([charts[2]])
    chart = await archive.chart("US", charts[2].window)
    assert chart is not None
    assert rows_of(chart) == oracle(charts[:3])["US", chart.window]


async def test_a_chart_without_entries(database: Database) -> None:
    empty = replace(made_chart(Window("hour", START)), entries=(), plays=0, tracks=0)
    await History(database).write_final([empty])
    assert await Archive(database).chart("US", empty.window) == empty


async def test_old_months_are_dropped_and_trends_outlive_them(database: Database) -> None:
    history, archive = History(database), Archive(database)
    day = Window.at("day", START)
    charts = [made_chart(Window("day", day.start + n * DAY_MS), seed=0) for n in range(40)]
    await history.write_final(charts[:39])
    assert await history.forget_before(charts[38].window.start) == [
        "chart_entries_2023_11",
        "chart_snapshots_2023_11",
    ]
    assert await archive.chart("US", charts[0].window) is None
    await history.write_final(charts[39:])
    chart = await archive.chart("US", charts[39].window)
    assert chart is not None
    assert rows_of(chart) == oracle(charts)["US", chart.window]


async def test_unknown_tracks_are_collected(database: Database) -> None:
    chart = made_chart(Window("hour", START))
    entries = (replace(chart.entries[0], title="Said", artist="Somebody"), *chart.entries[1:])
    await History(database).write_final([replace(chart, entries=entries)])
    rows = await database.fetch(
        "SELECT track_id, title, artist, plays FROM unknown_tracks ORDER BY plays DESC"
    )
    assert tuple(rows[0]) == (entries[0].track_id, "Said", "Somebody", entries[0].plays)
    assert len(rows) == 8


async def test_another_publishers_trends_are_kept(database: Database) -> None:
    window = Window("day", START)
    entry = Entry(1, "t", 10, "T", "A", 1.0, previous_rank=7, movement="up", peak_rank=1, windows_on_chart=99)
    chart = Chart("US", window, "final", 10, 1, (entry,), as_of=window.end, rules="", source="spotify")
    await History(database).revise([chart], "import")
    assert await Archive(database).chart("US", window, source="spotify") == chart
    assert await Archive(database).chart("US", window) is None


async def test_postgres_away_is_unreachable_and_nothing_is_half_written(database: Database) -> None:
    away = Database("postgresql://charts@127.0.0.1:1/charts")
    await away.open()
    with pytest.raises(Unreachable):
        await History(away).write_final([made_chart(Window("hour", START))])
    await away.close()


def test_the_hours_of_a_day_are_written_before_it() -> None:
    """Whoever finds a day in the history finds its hours there too."""
    days = [Window("day", 0), Window("day", DAY_MS)]
    windows = [*days, *(Window("hour", n * HOUR_MS) for n in range(48))]
    charts = [Chart("US", window, "final", 0, 0, (), window.end, "") for window in windows]
    order = [next(iter(same)).window for _, same in _by_window(charts)]
    assert [window for window in order if window.kind == "hour"] == windows[2:]
    for day in days:
        assert order.index(day) == order.index(Window("hour", day.end - HOUR_MS)) + 1
