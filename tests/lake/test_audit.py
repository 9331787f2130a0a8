"""The audit finds what was planted, and nothing else; a replay of what stands moves nothing."""

import asyncio

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.curate import Curator
from charts.chart import GLOBAL, Chart, Entry
from charts.home import home_of
from charts.verdict import Rules
from charts.window import DAY_MS, HOUR_MS, Window
from tables.audit import Asked, Audit, Difference
from tables.curated import curated_key
from tables.history import History
from tables.late import LateIndex
from tables.postgres import Database
from tables.published import published
from tables.replay import TRY_LOCK, Outcome, Plan, Replay
from tables.store import Store
from tests.lake.made import T0
from tests.lake.scene import BOOK, LOG, PARTITIONS, TRACKS, Scene, Truth, a_day, truth_of

DAY = T0 // DAY_MS
HOUR = T0 // HOUR_MS
EVERYTHING = Asked(0, 1 << 42)


def charts_of(truth: Truth, n: int = 10) -> list[Chart]:
    """Charts counted on one's fingers, as the live ones would have been published."""
    found = []
    for (region, window), counts in truth.items():
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))[:n]
        entries = tuple(Entry(rank, track, plays) for rank, (track, plays) in enumerate(ranked, start=1))
        total, rules = sum(counts.values()), BOOK.rules[0].version
        found.append(Chart(region, window, "final", total, len(counts), entries, window.end, rules))
    return found


@pytest.fixture
async def counted(folder: Store, database: Database) -> list[tuple[str, str, int]]:
    """A lake, its curated hours and its published charts."""
    scene = Scene()
    plays = a_day(scene, 21)
    await scene.keep(folder)
    await Curator(folder, database, scene.heads(), log_id=LOG, top_n=10).curate_due()
    await History(database).write_final(charts_of(truth_of(plays)))
    return plays


async def audited(store: Store, database: Database) -> list[Difference]:
    audit = Audit(store, database, BOOK, log_id=LOG)
    return [difference for day in (DAY - 1, DAY) for difference in await audit.day(day, EVERYTHING)]


async def entries(database: Database) -> list[tuple[object, ...]]:
    rows = await database.fetch("SELECT * FROM chart_entries ORDER BY 1, 2, 3, 4, 5, 6")
    return [tuple(row) for row in rows]


@pytest.mark.usefixtures("most_rows")
async def test_equal_is_equal(folder: Store, database: Database, counted: object) -> None:
    audit = Audit(folder, database, BOOK, log_id=LOG)
    assert await audit.day(DAY, EVERYTHING) == []
    assert audit.charts > 8


@pytest.mark.usefixtures("most_rows")
async def test_a_changed_count_is_found(folder: Store, database: Database, counted: object) -> None:
    changed = (
        "UPDATE chart_entries SET plays = plays + 1 WHERE region = 'US' AND window_kind = 'hour' AND rank = 1"
    )
    assert await database.execute(f"{changed} AND starts_at = to_timestamp({T0 // 1000})") == "UPDATE 1"
    (found,) = await audited(folder, database)
    assert (found.region, found.window, found.what) == ("US", Window("hour", T0), "rank 1")
    assert found.published != found.lake
    assert found.offsets
    assert all(place.startswith("main/") for place in found.offsets)


async def test_a_changed_total_is_found(folder: Store, database: Database, counted: object) -> None:
    await database.execute(
        "UPDATE chart_snapshots SET plays = plays + 5 WHERE region = 'DE' AND window_kind = 'day'"
    )
    assert {found.what for found in await audited(folder, database)} == {
        "plays",
        "sum of regions",
        "sum of hours",
    }


async def test_a_deleted_object_is_found(folder: Store, database: Database, counted: object) -> None:
    await folder.delete(curated_key("NA", HOUR))
    (found,) = await audited(folder, database)
    assert (found.region, found.what) == ("NA", "curated file is missing")
    raw = [item.key for item in await folder.items("raw/")]
    await folder.delete(raw[len(raw) // 2])
    differences = await audited(folder, database)
    assert any("are missing before" in found.lake for found in differences if found.what == "raw zone")
    assert any(found.what.startswith("rank") for found in differences)


@pytest.mark.parametrize("zone", ["plays/region=US/", "raw/"])
async def test_a_doubled_row_is_found(folder: Store, database: Database, counted: object, zone: str) -> None:
    key = (await folder.items(zone))[-1].key
    table = pq.read_table(pa.BufferReader(await folder.get(key)))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), sink)
    await folder.put(key, sink.getvalue().to_pybytes())
    found = {difference.what for difference in await audited(folder, database)}
    assert found == {"raw zone" if zone == "raw/" else "curated zone"}


async def test_a_replay_of_what_stands_moves_nothing(
    folder: Store, database: Database, counted: object
) -> None:
    scene = Scene()
    a_day(scene, 21)
    replay = Replay(folder, database, scene.heads(), log_id=LOG, top_n=10)
    before = [
        tuple(row) for row in await database.fetch("SELECT * FROM chart_entries ORDER BY 1, 2, 3, 4, 5, 6")
    ]
    hours = range(DAY * 24, DAY * 24 + 24)
    assert await replay.look(hours, Plan("to see")) == []
    assert await replay.run(hours, Plan("to see")) == Outcome()
    after = [
        tuple(row) for row in await database.fetch("SELECT * FROM chart_entries ORDER BY 1, 2, 3, 4, 5, 6")
    ]
    assert before == after
    assert await audited(folder, database) == []


@pytest.mark.usefixtures("most_rows")
async def test_other_rules_make_another_revision(
    folder: Store, database: Database, counted: list[tuple[str, str, int]]
) -> None:
    scene = Scene()
    a_day(scene, 21)
    replay = Replay(folder, database, scene.heads(), log_id=LOG, top_n=10)
    hours = range(DAY * 24, DAY * 24 + 24)
    plan = Plan("every play counts", Rules(partitions=2, shortest_ms=0))
    moves = await replay.look(hours, plan)
    assert moves
    done = await replay.run(hours, plan)
    assert done.moves == moves
    written = done.charts
    assert {chart.revision for chart in written} == {1}
    assert all(chart.plays > 0 for chart in written)
    total = await database.fetchval(
        "SELECT plays FROM current_snapshots WHERE region = 'global' AND window_kind = 'day' "
        "AND starts_at = to_timestamp($1::bigint)",
        DAY * 86400,
    )
    assert total > len([play for play in counted if play[2] >= DAY * DAY_MS])
    assert await replay.run(hours, plan) == Outcome()
    assert await audited(folder, database) == []


@pytest.mark.usefixtures("most_rows")
async def test_a_greater_lateness_finds_what_came_after_the_hour_was_closed(
    folder: Store, database: Database
) -> None:
    scene = Scene()
    plays = a_day(scene, 23)
    scene.send(T0 + 31 * HOUR_MS, track_id=TRACKS[0], play_id="late", played_at=T0 + 5)
    scene.tick(T0 + 60 * HOUR_MS)
    await scene.keep(folder)
    await Curator(folder, database, scene.heads(), log_id=LOG, top_n=10).curate_due()
    await History(database).write_final(charts_of(truth_of(plays)))
    replay = Replay(folder, database, scene.heads(), log_id=LOG, top_n=10)
    patient = Rules(partitions=2, lateness_ms=40 * HOUR_MS)
    assert (await replay.run([HOUR], Plan("more patience", patient))).charts
    hour = {
        place: ranking.plays for place, ranking in (await published(database, ["hour"], T0, T0 + 1)).items()
    }
    expected = truth_of([*plays, (TRACKS[0], "US", T0 + 5)], "hour")
    assert hour == {place: sum(counts.values()) for place, counts in expected.items() if place[1].start == T0}
    assert await audited(folder, database) == []


@pytest.mark.usefixtures("most_rows")
async def test_late_plays_join_as_a_revision(folder: Store, database: Database) -> None:
    scene = Scene()
    plays = a_day(scene, 22)
    late_at = T0 + 30 * HOUR_MS
    first = scene.send(late_at, track_id=TRACKS[0], play_id="late", played_at=T0 + 5, region="SE")
    scene.send(late_at + 1, track_id=TRACKS[0], play_id="late", played_at=T0 + 5, region="SE")
    scene.send(late_at + 2, track_id=TRACKS[0], play_id="short", played_at=T0 + 6, ms_played=1, region="SE")
    scene.tick(T0 + 60 * HOUR_MS)
    await scene.keep(folder)
    curator = Curator(folder, database, scene.heads(), log_id=LOG, top_n=10)
    await curator.curate_due()
    await History(database).write_final(charts_of(truth_of(plays)))
    assert await audited(folder, database) == []

    index = LateIndex(folder, database)
    through = await index.search()
    assert through == {LOG: {partition: len(values) for partition, values in enumerate(scene.values)}}
    assert await index.days(400) == [DAY]
    replay = Replay(folder, database, scene.heads(), log_id=LOG, top_n=10)
    hours = range(DAY * 24, DAY * 24 + 24)
    moves = await replay.look(hours, Plan("late", late=through))
    assert ("SE", Window("hour", T0)) in {(move.region, move.window) for move in moves}
    assert await curator.take_late() != []
    assert await curator.take_late() == []
    truth = truth_of([*plays, (TRACKS[0], "SE", T0 + 5)])
    rows = await database.fetch(
        "SELECT region, window_kind, plays FROM current_snapshots WHERE starts_at = to_timestamp($1::bigint)",
        T0 // 1000,
    )
    assert {(row["region"], row["window_kind"]): row["plays"] for row in rows} == {
        (region, window.kind): sum(counts.values())
        for (region, window), counts in truth.items()
        if window.start == T0
    }
    assert await index.days(400) == []
    assert await audited(folder, database) == []
    table = pq.read_table(pa.BufferReader(await folder.get(curated_key("SE", HOUR))))
    assert table.select(["partition", "offset", "late", "revision"]).to_pylist() == [
        {"partition": first[0], "offset": first[1], "late": True, "revision": 0}
    ]
    assert f"region={GLOBAL}" not in await folder.folders("plays/")

    # By hand once more: on what it stands on by now.
    await curator.curate_hour(HOUR)
    assert await audited(folder, database) == []


async def test_late_plays_in_a_growing_file_join_too_and_once(folder: Store, database: Database) -> None:
    scene = Scene()
    plays = a_day(scene, 24)
    track = next(track for track in TRACKS if home_of(track, PARTITIONS) == 0)

    def send_late(number: int) -> None:
        scene.send(T0 + 40 * HOUR_MS, track_id=track, play_id=f"late-{number}", played_at=T0 + 5, region="SE")

    async def se_plays() -> int | None:
        said = await published(database, ["hour"], T0, T0 + 1)
        return said["SE", Window("hour", T0)].plays if ("SE", Window("hour", T0)) in said else None

    send_late(1)
    await scene.keep(folder)
    heads = scene.heads()
    curator = Curator(folder, database, heads, log_id=LOG, top_n=10)
    await curator.curate_due()
    await History(database).write_final(charts_of(truth_of(plays)))
    index = LateIndex(folder, database)

    # No record came after it: its file grows, and may do so for ever where a log has ended.
    assert await folder.items("tail/") != []
    assert await curator.take_late() != []
    assert await se_plays() == 1
    assert await index.days(400) == []
    assert await curator.take_late() == []
    assert await audited(folder, database) == []

    # What the file gains later is late as well; nobody knew it when the hour was taken.
    send_late(2)
    await scene.keep(folder)
    assert await audited(folder, database) == []
    await index.search()
    assert await audited(folder, database) == []
    assert await index.days(400) == [DAY]
    assert await curator.take_late() != []
    assert await se_plays() == 2

    # It becomes full, under its own name: nothing new.
    scene.tick(T0 + 50 * HOUR_MS)
    await scene.keep(folder)
    await index.search()
    assert await index.days(400) == []
    assert await audited(folder, database) == []


async def test_late_plays_wait_for_a_lake_that_is_behind(folder: Store, database: Database) -> None:
    """Hours that are final but not curated yet: the day cannot be counted, so nothing of it is revised."""
    scene = Scene()
    plays = a_day(scene, 27)
    scene.send(T0 + 30 * HOUR_MS, track_id=TRACKS[0], play_id="late", played_at=T0 + 5)
    scene.tick(T0 + 31 * HOUR_MS)
    await scene.keep(folder)
    await History(database).write_final(charts_of(truth_of(plays)))
    curator = Curator(folder, database, scene.heads(), log_id=LOG, top_n=10)
    await curator.curate_hour(HOUR)
    assert await curator.take_late() == []
    replay = Replay(folder, database, scene.heads(), log_id=LOG, top_n=10)
    assert await replay.look([HOUR], Plan("late", late=await LateIndex(folder, database).search())) == []
    assert await LateIndex(folder, database).days(400) == [DAY]
    assert await audited(folder, database) == []
    await curator.curate_due()
    assert await LateIndex(folder, database).days(400) == []
    assert await audited(folder, database) == []


async def test_a_replay_does_not_count_what_is_still_on_its_way(
    folder: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours that are final, neither published nor curated, and whose last plays the store has not yet."""
    monkeypatch.setattr("tables.replay.RAW_S", 0.0)
    scene = Scene()
    plays = a_day(scene, 28)
    behind = Scene(values=[v[:-20] for v in scene.values], stamps=[s[:-20] for s in scene.stamps])
    await behind.keep(folder)
    await History(database).write_final(charts_of(truth_of(plays, "day")))
    replay = Replay(folder, database, scene.heads(), log_id=LOG, top_n=10)
    hours = range(HOUR - 1, HOUR + 3)
    before = await entries(database)
    assert (await replay.run(hours, Plan("again"))).charts == []
    assert await entries(database) == before
    await scene.keep(folder)
    assert len((await replay.run(hours, Plan("again"))).charts) == len(truth_of(plays, "hour"))
    assert await audited(folder, database) == []


async def test_replays_of_a_day_take_turns(
    folder: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slower one would write what it read before the other: late plays, noted as taken, were gone."""
    scene = Scene()
    plays = a_day(scene, 29)
    scene.send(T0 + 30 * HOUR_MS, track_id=TRACKS[0], play_id="late", played_at=T0 + 5, region="SE")
    scene.tick(T0 + 31 * HOUR_MS)
    await scene.keep(folder)
    curator = Curator(folder, database, scene.heads(), log_id=LOG, top_n=10)
    await curator.curate_due()
    await History(database).write_final(charts_of(truth_of(plays)))
    counted, go = asyncio.Event(), asyncio.Event()
    recount = Replay._recount

    async def recount_slowly(self: Replay, day: int, wanted: set[int], plan: Plan) -> object:
        found = await recount(self, day, wanted, plan)
        if plan.late is None:
            counted.set()
            await go.wait()
        return found

    monkeypatch.setattr(Replay, "_recount", recount_slowly)
    slow = Replay(folder, database, scene.heads(), log_id=LOG, top_n=10)
    one = asyncio.create_task(slow.run([HOUR], Plan("other rules", rules=Rules(PARTITIONS, shortest_ms=1))))
    await counted.wait()
    other = asyncio.create_task(curator.take_late())
    asking = "SELECT count(*) FROM pg_stat_activity WHERE query = $1"
    async with asyncio.timeout(30):
        while await database.fetchval(asking, TRY_LOCK) < 2:
            await asyncio.sleep(0.01)
    go.set()
    await one
    assert await other
    said = await published(database, ["hour"], T0, T0 + 1)
    assert said["SE", Window("hour", T0)].plays == 1
    assert await audited(folder, database) == []


async def test_what_was_found_after_the_count_is_not_taken_for_counted(
    folder: Store, database: Database
) -> None:
    """Somebody else looks through the log while a night's revision is under way."""
    scene = Scene()
    plays = a_day(scene, 25)
    scene.send(T0 + 40 * HOUR_MS, track_id=TRACKS[0], play_id="one", played_at=T0 + 5)
    scene.tick(T0 + 41 * HOUR_MS)
    await scene.keep(folder)
    await Curator(folder, database, scene.heads(), log_id=LOG, top_n=10).curate_due()
    await History(database).write_final(charts_of(truth_of(plays)))
    index = LateIndex(folder, database)
    through = await index.search()
    scene.send(T0 + 42 * HOUR_MS, track_id=TRACKS[0], play_id="two", played_at=T0 + 5)
    scene.tick(T0 + 44 * HOUR_MS)
    await scene.keep(folder)
    await index.search()
    replay = Replay(folder, database, scene.heads(), log_id=LOG, top_n=10)
    assert (await replay.run([HOUR], Plan("late", late=through))).charts
    assert await audited(folder, database) == []
    assert await index.days(400) == [DAY]
    assert (await replay.run([HOUR], Plan("late", late=await index.search()))).charts
    assert await index.days(400) == []
    assert await audited(folder, database) == []
