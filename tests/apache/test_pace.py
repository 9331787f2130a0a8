"""A broker that stopped is asked for once in a while, not all the time; and found again when it is back."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tables.pace import AWAY_S
from tests.brokers import new_broker, on_apache, start

pytestmark = [on_apache, pytest.mark.kafka]

LOOKED_AT_S = 5.0
BACK_S = 60.0


async def test_a_broker_that_stopped_is_not_asked_all_the_time(
    tmp_path: Path, topic_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = new_broker(tmp_path)
    try:
        await asyncio.to_thread(start, broker)
        kafka = {"bootstrap_servers": broker.url}
        async with (
            AIOKafkaProducer(**kafka) as producer,
            AIOKafkaConsumer(topic_name, **kafka, auto_offset_reset="earliest") as consumer,
        ):
            await producer.send_and_wait(topic_name, b"before")
            assert (await consumer.getone()).value == b"before"
            await asyncio.to_thread(broker.stop)
            caplog.clear()
            sending = asyncio.create_task(producer.send_and_wait(topic_name, b"meanwhile"))
            await asyncio.sleep(LOOKED_AT_S)
            asked = sum("Unable to update metadata" in record.message for record in caplog.records)
            clients = 2
            assert 0 < asked <= clients * (LOOKED_AT_S / AWAY_S + 1)
            broker.start()
            await asyncio.to_thread(broker.wait)
            async with asyncio.timeout(BACK_S):
                await sending
                assert (await consumer.getone()).value == b"meanwhile"
    finally:
        broker.stop()
