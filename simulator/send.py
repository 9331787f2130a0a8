"""Sending straight to Kafka: each partition's records in one stream, in order, acknowledged by all replicas.

One batch per partition is on its way at a time, so that a retry reorders nothing and what is in flight stays
bounded. An acknowledgement names where a batch landed: a gap there means that somebody else wrote too, or
that a batch was written twice.
"""

import asyncio
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from charts.errors import BadSettings, Unreachable
from charts.run import TICK_HEADER
from simulator.slice import Slice

#: Bytes of a full batch: larger ones help the broker more than us.
BATCH_BYTES = 512 * 1024
#: A broker that needs longer to acknowledge counts as gone.
ACK_TIMEOUT_S = 40
#: How long a worker may take to create the topic.
TOPIC_TIMEOUT_S = 60
_TICK_HEADERS = [(TICK_HEADER, b"")]


class Lane:
    """One partition's stream."""

    def __init__(self, producer: Any, topic: str, partition: int) -> None:
        self._producer, self._topic, self.partition = producer, topic, partition
        self._batch: Any = producer.create_batch()
        self._flying: tuple[asyncio.Future[Any], int] | None = None
        self.sent = 0
        self.failed = 0
        #: Where our first record landed, and where the next one must.
        self.first_offset: int | None = None
        self._next_offset: int | None = None
        #: Why the last failed batch did.
        self.failure: str | None = None
        #: Others wrote between our records, or one of our batches came twice.
        self.broken = False

    def append(self, timestamp: int, key: bytes | None, value: bytes | None) -> bool:
        """Put a record into the batch; False when it is full."""
        headers = _TICK_HEADERS if value is None else []
        return self._batch.append(timestamp=timestamp, key=key, value=value, headers=headers) is not None

    async def ship(self) -> None:
        """Send the batch, once the one before is acknowledged."""
        await self.landed()
        count = self._batch.record_count()
        if count:
            batch, self._batch = self._batch, self._producer.create_batch()
            try:
                future = await self._producer.send_batch(batch, self._topic, partition=self.partition)
            except KafkaError as error:
                self._fail(count, error)
            else:
                self._flying = (future, count)

    async def landed(self) -> None:
        """Wait for the batch on its way."""
        if self._flying is None:
            return
        (future, count), self._flying = self._flying, None
        try:
            base = (await asyncio.wait_for(future, ACK_TIMEOUT_S)).offset
        except (KafkaError, TimeoutError) as error:
            self._fail(count, error)
            return
        self.sent += count
        if self.first_offset is None:
            self.first_offset = base
        elif base != self._next_offset:
            self.broken = True
        self._next_offset = base + count

    def _fail(self, count: int, error: Exception) -> None:
        self.failed += count
        self.broken = True
        self.failure = repr(error)


class KafkaSender:
    """Sends slices to the partitions their rows name."""

    def __init__(self, url: str, topic: str, batch_bytes: int = BATCH_BYTES) -> None:
        self._url, self._topic = url, topic
        self._producer = AIOKafkaProducer(
            bootstrap_servers=url,
            acks="all",
            max_batch_size=batch_bytes,
            max_request_size=max(1 << 20, 16 * batch_bytes),
            request_timeout_ms=10_000,
        )
        self.lanes: list[Lane] = []

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
            for partition in range(await self._partitions()):
                self.lanes.append(Lane(self._producer, self._topic, partition))
        except KafkaError as error:
            await self._producer.stop()
            raise Unreachable(f"Kafka at {self._url}: {error!r}") from None
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def _partitions(self) -> int:
        """How many partitions the topic has, once it is there."""
        deadline = asyncio.get_running_loop().time() + TOPIC_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            metadata = await self._producer.client.fetch_all_metadata()
            partitions = metadata.partitions_for_topic(self._topic)
            if partitions:
                await self._producer.partitions_for(self._topic)
                return len(partitions)
            await asyncio.sleep(0.2)
        raise Unreachable(f"Kafka at {self._url} has no topic {self._topic}: start a worker, or --create it")

    @property
    def partitions(self) -> int:
        return len(self.lanes)

    async def send(self, records: Slice) -> None:
        """Take the records over; they are sent when their batch is full, or at the next flush."""
        lanes = self.lanes
        rows = zip(
            records.partitions.tolist(), records.clock.tolist(), records.keys, records.values, strict=True
        )
        for partition, timestamp, key, value in rows:
            lane = lanes[partition]
            if not lane.append(timestamp, key, value):
                await lane.ship()
                if not lane.append(timestamp, key, value):
                    raise BadSettings("a record is larger than a batch")

    async def flush(self) -> None:
        """Everything taken over so far is acknowledged, or counted as failed."""
        await asyncio.gather(*(lane.ship() for lane in self.lanes))
        await asyncio.gather(*(lane.landed() for lane in self.lanes))

    @property
    def sent(self) -> int:
        return sum(lane.sent for lane in self.lanes)

    @property
    def failed(self) -> int:
        return sum(lane.failed for lane in self.lanes)

    @property
    def failure(self) -> str | None:
        """Why records failed, in the words of the last one."""
        return next((lane.failure for lane in self.lanes if lane.failure), None)

    @property
    def in_order(self) -> bool:
        """The log holds exactly our records, in our order, from each lane's first offset on."""
        return not any(lane.broken for lane in self.lanes)

    @property
    def first_offsets(self) -> list[int | None]:
        return [lane.first_offset for lane in self.lanes]


async def create_topic(url: str, topic: str, partitions: int) -> None:
    """Make a topic that takes our timestamps; one that is there stays as it is."""
    admin = AIOKafkaAdminClient(bootstrap_servers=url, request_timeout_ms=10_000)
    try:
        await admin.start()
        config = {"message.timestamp.type": "CreateTime"}
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])
    except TopicAlreadyExistsError:
        pass
    except KafkaError as error:
        raise Unreachable(f"Kafka at {url}: {error!r}") from None
    finally:
        await admin.close()
