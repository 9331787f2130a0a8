"""The outbox: plays into Kafka, and the word that all of them arrived.

A request's plays are dealt to their partitions' lanes. Each lane sends one batch at a time, and whatever
came in meanwhile, from any request, is the next one: the busier it is, the larger the batches. A request is
answered when every replica has all of its plays (acks=all), or told that Kafka is away. What it gave up on is
not sent any more, if it still waits; what was under way may arrive: the sender's repetition is then a
duplicate, and counts once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from charts.errors import Unreachable
from charts.home import homes_of
from charts.settings import Settings
from charts.slices import Slices
from web.clock import now_ms
from web.meters import OUTBOX_BYTES, POSTED_PLAYS
from web.problem import Problem

#: A key and a value.
Record = tuple[bytes, bytes]
#: One batch's bound; below the broker's default limit of 1 MiB for a message.
BATCH_BYTES = 512 * 1024
#: What may wait in all lanes together; past it callers are asked to come back.
BUFFER_BYTES_MAX = 64 << 20
#: A caller waits this long for the acknowledgement, then repeats: most HTTP clients wait for ten or more.
SEND_TIMEOUT_S = 8.0
#: A broker that does not answer for this long is asked again, on a new connection.
REQUEST_TIMEOUT_MS = 10_000
#: Between attempts to connect.
CONNECT_PAUSE_S = 1.0
#: Closing waits this long for what is under way.
CLOSE_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class Parcel:
    """The plays of one request: done when the last of its partitions has acknowledged."""

    __slots__ = ("done", "open", "size")

    def __init__(self, size: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.open = 0
        self.size = size

    def settle(self, error: Exception | None) -> None:
        """One partition's part arrived, or did not."""
        self.open -= 1
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        elif not self.open:
            self.done.set_result(None)


class Lane:
    """One partition's queue; `run` sends it until there is nothing left."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.waiting: deque[tuple[Parcel, list[Record]]] = deque()
        self.sending: asyncio.Task[None] | None = None

    def put(self, parcel: Parcel, records: list[Record], outbox: "Outbox") -> None:
        parcel.open += 1
        self.waiting.append((parcel, records))
        if self.sending is None or self.sending.done():
            self.sending = asyncio.create_task(self.run(outbox))

    async def run(self, outbox: "Outbox") -> None:
        while self.waiting:
            batch = outbox.producer.create_batch()
            parcels = self._fill(batch)
            if not parcels:
                continue
            error: Exception | None = None
            try:
                sent = await outbox.producer.send_batch(batch, outbox.topic, partition=self.partition)
                await sent
            except KafkaError as failure:
                error = Unreachable(f"Kafka does not take plays: {type(failure).__name__}")
                log.warning("a batch for partition %d failed: %r", self.partition, failure)
            for parcel in parcels:
                parcel.settle(error)

    def _fill(self, batch) -> list[Parcel]:  # type: ignore[no-untyped-def]
        """As much as one batch holds; what nobody waits for any more is left out."""
        parcels: list[Parcel] = []
        now = now_ms()
        while self.waiting:
            parcel, records = self.waiting.popleft()
            if parcel.done.done():
                continue
            for place, (key, value) in enumerate(records):
                if batch.append(timestamp=now, key=key, value=value) is None:
                    # The rest of these records goes with the next batch, and the parcel waits for both.
                    self.waiting.appendleft((parcel, records[place:]))
                    if place:
                        parcel.open += 1
                        parcels.append(parcel)
                    return parcels
            parcels.append(parcel)
        return parcels


class Outbox:
    """The way of plays into their topic; connects by itself, as long as it takes."""

    def __init__(self, settings: Settings) -> None:
        self.topic = settings.topic("song-plays")
        self._url = settings.kafka_url
        self._producer: AIOKafkaProducer | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._lanes: dict[int, Lane] = {}
        self._buffered = 0

    async def __aenter__(self) -> Self:
        self._connecting = asyncio.create_task(self._connect())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        sending = [lane.sending for lane in self._lanes.values() if lane.sending is not None]
        if sending:
            await asyncio.wait(sending, timeout=CLOSE_TIMEOUT_S)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    @property
    def ready(self) -> bool:
        """Whether Kafka was reached and the topic is there."""
        return self._producer is not None and bool(self._partitions())

    @property
    def producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise Unreachable("Kafka does not answer")
        return self._producer

    async def send(self, records: Sequence[Record]) -> None:
        """Returns when all are acknowledged; raises Unreachable, or a 503 when too much waits already."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                partitions = await self._known_partitions()
        except TimeoutError:
            raise Unreachable("Kafka does not answer: send the same again") from None
        size = sum(len(key) + len(value) for key, value in records)
        if self._buffered + size > BUFFER_BYTES_MAX:
            raise Problem(503, "too many plays wait for Kafka: come back later")
        parcel = Parcel(size)
        for partition, dealt in _deal(records, partitions).items():
            lane = self._lanes.setdefault(partition, Lane(partition))
            lane.put(parcel, dealt, self)
        self._buffered += size
        OUTBOX_BYTES.inc(size)
        outcome = "failed"
        try:
            await asyncio.wait_for(parcel.done, SEND_TIMEOUT_S)
            outcome = "acknowledged"
        except TimeoutError:
            raise Unreachable("Kafka does not acknowledge: send the same again") from None
        finally:
            self._buffered -= size
            OUTBOX_BYTES.dec(size)
            POSTED_PLAYS.labels(outcome).inc(len(records))

    async def _known_partitions(self) -> int:
        partitions = self._partitions()
        if not partitions:
            # All are asked for: a question for one topic would make it, with the wrong partitions.
            producer = self.producer
            try:
                everything = await producer.client.fetch_all_metadata()
                if everything.partitions_for_topic(self.topic):
                    await producer.partitions_for(self.topic)
            except KafkaError as error:
                raise Unreachable(f"Kafka does not say where {self.topic} lies: {error!r}") from error
            partitions = self._partitions()
        if not partitions:
            raise Unreachable(f"Kafka has no topic {self.topic} yet")
        return partitions

    def _partitions(self) -> int:
        if self._producer is None:
            return 0
        return len(self._producer.client.cluster.partitions_for_topic(self.topic) or ())

    async def _connect(self) -> None:
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._url,
                acks="all",
                compression_type="zstd",
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
            )
            try:
                await producer.start()
            except (KafkaError, OSError) as error:
                log.warning("no way to Kafka yet: %s", error)
                await producer.stop()
                await asyncio.sleep(CONNECT_PAUSE_S)
                continue
            except asyncio.CancelledError:
                await producer.stop()
                raise
            self._producer = producer
            await self._await_topic()
            return

    async def _await_topic(self) -> None:
        """The topic may come after us: whether Kafka takes plays must not be unknown until the first one."""
        while True:
            try:
                await self._known_partitions()
                return
            except Unreachable as error:
                log.info("no plays can be taken yet: %s", error)
            await asyncio.sleep(CONNECT_PAUSE_S)


def _deal(records: Sequence[Record], partitions: int) -> dict[int, list[Record]]:
    """The records of each home partition, in their order."""
    homes = homes_of(Slices.of([key for key, _ in records]), partitions).tolist()
    dealt: dict[int, list[Record]] = {}
    for home, record in zip(homes, records, strict=True):
        dealt.setdefault(home, []).append(record)
    return dealt
