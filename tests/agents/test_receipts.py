"""Receipts: a real worker tells what became of every play it was sent, and rejects nothing in silence."""

import asyncio
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from charts.play import Play
from charts.window import HOUR_MS
from simulator.process import Process
from simulator.servers import free_ports

ROOT = Path(__file__).parents[2]
#: Joining, recovery and a flush, on a machine that has other things to do.
DEADLINE_S = 60.0
NOW = 1_760_000_000_000 // HOUR_MS * HOUR_MS + 10 * 60_000


class Worker:
    """A worker on a log of its own, and a client of it."""

    def __init__(self, url: str, log_id: str, session: ClientSession, producer: AIOKafkaProducer) -> None:
        self.url, self.log_id, self.session, self.producer = url, log_id, session, producer

    async def send(self, *values: bytes | None, at: int = NOW) -> None:
        """Records in the one partition, in this order."""
        for value in values:
            topic = f"song-plays-{self.log_id}"
            await self.producer.send_and_wait(topic, value, key=b"t", partition=0, timestamp_ms=at)

    async def get(self, path: str, **query: str) -> tuple[int, Any]:
        try:
            async with self.session.get(self.url + path, params=query) as response:
                return response.status, await response.json()
        except ClientError:
            return 0, {}

    async def counted(self, records: int) -> dict[str, int]:
        """The ledger, once it holds so many records."""
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            status, ledger = await self.get("/v1/ledger")
            if status == 200 and ledger["records"] >= records:
                return {verdict: count for verdict, count in ledger["verdicts"].items() if count}
            await asyncio.sleep(0.1)
        raise AssertionError(f"the worker did not take in {records} records")


@pytest.fixture
async def worker(kafka: str, tmp_path: Path) -> AsyncIterator[Worker]:
    log_id, (port,) = secrets.token_hex(4), free_ports(1)
    environ = {
        **os.environ,
        "CHARTS_BROKER": "tansu",
        "CHARTS_CLOCK": "log",
        "CHARTS_DATA_DIR": str(tmp_path / "data"),
        "CHARTS_FLUSH_INTERVAL": "0.2",
        "CHARTS_KAFKA_URL": kafka,
        "CHARTS_LOG_ID": log_id,
        "CHARTS_PARTITIONS": "1",
        "CHARTS_POSTGRES_URL": "",
        "CHARTS_PUBLIC_READ": "true",
        "CHARTS_RATE_READ": "0",
        "CHARTS_WEB_PORT": str(port),
    }
    command = [sys.executable, "-m", "faust", "-A", "faust_app", "worker"]
    process = Process("worker", command, tmp_path / "worker.log", environ=environ, folder=ROOT)
    process.start()
    try:
        async with ClientSession() as session, AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            worker = Worker(f"http://127.0.0.1:{port}", log_id, session, producer)
            await worker.counted(0)
            yield worker
    finally:
        process.stop()


def play(play_id: str, **fields: Any) -> Play:
    given = {"user_id": "u", "track_id": "t", "region": "DE", "played_at": NOW - 60_000, "ms_played": 180_000}
    return Play(play_id=play_id, **{**given, **fields})


async def test_every_record_has_a_receipt_or_a_reason(worker: Worker) -> None:
    first, repeat = play("twice", title="One"), play("twice", title="Another", region="SE")
    await worker.send(
        first.encode(),
        repeat.encode(),
        play("short", ms_played=29_999).encode(),
        play("late", played_at=NOW - 5 * HOUR_MS).encode(),
        play("early", played_at=NOW + 5 * 60_000 + 1).encode(),
        b"{not json",
        None,
    )
    assert await worker.counted(7) == {
        "counted": 1,
        "duplicate": 1,
        "short": 1,
        "late": 1,
        "early": 1,
        "malformed": 2,
    }

    status, receipt = await worker.get("/v1/plays/twice", track_id="t")
    assert status == 200
    assert (receipt["verdict"], receipt["partition"], receipt["offset"]) == ("counted", 0, 0)
    assert [(trace["offset"], trace["verdict"]) for trace in receipt["records"]] == [
        (0, "counted"),
        (1, "duplicate"),
    ]
    assert receipt["play"]["title"] == "One"
    assert {(window["region"], window["window"]) for window in receipt["windows"]} == {
        ("DE", "hour"),
        ("DE", "day"),
        ("global", "hour"),
        ("global", "day"),
    }
    for verdict in ("short", "late", "early"):
        status, receipt = await worker.get(f"/v1/plays/{verdict}", track_id="t")
        assert (status, receipt["verdict"], receipt["windows"]) == (200, verdict, [])
    assert (await worker.get("/v1/plays/twice", track_id="other"))[0] == 404


async def test_rejected_records_keep_their_bytes_and_reason(worker: Worker, kafka: str) -> None:
    late = play("late", played_at=NOW - 5 * HOUR_MS).encode()
    await worker.send(b"\xff\xfe", late, play("good").encode())
    await worker.counted(3)
    topic = f"song-plays-rejected-{worker.log_id}"
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        async with asyncio.timeout(DEADLINE_S):
            rejected = [await consumer.getone() for _ in range(2)]
    assert [record.value for record in rejected] == [b"\xff\xfe", late]
    headers = [{name: value.decode() for name, value in record.headers} for record in rejected]
    assert headers == [
        {"verdict": "malformed", "reason": "no JSON object", "source-partition": "0", "source-offset": "0"},
        {
            "verdict": "late",
            "reason": "came after its hour was closed",
            "source-partition": "0",
            "source-offset": "1",
        },
    ]
