"""The machine's clock jumps by hours while a worker counts: no window closes early, and no play is lost.

The clock is libfaketime's, in the worker alone; what passes since the start passes as it does.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from charts.play import Play
from charts.window import HOUR_MS, parse_time
from tests.counting import DEADLINE_S, ROOT, Counting, counting

#: The system's, or what `.ci/tools` brings.
LIBRARIES = [
    *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
    *ROOT.glob("build/tools/libfaketime.so.1"),
]
#: A partition that is quiet for a minute is at the wall clock less a minute.
QUIET_S = 62.0


@pytest.mark.crash
@pytest.mark.timeout(400)
@pytest.mark.skipif(not LIBRARIES, reason="no libfaketime here: .ci/tools brings it")
@pytest.mark.parametrize("jump", ["+4h", "-4h"])
async def test_a_clock_that_jumps(kafka: str, tmp_path: Path, topic_name: str, jump: str) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0")
    faked = {
        "CHARTS_CLOCK": "wall",
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    async with counting(kafka, tmp_path, topic_name.replace("-", "")[-20:], **faked) as worker:
        started = time.time()
        await send(worker, "before")
        await worker.counted(1)
        await eventually(worker, lambda head: parse_time(head["clock"]) > (started + 1) * 1000)
        offset.write_text(jump)
        await asyncio.sleep(5)
        _, told = await worker.get("/v1/partitions")
        assert parse_time(told["partitions"][0]["clock"]) <= time.time() * 1000
        await send(worker, "after")
        await worker.counted(2)
        status, chart = await worker.get("/v1/charts/global/day")
        assert status == 200
        hour = (await worker.get("/v1/charts/global/hour"))[1]
        assert hour["status"] == "open"
        assert (chart["status"], chart["plays"]) == ("open", 2)
        offset.write_text("+0")
        await send(worker, "right again")
        await worker.counted(3)
        await eventually(worker, lambda head: parse_time(head["stream_time"]) > started * 1000)
        assert (await worker.get("/v1/charts/global/day"))[1]["plays"] == 3


async def send(worker: Counting, play_id: str) -> None:
    """A play of now, by our clock."""
    now = time.time_ns() // 1_000_000
    play = Play(play_id, "u", "t", "DE", now - now % HOUR_MS, 60_000)
    async with AIOKafkaProducer(bootstrap_servers=worker.environ["CHARTS_KAFKA_URL"]) as producer:
        await producer.send_and_wait(
            f"song-plays-{worker.log_id}", play.encode(), partition=0, timestamp_ms=now
        )


async def eventually(worker: Counting, fact: Callable[[dict[str, Any]], bool]) -> None:
    """Wait for something the head says."""
    deadline = time.monotonic() + QUIET_S + DEADLINE_S
    while True:
        status, told = await worker.get("/v1/partitions")
        if status == 200 and fact(told["partitions"][0]):
            return
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.5)
