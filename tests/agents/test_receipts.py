"""Receipts: a real worker tells what became of every play it was sent, and rejects nothing in silence."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from charts.play import RECORD_BYTES_MAX, Play
from charts.window import HOUR_MS
from tests.counting import DEADLINE_S, ROOT, Counting, counting

NOW = 1_760_000_000_000 // HOUR_MS * HOUR_MS + 10 * 60_000


@pytest.fixture
async def worker(kafka: str, tmp_path: Path) -> AsyncIterator[Counting]:
    async with counting(kafka, tmp_path, secrets.token_hex(4)) as worker:
        yield worker


async def send(worker: Counting, *values: bytes | None) -> None:
    """Records in the one partition, in this order."""
    topic = f"song-plays-{worker.log_id}"
    async with AIOKafkaProducer(bootstrap_servers=worker.environ["CHARTS_KAFKA_URL"]) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"t", partition=0, timestamp_ms=NOW)


def play(play_id: str, **fields: Any) -> Play:
    given = {"user_id": "u", "track_id": "t", "region": "DE", "played_at": NOW - 60_000, "ms_played": 180_000}
    return Play(play_id=play_id, **{**given, **fields})


async def test_every_record_has_a_receipt_or_a_reason(worker: Counting) -> None:
    first, repeat = play("twice", title="One"), play("twice", title="Another", region="SE")
    await send(
        worker,
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


async def test_rejected_records_keep_their_bytes_and_reason(worker: Counting, kafka: str) -> None:
    late = play("late", played_at=NOW - 5 * HOUR_MS).encode()
    await send(worker, b"\xff\xfe", late, play("good").encode())
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


async def test_a_record_as_large_as_the_broker_takes_holds_nothing_up(worker: Counting, kafka: str) -> None:
    """With the headers of its verdict the whole would be larger than the broker takes."""
    large = b"x" * 1_048_000
    topic = f"song-plays-{worker.log_id}"
    async with AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=4 << 20) as producer:
        await producer.send_and_wait(topic, large, key=b"t", partition=0, timestamp_ms=NOW)
    await send(worker, play("good").encode())
    await worker.counted(2)
    topic = f"song-plays-rejected-{worker.log_id}"
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        async with asyncio.timeout(DEADLINE_S):
            rejected = await consumer.getone()
    assert rejected.value == large[:RECORD_BYTES_MAX]
    assert dict(rejected.headers)["bytes"] == b"1048000"


async def test_metrics_are_documented_and_say_what_the_ledger_says(worker: Counting) -> None:
    await send(worker, play("one").encode(), play("one").encode(), b"{not json")
    await worker.counted(3)
    async with worker.session.get("/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))
    # Families, for some have no sample yet; a counter's samples, and its line in the docs, end in _total.
    told = [family for family in families if not family.name.endswith("_created")]
    names = {f"{f.name}_total" if f.type == "counter" else f.name for f in told}
    documented = re.findall(
        r"^\| `(livecharts_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE
    )
    # Without Postgres there is nothing to wait for.
    assert names == set(documented) - {"livecharts_snapshots_waiting"}
    counts = {
        sample.labels["verdict"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "livecharts_records_total" and sample.value
    }
    assert counts == {"counted": 1, "duplicate": 1, "malformed": 1}
