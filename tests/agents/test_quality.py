"""The quality monitor on a real worker and a real Postgres: all is well, and planted faults are found."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from charts.board import HEAD_KEY, Board, board_key
from charts.head import Head
from charts.play import Play
from charts.run import TICK_HEADER
from charts.selection import Basis
from charts.window import HOUR_MS, Window, rfc3339
from tables.jobs import Jobs
from tables.postgres import Database
from tables.rows import epoch_ms, moment
from tests.counting import DEADLINE_S, Counting, counting

#: 2026-11-20 21:00 UTC: three hours before midnight.
START = 1_795_208_400_000
DAY = Window.at("day", START)
LAST = START + 8 * HOUR_MS


@pytest.fixture
async def worker(kafka: str, tmp_path: Path, database_url: str, topic_name: str) -> AsyncIterator[Counting]:
    there = {"CHARTS_POSTGRES_URL": database_url, "CHARTS_QUALITY_INTERVAL": "0.3"}
    async with counting(kafka, tmp_path, topic_name.replace("-", "")[-20:], **there) as worker:
        yield worker


async def send(worker: Counting, *records: tuple[bytes, int]) -> None:
    """Values with their timestamps; an empty one is a tick."""
    async with AIOKafkaProducer(bootstrap_servers=worker.environ["CHARTS_KAFKA_URL"]) as producer:
        for value, stamp in records:
            headers = [] if value else [(TICK_HEADER, b"1")]
            await producer.send(
                f"song-plays-{worker.log_id}", value, partition=0, timestamp_ms=stamp, headers=headers
            )
        await producer.flush()


def plays(start: int, end: int) -> list[tuple[bytes, int]]:
    """A play every ten minutes, of a few tracks in two regions."""
    return [
        (Play(f"{at}", "u", f"t{at % 7}", "DE" if at // 600_000 % 3 else "SE", at, 60_000).encode(), at)
        for at in range(start, end, HOUR_MS // 6)
    ]


async def found(worker: Counting, **faults: str) -> None:
    """Wait until a look finds these checks, and no others, at fault, with these words in their faults."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        status, look = await worker.get("/v1/quality")
        if status == 200:
            odd = {check["name"]: " ".join(check["faults"]) for check in look["checks"] if not check["ok"]}
            if odd.keys() == faults.keys() and all(faults[name] in odd[name] for name in odd):
                assert look["ok"] == (not faults)
                return
        assert time.monotonic() < deadline, look
        await asyncio.sleep(0.05)


async def all_is_well(worker: Counting) -> None:
    await found(worker)


async def finals(database: Database) -> dict[Window, int]:
    """The final hours of the world."""
    rows = await database.fetch(
        "SELECT starts_at, plays FROM chart_snapshots "
        "WHERE region = 'global' AND window_kind = 'hour' AND status = 'final'"
    )
    return {Window("hour", epoch_ms(row["starts_at"])): row["plays"] for row in rows}


async def test_planted_faults_are_found_and_what_is_mended_is_well(
    worker: Counting, database: Database
) -> None:
    sent = plays(START, LAST)
    await send(worker, *sent, (b"", LAST))
    await worker.counted(len(sent) + 1)
    async with asyncio.timeout(DEADLINE_S):
        while len(hours := await finals(database)) < 5:
            await asyncio.sleep(0.1)
    await all_is_well(worker)
    async with worker.session.get("/metrics") as response:
        assert 'livecharts_quality_faults{check="history"} 0.0' in await response.text()

    # A chart of the history that somebody changed.
    first = rfc3339(min(hours).start)
    change = "UPDATE chart_snapshots SET plays = plays + $1 WHERE region = 'DE' AND starts_at = $2"
    await database.execute(change, 1, moment(min(hours).start))
    await found(worker, history=f"global hour {first}: 6 plays, the sum of regions is 7")
    async with worker.session.get("/metrics") as response:
        assert 'livecharts_quality_faults{check="history"} 0.0' not in await response.text()
    await database.execute(change, -1, moment(min(hours).start))
    await all_is_well(worker)

    # A day that was never written.
    day = "region = 'SE' AND window_kind = 'day' AND status = 'final'"
    await database.execute(f"CREATE TABLE kept AS SELECT * FROM chart_snapshots WHERE {day}")
    await database.execute(f"DELETE FROM chart_snapshots WHERE {day}")
    await found(worker, snapshots="SE day 2026-11-20T00:00:00Z: its hours", history="the sum of regions")
    await database.execute("INSERT INTO chart_snapshots SELECT * FROM kept")
    await all_is_well(worker)

    # A lake that is whole, counts otherwise, and is behind.
    jobs = Jobs(database)
    for hour, count in hours.items():
        async with jobs.job("curate", hour.start, Basis(worker.log_id)) as job:
            job.rows_out = count
    await all_is_well(worker)
    await database.execute("UPDATE lake_jobs SET rows_out = 5 WHERE starts_at = $1", moment(min(hours).start))
    await found(worker, lake=f"{first}: 5 plays in the lake, 6 in the history")
    await database.execute("UPDATE lake_jobs SET rows_out = 6 WHERE starts_at = $1", moment(min(hours).start))
    second = moment(min(hours).next.start)
    await database.execute("DELETE FROM lake_jobs WHERE starts_at = $1", second)
    await found(worker, lake="T22:00:00Z: final, and not curated")
    await database.execute("DELETE FROM lake_jobs")
    await all_is_well(worker)


async def test_boards_and_heads_that_lie_are_found(worker: Counting) -> None:
    sent = plays(START, START + HOUR_MS)
    await send(worker, *sent)
    await worker.counted(len(sent))
    await all_is_well(worker)
    _, told = await worker.get("/v1/partitions")
    applied = told["partitions"][0]["applied"]

    # The board of a region that says more than its tracks.
    lie = Board(applied, 99, 1, (("t1", 99, None, None),)).encode()
    await publish(worker, board_key("SE", DAY), lie)
    await found(
        worker, boards="partition 0, global day 2026-11-20T00:00:00Z: 6 plays, the sum of regions is 103"
    )

    # A head that claims what it has no verdicts for, and then falls silent.
    head = Head(0, applied + 7, 0, 0, 0, {"counted": applied}, {}, time.time_ns() // 1_000_000, "http://x")
    await publish(worker, HEAD_KEY, head.encode())
    await found(
        worker,
        ledger=f"partition 0: {applied} verdicts for {applied + 8} records",
        boards="the sum of regions is 103",
        freshness="partition 0: silent for",
    )


async def publish(worker: Counting, key: bytes, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=worker.environ["CHARTS_KAFKA_URL"]) as producer:
        await producer.send_and_wait(f"chart-boards-{worker.log_id}", value, key, partition=0)
