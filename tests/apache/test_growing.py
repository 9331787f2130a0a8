"""Growing from four partitions to eight while everything runs, across a day boundary: no count moves.

A day of plays before, while and after the topics grow; the next day by the new rules; repeats of the first
day's plays, which producers now spread over eight partitions; then every chart against what was sent.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from charts.errors import BadRequest, BadSettings
from charts.home import home_of
from charts.play import Play
from charts.run import TICK_HEADER
from charts.settings import Settings
from charts.window import DAY_MS, HOUR_MS, MINUTE_MS, Window, rfc3339
from simulator.ports import free_ports
from tables.growing import grow
from tables.topics import changelog, create_topics, partitions_of
from tests.brokers import on_apache
from tests.counting import DEADLINE_S, Counting, counting

pytestmark = on_apache

BEFORE, AFTER = 4, 8
#: The last hours of a day, and the first of the next; rules are announced a quarter of an hour ahead.
EVENING = 20_500 * DAY_MS + 20 * HOUR_MS
MIDNIGHT = 20_501 * DAY_MS
TRACKS = 60
REGIONS = ("DE", "SE")
#: A worker back within it keeps its partitions.
SESSION = {"CHARTS_SESSION_TIMEOUT": "45"}


def made(start_ms: int, count: int, name: str) -> list[Play]:
    """Plays through an hour and a half."""
    step = 90 * MINUTE_MS // count
    return [
        Play(
            f"{name}{n}",
            "u",
            f"track-{n * n % TRACKS}",
            REGIONS[n % 2],
            start_ms + n * step,
            60_000,
            title="T",
        )
        for n in range(count)
    ]


class Log:
    """The plays topic, as producers that hash keys over whatever partitions there are see it."""

    def __init__(self, kafka: str, log_id: str) -> None:
        self.topic = f"song-plays-{log_id}"
        self.producer = AIOKafkaProducer(bootstrap_servers=kafka, metadata_max_age_ms=500)
        self.records = 0
        self.landed: set[int] = set()

    async def send(self, plays: list[Play], now_ms: int | None = None) -> None:
        futures = [
            await self.producer.send(
                self.topic, play.encode(), key=play.track_id.encode(), timestamp_ms=now_ms or play.played_at
            )
            for play in plays
        ]
        self.landed |= {sent.partition for sent in await asyncio.gather(*futures)}
        self.records += len(plays)

    async def tick(self, now_ms: int, partitions: int) -> None:
        for partition in range(partitions):
            header = [(TICK_HEADER, b"1")]
            await self.producer.send_and_wait(
                self.topic, b"", partition=partition, timestamp_ms=now_ms, headers=header
            )
        self.records += partitions


@pytest.fixture
async def log(kafka: str) -> AsyncIterator[Log]:
    log = Log(kafka, secrets.token_hex(4))
    await log.producer.start()
    yield log
    await log.producer.stop()


def truth(plays: list[Play]) -> dict[tuple[str, Window], Counter[str]]:
    charts: dict[tuple[str, Window], Counter[str]] = {}
    for play in {(play.track_id, play.play_id): play for play in plays}.values():
        for window in (Window.at("hour", play.played_at), Window.at("day", play.played_at)):
            for region in (play.region, "global"):
                charts.setdefault((region, window), Counter())[play.track_id] += 1
    return charts


async def until_counted(worker: Counting, plays: int) -> dict[str, int]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            _, ledger = await worker.get("/v1/ledger")
            verdicts: dict[str, int] = ledger.get("verdicts", {})
            if verdicts.get("counted", 0) >= plays:
                return verdicts
            await asyncio.sleep(0.1)


async def until_owned(worker: Counting, partitions: int) -> None:
    """Every partition has an owner that says so."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            _, found = await worker.get("/v1/partitions")
            heads = found.get("partitions", [])
            if len(heads) == partitions and all(head["freshness_ms"] < 3_000 for head in heads):
                return
            await asyncio.sleep(0.1)


async def until_ruled(kafka: str, log_id: str) -> None:
    """The rules of the coming day are out."""
    topic = f"chart-boards-{log_id}"
    async with AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        async with asyncio.timeout(DEADLINE_S):
            async for record in consumer:
                if record.key == b"rules/" + rfc3339(MIDNIGHT)[:10].encode():
                    return


@pytest.mark.kafka
@pytest.mark.timeout(400)
async def test_a_running_system_grows_across_midnight(kafka: str, log: Log, tmp_path: Path) -> None:
    log_id = log.topic.removeprefix("song-plays-")
    ports = [str(port) for port in free_ports(2)]

    def worker(name: str, port: str, partitions: int) -> Any:
        own = {"CHARTS_WEB_PORT": port, "CHARTS_INSTANCE": name, "CHARTS_PARTITIONS": str(partitions)}
        return counting(kafka, tmp_path / name, log_id, **own, **SESSION)

    settings = Settings(kafka_url=kafka, log_id=log_id, clock="log", partitions=BEFORE)
    first = made(EVENING, 900, "a")
    second = made(EVENING + 90 * MINUTE_MS, 900, "b")
    third = made(MIDNIGHT, 900, "c")
    async with AsyncExitStack() as old:
        a = await old.enter_async_context(worker("a", ports[0], BEFORE))
        b = await old.enter_async_context(worker("b", ports[1], BEFORE))
        await until_owned(a, BEFORE)
        await log.send(first)
        await until_counted(b, len(first))
        assert log.landed == set(range(BEFORE))

        sending = asyncio.create_task(log.send(second[:300]))
        await grow(settings, AFTER, print)
        await sending
        while len(await log.producer.partitions_for(log.topic)) < AFTER:
            await asyncio.sleep(0.1)
        await log.send(second[300:])
        assert log.landed == set(range(AFTER))
        await until_owned(a, AFTER)
        verdicts = await until_counted(b, len(first) + len(second))
        assert verdicts["forwarded"] > 100, "plays of the day that landed elsewhere went home"

    async with AsyncExitStack() as new:
        a = await new.enter_async_context(worker("a", ports[0], AFTER))
        b = await new.enter_async_context(worker("b", ports[1], AFTER))
        await until_ruled(kafka, log_id)
        await log.tick(MIDNIGHT, AFTER)
        # Repeats of yesterday's, which its hours still take: they are known at their homes of yesterday.
        again = [play for play in second if play.played_at >= MIDNIGHT - 2 * HOUR_MS]
        await log.send(again, MIDNIGHT + MINUTE_MS)
        await log.send(third)
        await log.tick(MIDNIGHT + 4 * HOUR_MS, AFTER)
        everything = first + second + third
        verdicts = await until_counted(a, len(everything))
        async with asyncio.timeout(DEADLINE_S):
            while verdicts.get("duplicate", 0) < len(again):
                verdicts = await until_counted(a, len(everything))
        assert verdicts["counted"] == len(everything)
        assert verdicts["duplicate"] == len(again)
        assert sum(verdicts.values()) == log.records + verdicts["forwarded"]
        for charts in (a, b):
            await until_shown(charts, truth(everything))
        _, chart = await a.get("/v1/charts/global/day", at=rfc3339(EVENING))
        assert chart["status"] == "final"
        homes = {home_of(play.track_id, AFTER) for play in third}
        _, ledger = await a.get("/v1/ledger")
        counts = {part["partition"]: part["verdicts"].get("counted", 0) for part in ledger["partitions"]}
        assert {number for number in range(BEFORE, AFTER) if counts[number]} == homes - set(range(BEFORE))


async def until_shown(worker: Counting, wanted: dict[tuple[str, Window], Counter[str]]) -> None:
    """Every chart comes to be the truth, on this worker too."""
    async with asyncio.timeout(DEADLINE_S):
        for (region, window), plays in wanted.items():
            ranked = sorted(plays.items(), key=lambda item: (-item[1], item[0].encode()))
            shown = None
            while shown != ranked:
                await asyncio.sleep(0.02)
                _, chart = await worker.get(f"/v1/charts/{region}/{window.kind}", at=rfc3339(window.start))
                shown = [(entry["track_id"], entry["plays"]) for entry in chart.get("entries", [])]


@pytest.mark.kafka
async def test_a_worker_refuses_to_count_more_partitions_than_there_are(kafka: str) -> None:
    settings = Settings(kafka_url=kafka, log_id=secrets.token_hex(4), clock="log", partitions=BEFORE)
    await create_topics(settings)
    with pytest.raises(BadSettings, match="charts grow 8"):
        await create_topics(settings.model_copy(update={"partitions": AFTER}))
    # Fewer than there are is a rule for the coming day, and no matter.
    await create_topics(settings.model_copy(update={"partitions": 2}))


@pytest.mark.kafka
async def test_topics_never_shrink_and_are_never_made_by_growing(kafka: str) -> None:
    settings = Settings(kafka_url=kafka, log_id=secrets.token_hex(4), clock="log", partitions=BEFORE)
    with pytest.raises(BadRequest, match="there is no log"):
        await grow(settings, AFTER, print)
    await create_topics(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(changelog(settings), BEFORE, 1)])
    async with asyncio.timeout(DEADLINE_S):
        while changelog(settings) not in await partitions_of(admin, settings):
            await asyncio.sleep(0.05)
    await admin.close()
    with pytest.raises(BadRequest, match="never shrink"):
        await grow(settings, 2, print)
