"""What only Apache Kafka can show: its own time, compaction, transactions, retention, a log that is another.

`make test-kafka` runs these, and every other test with a broker, on it.
"""

import asyncio
import random
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from charts.errors import BadSettings
from charts.play import Play
from charts.settings import Settings
from charts.window import HOUR_MS, Window, rfc3339
from tables.topics import SIMULATED, create_topics
from tests.brokers import on_apache
from tests.counting import Counting, counting, started

pytestmark = on_apache

#: Kafka's retention goes by the records' own time: they must be of today.
NOW = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
DEADLINE_S = 180.0
#: Where describe_configs says a value comes from: set on the topic itself.
TOPIC_S_OWN = 1
#: Compaction within a second, for the topics of one test.
EAGER = {
    "cleanup.policy": "compact",
    "segment.ms": "300",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "500",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "0",
}


@pytest.fixture
async def admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    yield admin
    await admin.close()


@pytest.fixture
def log_id() -> str:
    return secrets.token_hex(4)


def plays(wave: int, count: int = 40) -> list[bytes]:
    """Some tracks again and again, one only once."""
    return [
        Play(
            f"{wave}-{n}", "u", f"track-{n % 7}" if n else f"once-{wave}", "DE", NOW + wave, 180_000
        ).encode()
        for n in range(count)
    ]


async def send(kafka: str, topic: str, values: list[bytes], **options: Any) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka, **options) as producer:
        sent = [await producer.send(topic, value, partition=0, timestamp_ms=NOW) for value in values]
        await asyncio.gather(*sent)


async def shown(worker: Counting) -> list[Any]:
    """The charts people see, without what is only about now."""
    found = []
    for window in (Window("hour", NOW), Window.at("day", NOW)):
        for region in ("global", "DE"):
            _, chart = await worker.get(f"/v1/charts/{region}/{window.kind}", at=rfc3339(window.start))
            found.append([chart["plays"], chart["tracks"], chart["entries"]])
    return found


async def held(kafka: str, topic: str) -> tuple[int, int]:
    """How many records a topic's partition still holds, and where it ends."""
    place = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        await consumer.seek_to_beginning(place)
        count = 0
        while await consumer.position(place) < end:
            count += sum(map(len, (await consumer.getmany(timeout_ms=500)).values()))
    return count, end


async def test_the_end_of_a_log_is_its_end(kafka: str, topic_name: str) -> None:
    await send(kafka, topic_name, [b"play"] * 1000, linger_ms=50)
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        place = TopicPartition(topic_name, 0)
        assert await consumer.end_offsets([place]) == {place: 1000}


async def test_topics_are_made_once_the_brokers_have_heard_of_them(kafka: str) -> None:
    """A controller that has made a topic is ahead of its brokers: asked at once, they knew of none."""
    for _ in range(8):
        settings = Settings(kafka_url=kafka, log_id=secrets.token_hex(4), clock="wall", partitions=8)
        await create_topics(settings)


async def test_on_the_wall_clock_plays_have_the_broker_s_time(kafka: str, log_id: str) -> None:
    settings = Settings(kafka_url=kafka, log_id=log_id, clock="wall", partitions=1)
    await create_topics(settings)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        before_ms = time.time_ns() // 1_000_000
        sent = await producer.send_and_wait(settings.topic("song-plays"), b"{}", timestamp_ms=NOW)
    assert sent.timestamp_type == 1
    assert sent.timestamp >= before_ms


@pytest.mark.parametrize("name", ["song-plays", "song-plays-rejected"])
async def test_a_simulation_may_be_of_any_time(
    kafka: str, log_id: str, admin: AIOKafkaAdminClient, name: str
) -> None:
    """Left to itself Kafka refuses records an hour ahead, and deletes those a week old at its next look."""
    settings = Settings(kafka_url=kafka, log_id=log_id, clock="log", partitions=1)
    await create_topics(settings)
    topic = settings.topic(name)
    [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    config = {entry[0]: entry for entry in answer.resources[0][4]}
    for key in ("retention.ms", "message.timestamp.after.max.ms"):
        assert config[key][1] == SIMULATED[key]
        assert config[key][3] == TOPIC_S_OWN
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for days in (-400, 400):
            sent = await producer.send_and_wait(topic, b"{}", timestamp_ms=NOW + days * 24 * HOUR_MS)
            assert sent.timestamp == NOW + days * 24 * HOUR_MS


async def test_a_topic_with_its_senders_time_is_refused(
    kafka: str, log_id: str, admin: AIOKafkaAdminClient
) -> None:
    settings = Settings(kafka_url=kafka, log_id=log_id, clock="wall", partitions=1)
    await admin.create_topics([NewTopic(settings.topic("song-plays"), 1, 1)])
    with pytest.raises(BadSettings, match="takes its senders' timestamps"):
        await create_topics(settings)
    await create_topics(settings.model_copy(update={"clock": "log"}))


async def test_compaction_takes_nothing_that_counts(
    kafka: str, log_id: str, admin: AIOKafkaAdminClient, tmp_path: Path
) -> None:
    """From what compaction left of changelog and boards, a worker without a folder is as it was."""
    changelog = f"livecharts-{log_id}-tally-changelog"
    topics = (changelog, f"chart-boards-{log_id}")
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=EAGER) for name in topics])
    sent: list[bytes] = []
    async with counting(kafka, tmp_path, log_id) as worker:
        for wave in range(12):
            sent += plays(wave)
            await send(kafka, f"song-plays-{log_id}", plays(wave))
            await worker.counted(len(sent))
        for topic in topics:
            await until_compacted(kafka, topic)
        before = await shown(worker)
    assert before[0][0] == len(sent)
    shutil.rmtree(tmp_path / "data")
    async with counting(kafka, tmp_path, log_id) as worker:
        assert await worker.counted(len(sent)) == {"counted": len(sent)}
        assert await shown(worker) == before
        await send(kafka, f"song-plays-{log_id}", sent)
        ledger = {"counted": len(sent), "duplicate": len(sent)}
        assert await worker.counted(2 * len(sent)) == ledger
        assert await shown(worker) == before


async def until_compacted(kafka: str, topic: str) -> None:
    """At most half of the records are left."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            count, end = await held(kafka, topic)
            if count <= end / 2:
                return
            await asyncio.sleep(0.2)


async def test_plays_that_nobody_committed_do_not_count(kafka: str, log_id: str, tmp_path: Path) -> None:
    topic = f"song-plays-{log_id}"
    async with counting(kafka, tmp_path, log_id) as worker:
        async with AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=log_id) as producer:
            for wave, commits in enumerate([True, False, True, False]):
                await producer.begin_transaction()
                for value in plays(wave):
                    await producer.send(topic, value, partition=0, timestamp_ms=NOW)
                await (producer.commit_transaction() if commits else producer.abort_transaction())
        assert await worker.counted(80) == {"counted": 80}
        assert (await shown(worker))[0][0] == 80
        # The markers of the transactions are passed too: nothing is left to read.
        await until_read(worker)
        assert (await worker.get("/v1/ledger"))[1]["records"] == 80


async def until_read(worker: Counting, applied: int = 0) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            _, found = await worker.get("/v1/partitions")
            if all(head["lag"] == 0 and head["applied"] >= applied for head in found["partitions"]):
                return
            await asyncio.sleep(0.1)


async def test_the_largest_board_there_may_be_is_published(kafka: str, log_id: str, tmp_path: Path) -> None:
    """A thousand tracks whose names are as long as names may be, and compress as badly."""
    dice = random.Random(7)

    def text(length: int) -> str:
        return "".join(chr(dice.randrange(0x10000, 0x110000)) for _ in range(length))

    values = [
        Play(f"{n}", "u", text(128), "ZZ", NOW, 180_000, title=text(200), artist=text(200)).encode()
        for n in range(1_000)
    ]
    async with counting(kafka, tmp_path, log_id, CHARTS_TOP_N="1000") as worker:
        await send(kafka, f"song-plays-{log_id}", values)
        assert await worker.counted(1_000) == {"counted": 1_000}
        _, chart = await worker.get("/v1/charts/ZZ/hour", at=rfc3339(NOW), limit=1_000)
        assert len(chart["entries"]) == 1_000
        await send(kafka, f"song-plays-{log_id}", plays(0))
        assert await worker.counted(1_040) == {"counted": 1_040}


async def test_what_retention_took_is_a_hole_and_the_count_goes_on(
    kafka: str, log_id: str, admin: AIOKafkaAdminClient, tmp_path: Path
) -> None:
    topic = f"song-plays-{log_id}"
    async with counting(kafka, tmp_path, log_id) as worker:
        await send(kafka, topic, plays(0))
        await worker.counted(40)
    await send(kafka, topic, plays(1) + plays(2))
    # The worker has applied 40 of the 120 records; the next 50 are lost.
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=90)})
    async with counting(kafka, tmp_path, log_id) as worker:
        assert await worker.counted(70) == {"counted": 70}
        await until_read(worker)
        assert (await shown(worker))[0][0] == 70
        await send(kafka, topic, plays(3))
        assert await worker.counted(110) == {"counted": 110}
    lines = [orjson.loads(line) for line in (tmp_path / "worker.log").read_text().splitlines()]
    [gone] = [line for line in lines if line["message"].endswith("are gone")]
    assert (gone["partition"], gone["first_offset"], gone["last_offset"]) == (0, 40, 89)


async def test_a_log_that_retention_emptied_has_been_read(
    kafka: str, log_id: str, admin: AIOKafkaAdminClient, tmp_path: Path
) -> None:
    """Nothing is left to be read, so nothing is owed: the partition is idle, and time goes on."""
    topic = f"song-plays-{log_id}"
    async with counting(kafka, tmp_path, log_id) as worker:
        await send(kafka, topic, plays(0))
        await worker.counted(40)
    await send(kafka, topic, plays(1))
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=80)})
    async with counting(kafka, tmp_path, log_id) as worker:
        await until_read(worker, 79)
        assert await worker.counted(40) == {"counted": 40}
        await send(kafka, topic, plays(2))
        assert await worker.counted(80) == {"counted": 80}


async def test_a_worker_on_another_log_stops_with_one_line(
    kafka: str, log_id: str, admin: AIOKafkaAdminClient, tmp_path: Path
) -> None:
    """Its marker lies past the end: what it counted came from elsewhere."""
    topic = f"song-plays-{log_id}"
    async with counting(kafka, tmp_path, log_id) as worker:
        await send(kafka, topic, plays(0))
        await worker.counted(40)
    await admin.delete_topics([topic])
    log = tmp_path / "worker.log"
    log.unlink()
    process = started(worker.environ, tmp_path)
    try:
        assert await asyncio.to_thread(process.gone, DEADLINE_S)
        assert process.exit_code == 4
    finally:
        process.stop()
    assert "Traceback" not in log.read_text()
    last = log.read_text().splitlines()[-1]
    assert last.startswith(f"charts: {topic}/0 ends at 0, but 39 was counted: this is another log")
