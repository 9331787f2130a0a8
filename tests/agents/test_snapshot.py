"""Snapshots over simulated days: what stands in the history is every final chart, once and right."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from agents import snapshot
from agents.snapshot import Snapshots
from charts.chart import Chart
from charts.window import DAY_MS, HOUR_MS, Window
from simulator.servers import Postgres
from tables import listening, memory
from tables.archive import Archive
from tables.memory import Memory
from tables.migrations import migrate
from tables.postgres import Database
from tests.agents.moving_boards import MovingBoards
from tests.tables.made import oracle, rows_of

START = 1_700_006_400_000
REGIONS = ["DE", "US", "global"]
SEED = random.SystemRandom().randrange(1 << 30)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, shorter."""
    print(f"seed {SEED}")  # noqa: T201 - pytest shows it where a test fails
    monkeypatch.setattr(snapshot, "GLANCE_S", 0.01)
    monkeypatch.setattr(snapshot, "ELECTION_S", 0.05)
    monkeypatch.setattr(listening, "RETRY_S", 0.05)
    monkeypatch.setattr(memory, "NAMES_S", 0.02)
    monkeypatch.setattr(memory, "UNSURE_S", 0.2)


@dataclass
class Worker:
    memory: Memory
    snapshots: Snapshots
    task: asyncio.Task[None]

    async def die(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def worker(database: Database, boards: MovingBoards, lake: bool = False) -> AsyncIterator[Worker]:
    async with Memory(database, boards) as mine:
        snapshots = Snapshots(database, boards, mine, interval=0.05, days_kept=0, top_n=8, lake=lake)
        found = Worker(mine, snapshots, asyncio.create_task(snapshots.run()))
        try:
            yield found
        finally:
            await found.die()


async def wait_for(fact: Callable[[], bool], what: str, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.01)
    assert fact(), what


def finals(boards: MovingBoards) -> list[Chart]:
    """Every chart that is final by now, dropped or not."""
    places = {*boards.charts(), *boards.dropped}
    return [boards.truth(*place, final=True) for place in sorted(places) if boards.is_final(place[1])]


async def expect(database: Database, boards: MovingBoards) -> None:
    archive = Archive(database)
    charts = finals(boards)
    for (region, window), rows in oracle(charts).items():
        chart = await archive.chart(region, window)
        assert chart is not None, (region, window)
        assert chart.status == "final"
        assert rows_of(chart) == rows, (region, window)
    count = await database.fetchval(
        "SELECT count(*) FROM chart_snapshots WHERE status = 'final' AND window_kind <> 'week'"
    )
    assert count == len(charts)


async def test_two_days_are_in_the_history_and_match_the_live_charts(database: Database) -> None:
    boards = MovingBoards(START, REGIONS, SEED)
    async with worker(database, boards) as one:
        last_seen: dict[tuple[str, Window], Chart] = {}
        for step in range(1, 2 * 48 + 7):
            boards.move(START + step * HOUR_MS // 2)
            await wait_for(lambda: not one.memory.unwritten(), "finals are written")
            for place in boards.charts():
                chart = boards.chart(*place)
                assert chart is not None
                last_seen[place] = one.memory.dress(chart)
                if one.memory.is_written(*place):
                    boards.drop(place)
        await expect(database, boards)
    # What people saw last of a live chart is what the history says.
    archive = Archive(database)
    for place, seen in last_seen.items():
        if place in boards.dropped:
            stored = await archive.chart(*place)
            assert stored is not None
            assert rows_of(seen) == rows_of(stored), place


async def test_open_charts_are_one_row_each_that_follows(database: Database) -> None:
    boards = MovingBoards(START, REGIONS, SEED)
    boards.move(START + 10 * 60_000)
    archive = Archive(database)
    async with worker(database, boards) as one:
        await wait_for(lambda: one.snapshots.leading, "it leads")
        for minutes in (20, 40):
            boards.move(START + minutes * 60_000)
            want = boards.truth("US", Window("hour", START))
            async with asyncio.timeout(60):
                while (found := await archive.chart("US", want.window)) is None or found.plays != want.plays:
                    await asyncio.sleep(0.01)
            assert [e.plays for e in found.entries] == [e.plays for e in want.entries]
            assert {e.movement for e in found.entries} == {"new"}
    assert await database.fetchval("SELECT count(*) FROM chart_snapshots") == 2 * len(REGIONS)


async def test_two_leaders_and_one_that_dies_leave_one_of_each(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is taken from them: every worker believes that it leads, while windows become final."""
    monkeypatch.setattr(snapshot, "TRY_TO_LEAD", "SELECT $1::bigint IS NOT NULL")
    rng = random.Random(SEED)
    boards = MovingBoards(START, [*REGIONS, "FR", "GB", "SE"], SEED)
    async with (
        Database(database_url) as second,
        Database(database_url) as third,
        worker(database, boards) as one,
        worker(second, boards) as two,
        worker(third, boards) as mortal,
    ):
        for step in range(1, 28):
            boards.move(START + step * HOUR_MS)
            if step == 15:
                await asyncio.sleep(rng.random() * 0.03)
                await mortal.die()
            for lead in (one, two):
                await wait_for(lambda lead=lead: not lead.memory.unwritten(), "finals are written")
        assert one.snapshots.leading
        assert two.snapshots.leading
        await expect(database, boards)


async def test_only_one_leads_and_another_follows(database: Database) -> None:
    boards = MovingBoards(START, REGIONS, SEED)
    async with worker(database, boards) as one, worker(database, boards) as two:
        await wait_for(lambda: one.snapshots.leading or two.snapshots.leading, "somebody leads")
        first, other = (one, two) if one.snapshots.leading else (two, one)
        boards.move(START + 4 * HOUR_MS)
        # The other learns what the leader wrote.
        await wait_for(lambda: other.memory.is_written("US", Window("hour", START)), "it is told")
        assert not other.snapshots.leading
        await first.die()
        await wait_for(lambda: other.snapshots.leading, "the other takes over")
        boards.move(START + 8 * HOUR_MS)
        await wait_for(lambda: not other.memory.unwritten(), "finals are written")
        await expect(database, boards)


async def test_postgres_stopped_across_the_end_of_hours_and_a_day(own_server: Postgres) -> None:
    boards = MovingBoards(START, REGIONS, SEED)
    async with Database(own_server.url()) as database:
        await migrate(database)
        async with worker(database, boards) as one:
            boards.move(START + 20 * HOUR_MS)
            await wait_for(lambda: one.memory.loaded.is_set() and not one.memory.unwritten(), "written")
            own_server.stop()
            for hours in range(21, 29):
                boards.move(START + hours * HOUR_MS + 60_000)
                # Live charts go on, with their movement, from the last state in memory.
                dressed = {place: one.memory.dress(_chart(boards, place)) for place in boards.charts()}
                said = oracle([boards.truth(*place, final=boards.is_final(place[1])) for place in dressed])
                for place, chart in dressed.items():
                    assert rows_of(chart) == said[place], place
            assert one.memory.unwritten()
            await wait_for(lambda: one.snapshots.backlog > 0 and not one.snapshots.leading, "it says so")
            assert not database.reachable
            own_server.start()
            own_server.wait()
            await wait_for(lambda: not one.memory.unwritten(), "caught up")
            await expect(database, boards)


def _chart(boards: MovingBoards, place: tuple[str, Window]) -> Chart:
    chart = boards.chart(*place)
    assert chart is not None
    return chart


async def test_a_week_is_the_sum_of_its_days(database: Database) -> None:
    monday = Window.at("week", START).start
    boards = MovingBoards(monday, ["US"], SEED)
    async with worker(database, boards) as one:
        for day in range(1, 9):
            boards.move(monday + day * DAY_MS + 3 * HOUR_MS)
            await wait_for(lambda: not one.memory.unwritten(), "finals are written")
        archive = Archive(database)
        async with asyncio.timeout(60):
            while (
                week := await archive.chart("US", Window("week", monday))
            ) is None or week.status != "final":
                await asyncio.sleep(0.02)
    days = [boards.truth("US", Window("day", monday + n * DAY_MS), final=True) for n in range(7)]
    assert week.plays == sum(day.plays for day in days)
    sums: dict[str, int] = {}
    for day in days:
        for entry in day.entries:
            sums[entry.track_id] = sums.get(entry.track_id, 0) + entry.plays
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:8]
    assert [(entry.track_id, entry.plays) for entry in week.entries] == ranked
    assert {entry.movement for entry in week.entries} == {"new"}


async def test_a_week_stays_provisional_where_a_lake_will_count_it(database: Database) -> None:
    monday = Window.at("week", START).start
    week, boards = Window("week", monday), MovingBoards(monday, ["US"], SEED)
    async with worker(database, boards, lake=True) as one:
        boards.move(monday + DAY_MS + 3 * HOUR_MS)
        first = boards.truth("US", Window("day", monday), final=True)
        assert (await stands(database, week, "open")).plays == first.plays
        boards.move(week.end + 3 * HOUR_MS)
        assert (await stands(database, week, "closing")).plays == days_plays(boards, monday)
        boards.move(week.end + 9 * HOUR_MS)
        await wait_for(lambda: not one.memory.unwritten(), "finals are written")
        assert (await stands(database, week, "closing")).revision == 0


async def test_a_week_that_ends_while_a_day_is_closed_waits_for_its_days(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monday = Window.at("week", START).start
    week, boards = Window("week", monday), MovingBoards(monday, ["US"], SEED)
    async with worker(database, boards) as one:
        close_day = one.snapshots._close_day

        async def close_late(day: Window) -> None:
            boards.move(week.end + 3 * HOUR_MS)
            await close_day(day)

        monkeypatch.setattr(one.snapshots, "_close_day", close_late)
        boards.move(monday + DAY_MS + 3 * HOUR_MS)
        assert (await stands(database, week, "final")).plays == days_plays(boards, monday)


async def test_a_week_its_leader_did_not_come_to_is_the_next_leaders(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The days of two weeks were written in one go; then the leader died."""
    monday = Window.at("week", START).start
    week, boards = Window("week", monday), MovingBoards(monday, ["US"], SEED)

    async def die_before(*_: object) -> None:
        return

    async with worker(database, boards) as one:
        monkeypatch.setattr(one.snapshots, "_close_day", die_before)
        monkeypatch.setattr(one.snapshots, "_close_weeks", die_before)
        boards.move(week.end + DAY_MS + 3 * HOUR_MS)
        await wait_for(lambda: one.memory.loaded.is_set() and not one.memory.unwritten(), "all is written")
    async with worker(database, boards):
        assert (await stands(database, week, "final")).plays == days_plays(boards, monday)


async def stands(database: Database, week: Window, status: str) -> Chart:
    """The chart of the week, as soon as the history says this of it."""
    async with asyncio.timeout(60):
        while (chart := await Archive(database).chart("US", week)) is None or chart.status != status:
            await asyncio.sleep(0.02)
    return chart


def days_plays(boards: MovingBoards, monday: int) -> int:
    days = [Window("day", monday + n * DAY_MS) for n in range(7)]
    return sum(boards.truth("US", day, final=True).plays for day in days)


async def test_a_worker_that_starts_without_postgres_does_not_call_everything_new(database: Database) -> None:
    boards = MovingBoards(START, REGIONS, SEED)
    boards.move(START + HOUR_MS // 2)
    away = Database("postgresql://charts@127.0.0.1:1/charts")
    chart = boards.chart("US", Window("hour", START))
    assert chart is not None
    dressed = Memory(away, boards).dress(chart)
    assert {entry.movement for entry in dressed.entries} == {None}
    async with Memory(database, boards) as mine:
        await mine.loaded.wait()
        assert {entry.movement for entry in mine.dress(chart).entries} == {"new"}
        assert mine.dress(chart).entries is mine.dress(chart).entries
