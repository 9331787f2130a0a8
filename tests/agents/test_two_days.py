"""Two simulated days in twenty regions, end to end: the history is the simulator's truth, chart by chart."""

import asyncio
import os
import re
import secrets
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from charts.errors import Unreachable
from charts.window import Window, kind_of, parse_time, rfc3339
from simulator.process import Process
from simulator.servers import Postgres
from tables.archive import Archive
from tables.migrations import migrate
from tables.postgres import Database
from tests.counting import ROOT, Counting, counting

#: 172,800 simulated seconds in thirty of ours.
SPEED, RATE, SECONDS = 5760, 3000, 30
PARTITIONS = 4
Place = tuple[str, Window]
Rows = list[tuple[int, str, int]]
FINALS = "SELECT count(*) FROM chart_snapshots WHERE status = 'final' AND window_kind <> 'week'"


def charts_of(truth: dict[str, Any], top_n: int) -> Iterator[tuple[Place, int, Rows]]:
    """Place, plays and ranked rows of every chart there must be."""
    for region, kinds in truth["charts"].items():
        for kind, windows in kinds.items():
            for start, counts in windows.items():
                ranked = sorted(counts["tracks"].items(), key=lambda item: (-item[1], item[0].encode()))
                rows = [(rank, track, plays) for rank, (track, plays) in enumerate(ranked[:top_n], start=1)]
                yield (region, Window(kind_of(kind), parse_time(start))), counts["plays"], rows


def trends_of(charts: dict[Place, Rows]) -> dict[Place, list[tuple[object, ...]]]:
    """previous_rank, movement, peak and windows of every row: from the list of all its charts, sorted."""
    ranks: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for (region, window), rows in charts.items():
        for rank, track, _ in rows:
            ranks[region, window.kind, track].append((window.start, rank))
    trends: dict[Place, list[tuple[object, ...]]] = defaultdict(list)
    for (region, window), rows in charts.items():
        for rank, track, _ in rows:
            upto = [found for found in sorted(ranks[region, window.kind, track]) if found[0] <= window.start]
            before = dict(upto[:-1]).get(window.previous.start)
            if len(upto) == 1:
                movement = "new"
            elif before is None:
                movement = "re-entry"
            else:
                movement = "same" if before == rank else "up" if rank < before else "down"
            trends[region, window].append((before, movement, min(rank for _, rank in upto), len(upto)))
    return trends


@dataclass
class Days:
    """A simulator on its way through two days."""

    process: Process
    folder: Path
    seed: int

    def truth(self) -> dict[Place, tuple[int, Rows]]:
        assert (self.folder / "truth.json").exists(), f"seed {self.seed}: {self.process.last_words()}"
        truth = orjson.loads((self.folder / "truth.json").read_bytes())
        wanted = {place: (plays, rows) for place, plays, rows in charts_of(truth, top_n=100)}
        # Twenty regions and their sum: nearly every hour, and both days.
        assert len(wanted) > 20 * 40, self.seed
        return wanted


def simulate(worker: Counting, folder: Path) -> Days:
    seed = secrets.randbelow(1000)
    words = [
        *("--rate", str(RATE), "--speed", str(SPEED), "--total", str(RATE * SECONDS)),
        *("--start", "2026-03-02T00:00:00Z", "--regions", "20", "--seed", str(seed)),
        *("--clock", "--settle", str(4 * 3600), "--tracks", "3000", "--quiet"),
        *("--truth", str(folder / "truth.json")),
        *("--duplicates", "0.02", "--late", "0.01", "--early", "0.005", "--short", "0.05"),
        *("--malformed", "0.005"),
    ]
    environ = worker.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "simulator", *words]
    log = folder / "simulate.log"
    return Days(Process("simulator", command, log, environ=environ, folder=ROOT).start(), folder, seed)


async def until(fact: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for a fact; on a busy machine two days may take minutes."""
    deadline = time.monotonic() + 300
    while not await fact():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.3)


async def finals(database: Database) -> int:
    """How many charts of the stream are final in the history; none while it does not answer."""
    try:
        return int(await database.fetchval(FINALS))
    except Unreachable:
        return 0


async def expect(database: Database, wanted: dict[Place, tuple[int, Rows]], seed: int) -> None:
    """Every chart there must be, and no other."""
    trends = trends_of({place: rows for place, (_, rows) in wanted.items()})
    archive = Archive(database)
    for place, (plays, rows) in wanted.items():
        chart = await archive.chart(*place)
        assert chart is not None, (seed, place)
        assert chart.plays == plays, (seed, place)
        assert [(e.rank, e.track_id, e.plays) for e in chart.entries] == rows, (seed, place)
        said = [(e.previous_rank, e.movement, e.peak_rank, e.windows_on_chart) for e in chart.entries]
        assert said == trends[place], (seed, place)
    assert await finals(database) == len(wanted), seed


def settings_of(url: str) -> dict[str, str]:
    return {
        "CHARTS_POSTGRES_URL": url,
        "CHARTS_PARTITIONS": str(PARTITIONS),
        "CHARTS_SNAPSHOT_INTERVAL": "2",
    }


@pytest.mark.timeout(900)
async def test_the_history_is_the_truth(
    kafka: str, database: Database, database_url: str, tmp_path: Path
) -> None:
    log_id = f"days{secrets.token_hex(3)}"
    async with counting(kafka, tmp_path, log_id, **settings_of(database_url)) as worker:
        days = simulate(worker, tmp_path)

        async def ended() -> bool:
            return not days.process.alive

        await until(ended, "the simulator ends")
        wanted = days.truth()

        async def written() -> bool:
            return await finals(database) >= len(wanted)

        await until(written, "every chart is in the history")
        await expect(database, wanted, days.seed)
        # Over HTTP it is the same, whether the boards are gone or only going.
        for (region, window), (plays, _) in list(wanted.items())[::97]:
            status, chart = await worker.get(f"/v1/charts/{region}/{window.kind}", at=rfc3339(window.start))
            assert (status, chart["plays"], chart["status"]) == (200, plays, "final")


@pytest.mark.timeout(900)
async def test_a_leader_killed_and_postgres_away_lose_nothing(
    kafka: str, own_server: Postgres, tmp_path: Path
) -> None:
    """The first of two workers leads; it is killed, and Postgres is away while hours and a day end."""
    log_id = f"storm{secrets.token_hex(3)}"
    settings = settings_of(own_server.url())
    first, second = tmp_path / "first", tmp_path / "second"
    async with Database(own_server.url()) as database:
        await migrate(database)
        async with (
            counting(kafka, first, log_id, **settings) as mortal,
            counting(kafka, second, log_id, **settings) as worker,
        ):
            days = simulate(worker, tmp_path)

            async def some_written() -> bool:
                return await finals(database) >= 100

            await until(some_written, "the leader writes")
            os.kill(mortal.process.pid, signal.SIGKILL)

            async def more_written() -> bool:
                return await finals(database) >= 300

            await until(more_written, "the other takes over")
            own_server.stop()

            async def ended() -> bool:
                return not days.process.alive

            # Live charts go on meanwhile.
            status, charts = await worker.get("/v1/charts")
            hour = max(
                c["starts_at"] for c in charts["charts"] if (c["region"], c["window"]) == ("global", "hour")
            )
            status, chart = await worker.get("/v1/charts/global/hour", at=hour)
            assert (status, bool(chart["entries"])) == (200, True)
            await until(ended, "the simulator ends")
            status, ready = await worker.get("/ready")
            assert (status, ready["status"], ready["checks"]["postgres"]["ok"]) == (200, "degraded", False)
            assert "final charts wait to be written" in ready["checks"]["history"]["reason"]
            async with worker.session.get("/metrics") as response:
                metrics = await response.text()
            [waiting] = re.findall(r"^livecharts_snapshots_waiting (\S+)$", metrics, re.MULTILINE)
            assert float(waiting) > 0
            own_server.start()
            own_server.wait()
            wanted = days.truth()

            async def all_written() -> bool:
                return await finals(database) >= len(wanted)

            await until(all_written, "every chart is in the history")
            await expect(database, wanted, days.seed)
