"""Evidence: a record of the log, read back for its receipt."""

import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from charts.errors import Unreachable
from charts.settings import Settings

#: A receipt is worth waiting for, but not for long.
_TIMEOUT_S = 5.0


async def read_record(settings: Settings, partition: int, offset: int) -> ConsumerRecord | None:
    """The record at an offset of the plays; none where retention has taken it.

    Nor where it, or one before it in its batch, has a header whose name is no UTF-8: aiokafka stops there.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await _read(settings, TopicPartition(settings.topic("song-plays"), partition), offset)
    except UnicodeDecodeError:
        return None
    except (KafkaError, TimeoutError) as error:
        raise Unreachable(f"Kafka did not hand out the record: {error!r}") from error


async def _read(settings: Settings, place: TopicPartition, offset: int) -> ConsumerRecord | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_url, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        consumer.seek(place, offset)
        record = await consumer.getone(place)
        return record if record.offset == offset else None
    finally:
        await consumer.stop()
