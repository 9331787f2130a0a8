"""The tally's changelog: record batches in bulk, and a look at what others wrote into it."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.producer.message_accumulator import BatchBuilder

from charts.run import ChangelogRun

#: Below the usual `max.message.bytes` of 1 MiB.
BATCH_BYTES = 900_000
_ZSTD = 4
_READ_TIMEOUT_MS = 1_000


def pack(records: Iterable[tuple[bytes, bytes | None]], timestamp_ms: int) -> list[BatchBuilder]:
    """Records in as few batches as they need; the producer's own batches are sixty times smaller."""
    batches: list[BatchBuilder] = []
    batch = BatchBuilder(BATCH_BYTES, _ZSTD)
    append = batch._builder.append
    count = 0
    for key, value in records:
        if append(count, timestamp_ms, key, value, []) is None:
            batches.append(_close(batch, count))
            batch = BatchBuilder(BATCH_BYTES, _ZSTD)
            append = batch._builder.append
            count = 0
            append(count, timestamp_ms, key, value, [])
        count += 1
    if count:
        batches.append(_close(batch, count))
    return batches


def _close(batch: BatchBuilder, count: int) -> BatchBuilder:
    """Compress here, in whatever thread packs, and not when the loop sends."""
    batch._relative_offset = count
    batch._build()
    return batch


async def send(
    producer: Any, topic: str, partition: int, batches: Iterable[BatchBuilder]
) -> list[tuple[int, int]]:
    """Send batches in order and wait for all; the offsets each of them got, `[first, end)`."""
    await ask_for(producer, topic, partition)
    sent = [
        (await producer.send_batch(batch, topic, partition=partition), batch.record_count())
        for batch in batches
    ]
    return [((base := (await future).offset), base + count) for future, count in sent]


async def ask_for(producer: Any, topic: str, partition: int) -> None:
    """Have a producer that has not heard of a new partition ask; it would refuse to send there."""
    if partition not in (await producer.partitions_for(topic) or ()):
        await producer.client.force_metadata_update()
        if partition not in (await producer.partitions_for(topic) or ()):
            raise UnknownTopicOrPartitionError(f"{topic}/{partition}")


def gaps(expected: int, written: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The offsets between what we wrote: one writer leaves none."""
    found = []
    for first, end in written:
        if first > expected:
            found.append((expected, first))
        expected = end
    return found


async def runs_between(
    bootstrap: str, topic: str, partition: int, first: int, end: int
) -> AsyncIterator[ChangelogRun]:
    """The records of `[first, end)`, and those that came after in the same fetch."""
    place = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        consumer.seek(place, first)
        while first < end:
            fetched = await consumer.getmany(place, timeout_ms=_READ_TIMEOUT_MS)
            start, first = first, await consumer.position(place)
            records = fetched.get(place, [])
            yield ChangelogRun(
                partition,
                start,
                first,
                [record.key for record in records],
                [record.value for record in records],
                np.array([record.offset for record in records], np.int64),
            )
    finally:
        await consumer.stop()


async def keys_between(bootstrap: str, topic: str, partition: int, first: int, end: int) -> set[bytes]:
    """The keys of the records in `[first, end)`: somebody else's."""
    keys: set[bytes] = set()
    async for run in runs_between(bootstrap, topic, partition, first, end):
        theirs = zip(run.keys, run.offsets.tolist(), strict=True)
        keys.update(key for key, offset in theirs if key is not None and offset < end)
    return keys
