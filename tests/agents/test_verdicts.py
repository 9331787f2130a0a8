"""Verdicts on a real worker: whatever arrives, wherever it lands, and when the rules change."""

import random
import secrets
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from charts.play import Play
from charts.window import DAY_MS, HOUR_MS, rfc3339
from tests.counting import Counting, counting

NOON = 1_760_000_000_000 // DAY_MS * DAY_MS + 12 * HOUR_MS
PARTITIONS = 4
PLAYS = 100_000


def play(number: int, **fields: Any) -> Play:
    given = {
        "user_id": "u",
        "track_id": "t",
        "region": "DE",
        "played_at": NOON + 60_000,
        "ms_played": 180_000,
    }
    return Play(play_id=f"p{number}", **{**given, **fields})


async def chart(worker: Counting, at: int) -> tuple[int, int, dict[str, int]]:
    """Plays, tracks and the counts of the first thousand of the global hour."""
    status, found = await worker.get("/v1/charts/global/hour", at=rfc3339(at), limit=1000)
    assert status == 200, found
    return found["plays"], found["tracks"], {row["track_id"]: row["plays"] for row in found["entries"]}


async def test_plays_count_wherever_their_producer_put_them(kafka: str, tmp_path: Path) -> None:
    """librdkafka hashes keys by CRC32, and spreads plays without keys: most land away from home."""
    log_id = secrets.token_hex(4)
    tracks = np.random.default_rng(5).zipf(1.3, 2 * PLAYS) % 900
    settings = {"CHARTS_PARTITIONS": str(PARTITIONS), "CHARTS_TOP_N": "1000"}
    async with counting(kafka, tmp_path, log_id, **settings) as worker:
        producer = Producer({"bootstrap.servers": kafka, "queue.buffering.max.messages": 2 * PLAYS})
        topic = f"song-plays-{log_id}"
        for number, track in enumerate(tracks.tolist()):
            value = play(number, track_id=f"t{track}").encode()
            key = f"t{track}" if number < PLAYS else None
            producer.produce(topic, value, key=key, timestamp=NOON + 120_000)
            producer.poll(0)
        assert producer.flush(60) == 0
        ledger = await worker.counted(2 * PLAYS)
        ledger = await worker.counted(2 * PLAYS + ledger.get("forwarded", 0))
        truth = Counter(f"t{track}" for track in tracks.tolist())
        while ledger["counted"] < 2 * PLAYS:
            ledger = await worker.counted(sum(ledger.values()) + 1)
        assert ledger == {"counted": 2 * PLAYS, "forwarded": ledger["forwarded"]}
        assert ledger["forwarded"] > PLAYS
        assert await chart(worker, NOON) == (2 * PLAYS, len(truth), truth)


async def test_arbitrary_bytes_never_stop_the_count(kafka: str, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    dice, log_id = random.Random(seed), secrets.token_hex(4)
    good = play(0).encode()
    strange = [
        lambda: dice.randbytes(dice.randrange(1, 300)),
        lambda: good[: dice.randrange(1, len(good))],
        lambda: bytes(byte ^ (dice.random() < 0.02) * dice.randrange(256) for byte in good),
        lambda: b"[" * dice.randrange(1, 5_000),
        lambda: b'{"play_id":' + b'{"a":' * dice.randrange(1, 2_000),
        lambda: good.replace(b"180000", str(dice.randrange(-(10**30), 10**30)).encode()),
        lambda: good.replace(b'"DE"', dice.choice([b"NaN", b"null", b'"de"', b"1e999", b'"D\\u0000"'])),
        lambda: b"",
        lambda: b"{}" * dice.randrange(1, 5),
        lambda: b"\n" * dice.randrange(1, 50) + good,
        lambda: None,
        lambda: b'{"x":"' + b"y" * 900_000 + b'"}' if dice.random() < 0.02 else b"null",
    ]
    async with (
        counting(kafka, tmp_path, log_id) as worker,
        AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=2_000_000) as producer,
    ):
        sent = 0
        for _ in range(1_500):
            value = dice.choice(strange)()
            await producer.send(f"song-plays-{log_id}", value, key=b"k", timestamp_ms=NOON + 120_000)
            sent += 1
        await producer.flush()
        before = await worker.counted(sent)
        assert sum(before.values()) == sent
        for number in range(100):
            value = play(number + 10, track_id="after").encode()
            await producer.send(f"song-plays-{log_id}", value, key=b"k", timestamp_ms=NOON + 120_000)
        await producer.flush()
        after = await worker.counted(sent + 100)
        assert sum(after.values()) == sent + 100
        assert after["counted"] == before.get("counted", 0) + 100
        assert (await chart(worker, NOON))[2]["after"] == 100


async def test_new_thresholds_hold_from_the_next_day_on(kafka: str, tmp_path: Path) -> None:
    """Two workers restarted one by one at noon: no verdict of that day changes."""
    log_id = secrets.token_hex(4)
    brief = {"ms_played": 45_000}

    async def send(producer: AIOKafkaProducer, first: int, played_at: int) -> None:
        for number in range(first, first + 20):
            value = play(number, track_id=f"t{number}", played_at=played_at, **brief).encode()
            stamp, key = played_at + 60_000, f"t{number}".encode()
            await producer.send_and_wait(f"song-plays-{log_id}", value, key=key, timestamp_ms=stamp)

    old = {"CHARTS_PARTITIONS": "2", "CHARTS_BOARDS_KEPT": "864000"}
    new = {**old, "CHARTS_SHORTEST": "60"}
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        async with counting(kafka, tmp_path / "a", log_id, **old) as first:
            async with counting(kafka, tmp_path / "b", log_id, **old):
                await send(producer, 0, NOON)
                assert await first.counted(20) == {"counted": 20}
            async with counting(kafka, tmp_path / "b", log_id, **new) as restarted:
                await send(producer, 100, NOON + HOUR_MS)
                assert await restarted.counted(40) == {"counted": 40}
        async with counting(kafka, tmp_path / "a", log_id, **new) as last:
            await send(producer, 200, NOON + 2 * HOUR_MS)
            assert await last.counted(60) == {"counted": 60}
            await send(producer, 300, NOON + DAY_MS)
            whole = play(400, played_at=NOON + DAY_MS).encode()
            stamp = NOON + DAY_MS + 60_000
            await producer.send_and_wait(f"song-plays-{log_id}", whole, key=b"t", timestamp_ms=stamp)
            assert await last.counted(81) == {"counted": 61, "short": 20}
            _, today = await last.get("/v1/charts/global/day", at=rfc3339(NOON))
            _, tomorrow = await last.get("/v1/charts/global/day", at=rfc3339(NOON + DAY_MS))
            assert today["rules"] != tomorrow["rules"]
