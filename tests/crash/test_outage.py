"""The object store is away while plays come in: live charts do not notice, and nothing is lost.

Legal while it is away: the lake's worker lives and says that it is not ready; charts are as fresh, and
answered as fast, as before. After it is back: the backlog drains, every record lies in the lake once, and the
worker, the same process, is ready.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession
from aiokafka import AIOKafkaProducer

from charts.settings import Settings
from tables.store import Store, open_store
from tables.zone import Zone
from tests import stores
from tests.counting import Counting, counting
from tests.crash.test_lake_storm import settled
from tests.lake.made import raw_offsets
from tests.lake.worker import Feed, Plant

log = logging.getLogger(__name__)

#: `make crash` asks for five minutes, at a rate that fills more than the worker may hold.
AWAY_S = float(os.environ.get("OUTAGE_S", "20"))
PLAYS_PER_S = int(os.environ.get("OUTAGE_RATE", "1000"))
#: How long is looked before, to compare with.
BEFORE_S = max(10.0, AWAY_S / 6)
_SENDS_PER_S, _LOOKS_PER_S = 5, 20
#: The lake has caught up when it is so many seconds behind the plays: tails are written each second.
BEHIND_S = 5
#: For a worker to start, or to notice.
_NOTICED_S = 180.0
PARTITIONS = 2


@dataclass
class Seen:
    """What a chart's reader sees: how long an answer takes, and how old its counts are, in seconds."""

    answers: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    stale: int = 0

    def __str__(self) -> str:
        answer, age = 1000 * p99(self.answers), 1000 * p99(self.ages)
        count = len(self.answers)
        return f"{count} answers, p99 {answer:.0f} ms, freshness p99 {age:.0f} ms, {self.stale} stale"


def p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]


@pytest.mark.kafka
@pytest.mark.store
@pytest.mark.alone
@pytest.mark.timeout(1200)
async def test_a_store_that_is_away_touches_no_chart_and_costs_no_record(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = stores.new_store(tmp_path)
    for name, value in objects.environ.items():
        monkeypatch.setenv(name, value)
    plant = Plant(kafka, f"{objects.url}/outage", tmp_path, f"outage{secrets.token_hex(3)}", PARTITIONS)
    shared = {"CHARTS_PARTITIONS": str(PARTITIONS), "CHARTS_LAKE_URL": plant.lake_url}
    try:
        stores.start(objects)
        await plant.create()
        async with counting(kafka, tmp_path, plant.log_id, **shared) as worker:
            lake, feed = plant.start(), Feed(plant, seed=1, step_ms=1)
            async with sending(kafka, feed):
                await lake_says(plant, 200)
                before = await look(worker, BEFORE_S)
                async with open_store(Settings(lake_url=plant.lake_url)) as store:
                    held = await reached(store, plant)
                    objects.stop()
                    during = await look(worker, AWAY_S)
                    await lake_says(plant, 503)
                    objects.start()
                    objects.wait()
                    backlog, back = sum(feed.sent) - held, time.monotonic()
                    await lake_says(plant, 200)
                    while sum(feed.sent) - await reached(store, plant) > BEHIND_S * PLAYS_PER_S:
                        assert time.monotonic() - back < AWAY_S + 60, "the backlog does not drain"
                        await asyncio.sleep(0.2)
                    drained_s = time.monotonic() - back
            async with open_store(Settings(lake_url=plant.lake_url)) as store:
                await settled(store, plant, feed)
                for partition, sent in enumerate(feed.sent):
                    full, tail = await raw_offsets(store, plant.log_id, partition)
                    assert full + tail == list(range(sent)), f"partition {partition}"
            assert lake.poll() is None, "the lake's worker died"
            counted = await worker.counted(sum(feed.sent))
            assert sum(counted.values()) == sum(feed.sent)
    finally:
        plant.stop()
        objects.stop()
    log.info("before: %s; store away for %.0f s: %s", before, AWAY_S, during)
    log.info("%d records sent, %d to catch up with: %.1f s", sum(feed.sent), backlog, drained_s)
    assert during.stale == 0, during
    # Twice, and what a busy machine does to one answer in a hundred.
    assert p99(during.answers) < 2 * p99(before.answers) + 0.1, (str(before), str(during))
    assert p99(during.ages) < 2 * p99(before.ages) + 0.5, (str(before), str(during))


@asynccontextmanager
async def sending(kafka: str, feed: Feed) -> AsyncIterator[None]:
    """Plays come in at a steady rate while the block runs."""

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=20) as producer:
            due = time.monotonic()
            while not enough.is_set():
                await feed.send(producer, PLAYS_PER_S // _SENDS_PER_S)
                due += 1 / _SENDS_PER_S
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    enough = asyncio.Event()
    task = asyncio.create_task(send())
    try:
        yield
    finally:
        enough.set()
        await task


async def look(worker: Counting, seconds: float) -> Seen:
    """What a chart's reader sees meanwhile."""
    seen, until = Seen(), time.monotonic() + seconds
    while (asked := time.monotonic()) < until:
        status, chart = await worker.get("/v1/charts/global/hour", limit=10)
        if status != 404:  # nothing was counted yet
            assert status == 200, chart
            seen.answers.append(time.monotonic() - asked)
            seen.ages.append(chart["freshness_ms"] / 1000)
            seen.stale += chart["stale"]
        await asyncio.sleep(max(0.0, asked + 1 / _LOOKS_PER_S - time.monotonic()))
    return seen


async def lake_says(plant: Plant, status: int) -> None:
    """Wait until the lake's worker calls itself ready, or not."""
    async with asyncio.timeout(_NOTICED_S), ClientSession(plant.url) as session:
        while True:
            with contextlib.suppress(ClientError):
                async with session.get("/ready") as answer:
                    if answer.status == status:
                        return
            await asyncio.sleep(0.2)


async def reached(store: Store, plant: Plant) -> int:
    """How many records are in the lake."""
    zone = Zone(store, plant.log_id)
    return sum([await zone.reach(partition) for partition in range(PARTITIONS)])
