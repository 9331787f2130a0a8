"""Curation: exactly the counted plays, with names, readable by anybody."""

import asyncio
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest

from agents import curate
from agents.curate import Curator
from charts.errors import NotFound
from charts.finality import Finality
from charts.selection import Basis
from charts.window import HOUR_MS, Status, Window, rfc3339
from tables.archive import Archive
from tables.curated import curated_key
from tables.history import History
from tables.hours import Hours
from tables.jobs import Jobs
from tables.postgres import Database
from tables.store import Store
from tables.weeks import summed_week
from tables.zone import Zone
from tests.lake.made import T0
from tests.lake.scene import LOG, PARTITIONS, TRACKS, Scene, a_day, truth_of
from tests.tables.made import made_chart


def a_curator(store: Store, database: Database, scene: Scene) -> Curator:
    return Curator(store, database, scene.heads(), log_id=LOG, top_n=10)


@pytest.fixture
async def names(database: Database) -> None:
    await database.execute(
        "INSERT INTO artists (artist_id, name, plain, words) VALUES ('a', 'Anna', 'anna', '')"
    )
    await database.execute(
        "INSERT INTO tracks (track_id, title, artist_id, genre, plain, words) "
        "VALUES ($1, 'Known', 'a', 'pop', 'known', '')",
        TRACKS[1],
    )


@pytest.mark.usefixtures("most_rows")
async def test_a_final_hour_holds_exactly_what_counts(
    folder: Store, database: Database, tmp_path: Path, names: None
) -> None:
    scene = Scene()
    counted = a_day(scene, 11)
    await scene.keep(folder)
    curator = a_curator(folder, database, scene)
    hours = await curator.curate_due()
    assert set(hours) >= {Window.at("hour", time).start // HOUR_MS for _, _, time in counted}
    assert await curator.due() == []

    # DuckDB, without any option of ours: region, date and hour come from the path.
    lake = f"{tmp_path}/lake/plays/*/*/*/*.parquet"
    rows = duckdb.sql(
        f'SELECT region, date, hour, track_id, count(*), count(DISTINCT (partition, "offset")) '
        f"FROM '{lake}' GROUP BY ALL"
    ).fetchall()
    found = {
        (track, region, Window("hour", int(pd.Timestamp(f"{date} {hour:02}:00Z").timestamp() * 1000))): n
        for region, date, hour, track, n, distinct in rows
        if n == distinct
    }
    truth = {
        (track, region, window): plays
        for (region, window), counts in truth_of(counted, "hour").items()
        if region != "global"
        for track, plays in counts.items()
    }
    assert found == truth
    named = duckdb.sql(
        f"SELECT DISTINCT title, artist, genre, revision FROM '{lake}' WHERE track_id = '{TRACKS[1]}'"
    ).fetchall()
    assert named == [("Known", "Anna", "pop", 0)]
    other = duckdb.sql(f"SELECT DISTINCT title, artist, extra FROM '{lake}' WHERE track_id = '{TRACKS[2]}'")
    assert other.fetchall() == [("as played", None, '{"device":"x"}')]

    # pyarrow and pandas read the same folder as a Hive data set.
    table = ds.dataset(f"{tmp_path}/lake/plays", partitioning="hive").to_table()
    frame = pd.read_parquet(f"{tmp_path}/lake/plays")
    assert table.num_rows == len(frame) == len(counted)
    assert set(frame["region"].astype(str)) == {"US", "DE", "NA"}


async def test_the_journal_tells_what_was_done(folder: Store, database: Database) -> None:
    scene = Scene()
    counted = a_day(scene, 12, hours=1)
    await scene.keep(folder)
    curator = a_curator(folder, database, scene)
    await curator.curate_due()
    jobs = await Jobs(database).recent("curate", "done", 100)
    assert sum(job["rows_out"] for job in jobs) == len(counted)
    assert all(job["rows_in"] >= job["rows_out"] and job["seconds"] > 0 for job in jobs)
    basis = await Jobs(database).basis(T0 // HOUR_MS)
    assert basis is not None
    assert basis.through == {LOG: {p: len(scene.values[p]) for p in range(PARTITIONS)}}


async def test_an_hour_waits_for_the_raw_zone(folder: Store, database: Database) -> None:
    scene = Scene()
    a_day(scene, 13, hours=1)
    short = Scene(values=[v[:-5] for v in scene.values], stamps=[s[:-5] for s in scene.stamps])
    short.forwarded = [
        {r: o for r, o in f.items() if r < len(short.values[p])} for p, f in enumerate(scene.forwarded)
    ]
    await short.keep(folder)
    curator = a_curator(folder, database, scene)
    assert await curator.due() != []
    assert await curator.curate_due() == []
    await scene.keep(folder)
    assert await curator.curate_due() != []


async def test_heads_that_know_nothing_yet_send_nobody_back_to_1970(
    folder: Store, database: Database
) -> None:
    """They tell time 0 until their first play: every hour since 1970 was looked at, again and again."""
    scene = Scene()
    a_day(scene, 5)
    await scene.keep(folder)
    curator = a_curator(folder, database, scene)
    finality, curator._heads.finality = curator._heads.finality, Finality()
    assert await curator.due() == []
    curator._heads.finality = finality
    assert min(await curator.due()) > T0 // HOUR_MS - 24


async def test_curating_again_writes_nothing_and_leaves_no_stranger(
    folder: Store, database: Database
) -> None:
    scene = Scene()
    a_day(scene, 14, hours=1)
    await scene.keep(folder)
    curator = a_curator(folder, database, scene)
    await curator.curate_due()
    hour = T0 // HOUR_MS
    await folder.put(curated_key("ZZ", hour), await folder.get(curated_key("US", hour)))
    again = await curator.curate_hour(hour)
    assert (again.files, again.rows_out > 0) == (0, True)
    assert curated_key("ZZ", hour) not in {item.key for item in await folder.items("plays/")}


async def test_a_week_is_the_sum_of_its_plays(folder: Store, database: Database) -> None:
    scene = Scene()
    week = Window.at("week", T0)
    counted = a_day(scene, 15, hours=2)
    # Below every day's first ten: only counting the plays themselves finds what it makes in a week.
    scene.tick(week.end + 3 * HOUR_MS)
    await scene.keep(folder)
    curator = a_curator(folder, database, scene)
    await curator.curate_due()
    rows = await database.fetch(
        "SELECT region, rank, track_id, plays FROM chart_entries WHERE window_kind = 'week' ORDER BY 1, 2"
    )
    truth = truth_of([play for play in counted if play[2] >= week.start], "week")
    expected = [
        (region, rank, track, plays)
        for (region, _), counts in sorted(truth.items())
        for rank, (track, plays) in enumerate(
            sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10], start=1
        )
    ]
    assert [tuple(row) for row in rows] == expected
    assert rfc3339(week.start).endswith("00:00:00Z")
    assert await curator.jobs.stale_weeks() == []
    heads = await database.fetch(
        "SELECT DISTINCT status, revision FROM chart_snapshots WHERE window_kind = 'week'"
    )
    assert [tuple(row) for row in heads] == [("final", 0)]


@pytest.mark.parametrize("status", ["open", "closing"])
async def test_a_week_the_lake_has_not_all_of_stays_the_sum_of_its_days(
    folder: Store, database: Database, status: Status
) -> None:
    """An hour before the lake's first has a chart: whoever writes the history sums the days it has."""
    scene = Scene()
    week = Window.at("week", T0)
    a_day(scene, 15, hours=2)
    scene.tick(week.end + 3 * HOUR_MS)
    await scene.keep(folder)
    history = History(database)
    old = [made_chart(Window("hour", week.start), "US", 1), made_chart(Window("day", week.start), "US", 1)]
    await history.write_final(old)
    await history.write_open(await summed_week(database, week, status, 10))
    await a_curator(folder, database, scene).curate_due()
    chart = await Archive(database).chart("US", week)
    assert chart is not None
    assert (chart.status, chart.revision, chart.plays) == (
        "final" if status == "closing" else "open",
        0,
        old[1].plays,
    )


async def test_a_week_waits_for_its_hours(folder: Store, database: Database) -> None:
    scene = Scene()
    a_day(scene, 17, hours=2)
    scene.tick(Window.at("week", T0).end + 3 * HOUR_MS)
    await scene.keep(folder)
    curator = a_curator(folder, database, scene)
    first, *_ = await curator.due()
    await curator.curate_hour(first)
    assert await curator.curate_weeks() == [Window.at("week", T0)]
    assert await Jobs(database).recent("week", None, 10) == []


class Replaced:
    """A store whose tails are replaced by what follows on them just before one of them is read."""

    def __init__(self, store: Store, later: Scene) -> None:
        self._store = store
        self._later = later
        self.missed = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def get(self, key: str) -> bytes:
        if key.startswith("tail/") and not self.missed:
            await self._later.keep(self._store)
        try:
            return await self._store.get(key)
        except NotFound:
            self.missed += 1
            raise


@pytest.mark.parametrize("records", [35, 150], ids=["by longer ones", "by full files"])
async def test_an_hour_is_read_whole_while_its_tails_are_replaced(folder: Store, records: int) -> None:
    scene = Scene()
    a_day(scene, 17)
    first, later = scene.first(20), scene.first(records)
    await first.keep(folder)
    hours = Hours(folder, scene.book)
    basis = Basis(LOG, through=await hours.through(LOG, PARTITIONS))
    hour = T0 // HOUR_MS
    wanted = [table async for table in hours.plays(hour, basis)]
    store = Replaced(folder, later)
    found = [table async for table in Hours(store, scene.book).plays(hour, basis)]  # type: ignore[arg-type]
    assert store.missed == PARTITIONS
    assert found == wanted
    assert sum(map(len, wanted)) > 20


async def test_a_damaged_file_holds_up_curation_alone(
    folder: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curate, "RETRY_S", 0)
    scene = Scene()
    a_day(scene, 18)
    await scene.keep(folder)
    hour = T0 // HOUR_MS
    name, *_ = await Zone(folder, LOG).full([hour])
    body = await folder.get(name.key)
    await folder.put(name.key, body[:8] + bytes(len(body) // 2) + body[8 + len(body) // 2 :])
    curator = a_curator(folder, database, scene)
    done = await curator.curate_due()
    assert hour not in done
    assert hour + 5 in done
    await folder.put(name.key, body)
    assert hour in await curator.curate_due()


class Vanishing:
    """A store whose tails become full files just after they were listed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.vanished = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def get_end(self, key: str, size: int) -> bytes:
        if key.startswith("tail/") and not self.vanished:
            self.vanished += 1
            await self._store.delete(key)
        return await self._store.get_end(key, size)


async def test_a_tail_that_becomes_a_file_meanwhile_ends_no_worker(
    folder: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curate, "GLANCE_S", 0.01)
    scene = Scene()
    a_day(scene, 16, hours=1)
    await scene.first(50).keep(folder)
    store = Vanishing(folder)
    curator = Curator(store, database, scene.heads(), log_id=LOG, top_n=10)  # type: ignore[arg-type]
    running = asyncio.create_task(curator.run())
    try:
        async with asyncio.timeout(30):
            while not store.vanished:
                await asyncio.sleep(0.01)
            await scene.keep(folder)
            while not await curator.jobs.curated(range(T0 // HOUR_MS, T0 // HOUR_MS + 1)):
                assert not running.done()
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
