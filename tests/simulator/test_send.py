"""Sending: what lies in the log is what was made, in order, and its truth follows from the log alone."""

import asyncio
import os
import signal
import sys
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from click.testing import CliRunner

from charts.run import TICK_HEADER
from charts.settings import settings
from charts.window import DAY_MS, HOUR_MS, MINUTE_MS, parse_time, rfc3339
from cli import main
from simulator.drive import Pace, Progress, drive
from simulator.listeners import Listeners
from simulator.preload import preload
from simulator.send import KafkaSender, create_topic
from simulator.world import World
from tests.simulator.running import DEADLINE_S, ROOT, simulate

START = "2026-11-21T22:00:00Z"
FAULTS = {"duplicates": 0.08, "late": 0.05, "early": 0.04, "short": 0.03, "malformed": 0.02}

Log = dict[int, list[ConsumerRecord]]


async def read_log(url: str, topic: str, partitions: int, count: int) -> Log:
    """All records of a topic, by partition."""
    log: Log = {partition: [] for partition in range(partitions)}
    consumer = AIOKafkaConsumer(bootstrap_servers=url, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in log])
        async with asyncio.timeout(DEADLINE_S):
            while sum(map(len, log.values())) < count:
                for place, records in (await consumer.getmany(timeout_ms=500)).items():
                    log[place.partition] += records
    finally:
        await consumer.stop()
    return log


def is_play(value: bytes) -> bool:
    """Brute force: every rule of the wire, as a sentence."""
    try:
        play = orjson.loads(value)
        texts = [play[name] for name in ("play_id", "user_id", "track_id", "region")]
        numbers = [play[name] for name in ("played_at", "ms_played")]
    except (ValueError, KeyError, TypeError):
        return False
    return (
        all(isinstance(text, str) and text for text in texts)
        and (len(texts[3]), texts[3].isupper()) == (2, True)
        and all(isinstance(number, int) and number >= 0 for number in numbers)
    )


def brute_force(log: Log) -> tuple[dict[int, str], dict[tuple[str, str, str], Counter[str]]]:
    """The verdicts and charts of a log, from its bytes alone."""
    verdicts: dict[int, str] = {}
    charts: dict[tuple[str, str, str], Counter[str]] = {}
    for partition, records in log.items():
        told = ""
        first: dict[tuple[str, str, int], int] = {}
        stream_time = list(accumulate((record.timestamp for record in records), max))
        for row, (record, now) in enumerate(zip(records, stream_time, strict=True)):
            if any(name == TICK_HEADER for name, _ in record.headers):
                told += "t"
                continue
            if not is_play(record.value):
                told += "m"
                continue
            play = orjson.loads(record.value)
            at = play["played_at"]
            hour_end = (at // HOUR_MS + 1) * HOUR_MS
            if at - now > 5 * MINUTE_MS:
                told += "e"
            elif now - hour_end > 2 * HOUR_MS:
                told += "l"
            elif play["ms_played"] < 30_000:
                told += "s"
            elif first.setdefault((play["track_id"], play["play_id"], at // HOUR_MS), row) != row:
                told += "d"
            else:
                told += "c"
                for region in (play["region"], "global"):
                    for kind, start in (("hour", hour_end - HOUR_MS), ("day", at // DAY_MS * DAY_MS)):
                        chart = charts.setdefault((region, kind, rfc3339(start)), Counter())
                        chart[play["track_id"]] += 1
        verdicts[partition] = told
    return verdicts, charts


def charts_of(truth: dict[str, Any]) -> dict[tuple[str, str, str], Counter[str]]:
    return {
        (region, kind, start): Counter(window["tracks"])
        for region, kinds in truth["charts"].items()
        for kind, windows in kinds.items()
        for start, window in windows.items()
    }


async def test_the_truth_follows_from_the_log_alone(kafka: str, topic_name: str, tmp_path: Path) -> None:
    options = [
        "--total",
        "12000",
        "--seed",
        "7",
        "--start",
        START,
        "--rate",
        "1000",
        "--speed",
        "900",
        "--burst",
    ]
    options += ["--topic", topic_name, "--create", "--partitions", "3", "--tracks", "500", "--regions", "5"]
    options += ["--clock", "--settle", "7200", "--truth", str(tmp_path / "truth.json")]
    options += [part for name, share in FAULTS.items() for part in (f"--{name}", str(share))]
    code, said = await simulate({"CHARTS_KAFKA_URL": kafka}, *options)
    assert code == 0, said
    truth = orjson.loads((tmp_path / "truth.json").read_bytes())
    assert truth["ledger"]["counted"] > 8_000
    assert len(truth["ledger"]) == 7, "every verdict is among them"

    log = await read_log(kafka, topic_name, 3, sum(truth["ledger"].values()))
    verdicts, charts = brute_force(log)
    assert {part["partition"]: part["verdicts"] for part in truth["log"]} == verdicts
    assert [part["first_offset"] for part in truth["log"]] == [0, 0, 0]
    assert charts_of(truth) == charts


async def test_the_same_seed_makes_the_same_log(kafka: str, topic_name: str) -> None:
    world = World(seed=9, start=parse_time(START), step_ms=300, tracks=100, partitions=2, ticks=True)
    logs = []
    for number in range(2):
        topic = f"{topic_name}-{number}"
        await create_topic(kafka, topic, 2)
        progress = await preload(kafka, topic, world, 3_000, settle_ms=1)
        assert progress.clock == world.clock(2_999) + 1
        logs.append(await read_log(kafka, topic, 2, progress.taken))
    first, second = (
        {
            partition: [(r.timestamp, r.key, r.value, r.headers) for r in records]
            for partition, records in log.items()
        }
        for log in logs
    )
    assert first == second
    last = [records[-1] for records in first.values()]
    assert last == [(world.clock(2_999) + 1, None, None, ((TICK_HEADER, b""),))] * 2


async def test_a_log_that_others_write_to_has_no_truth(kafka: str, topic_name: str) -> None:
    await create_topic(kafka, topic_name, 1)
    listeners = Listeners(World(tracks=10, partitions=1))
    pieces = [piece for whole in listeners.records(20) for piece in (whole.cut(0, 10), whole.cut(10, 20))]
    async with KafkaSender(kafka, topic_name) as sender, AIOKafkaProducer(bootstrap_servers=kafka) as other:
        await sender.send(pieces[0])
        await sender.flush()
        assert sender.in_order
        await other.send_and_wait(topic_name, b"mine", partition=0)
        await sender.send(pieces[1])
        await sender.flush()
        assert (sender.sent, sender.failed, sender.in_order) == (20, 0, False)


async def test_a_paced_drive_keeps_its_pace_and_stops_when_asked(kafka: str, topic_name: str) -> None:
    """Two simulated seconds in a fifth of one; then an hour's worth, ended at once."""
    await create_topic(kafka, topic_name, 2)
    listeners = Listeners(World(step_ms=10, tracks=50, partitions=2))
    async with KafkaSender(kafka, topic_name) as sender:
        progress, stop = Progress(), asyncio.Event()
        await drive(listeners, sender, Pace(1000, speed_ms=10_000), progress, stop, total=200)
        assert progress.elapsed_s >= 0.199
        assert sender.sent == 200
        asyncio.get_running_loop().call_later(0.05, stop.set)
        await asyncio.wait_for(drive(listeners, sender, Pace(1, speed_ms=10), progress, stop), DEADLINE_S)
        assert sender.failed == 0


async def test_a_terminated_simulator_sends_what_it_has_and_sums_up(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    await create_topic(kafka, topic_name, 2)
    environ = {"PATH": os.defpath, "CHARTS_KAFKA_URL": kafka}
    options = ["--topic", topic_name, "--rate", "200", "--tracks", "50", "--clock", "--start", START]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", *options, "--truth", str(tmp_path / "truth.json")),
        cwd=ROOT,
        env=environ,
        stderr=asyncio.subprocess.PIPE,
    )
    await read_log(kafka, topic_name, 2, 50)
    process.send_signal(signal.SIGTERM)
    _, said = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 0, said
    ledger = orjson.loads((tmp_path / "truth.json").read_bytes())["ledger"]
    log = await read_log(kafka, topic_name, 2, sum(ledger.values()))
    assert sum(map(len, log.values())) == sum(ledger.values())
    assert {records[-1].headers for records in log.values()} == {((TICK_HEADER, b""),)}


@pytest.mark.parametrize(
    ("options", "code", "line"),
    [
        (["--late", "2"], 2, "--late"),
        (["--late", "0.6", "--short", "0.6"], 2, "fractions of faults"),
        (["--regions", "de"], 2, "regions are"),
        (["--start", "never"], 2, "not an RFC 3339 time"),
        (["--http", "http://127.0.0.1:1"], 2, "needs an API token"),
        (["--http", "http://127.0.0.1:1", "--token", "x"], 3, "http://127.0.0.1:1"),
        (["--http", "http://127.0.0.1:1", "--token", "x", "--clock"], 2, "no ticks"),
        (["--settle", "5"], 2, "--clock"),
        ([], 3, "Kafka at 127.0.0.1:1"),
    ],
)
def test_what_cannot_work_ends_with_a_line_and_a_code(
    options: list[str],
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CHARTS_KAFKA_URL", "127.0.0.1:1")
    settings.cache_clear()
    try:
        ended = CliRunner().invoke(main, ["simulate", *options, "--total", "5"])
    finally:
        settings.cache_clear()
    assert ended.exit_code == code, ended.output
    assert isinstance(ended.exception, SystemExit), "no traceback"
    assert line in ended.output + capfd.readouterr().err


async def test_a_topic_of_another_size_is_refused(kafka: str, topic_name: str) -> None:
    await create_topic(kafka, topic_name, 2)
    code, said = await simulate(
        {"CHARTS_KAFKA_URL": kafka}, "--topic", topic_name, "--partitions", "3", "--total", "5"
    )
    assert code == 2
    assert "has 2 partitions, not 3" in said
