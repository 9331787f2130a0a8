"""The boards of all partitions, as every worker holds them: read whole, merged when asked.

A service beside the agents with a consumer of its own and no group: it answers for every region whoever owns
what, also while a rebalance or a recovery runs. Values stay bytes until somebody asks for their chart.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from charts.board import HEAD_KEY, RULES_KEY, Board, parse_board_key
from charts.chart import Chart, Entry
from charts.errors import Unreachable
from charts.finality import Finality, status
from charts.head import Head
from charts.merge import merge
from charts.settings import Settings
from charts.verdict import Rulebook, Rules
from charts.window import DAY_MS, Window, parse_time

log = logging.getLogger(__name__)

#: Partitions the topic is given are noticed within this time (tables/growing.py waits for it).
GROWN_MS = 5_000
#: A head older than this says that its partition has no owner, or one in trouble.
STALE_MS = 5_000
_POLL_MS = 500
#: Withdrawn charts are remembered for so long where they are many: until the slowest owner is back.
_WITHDRAWN_MAX, _WITHDRAWN_MS = 20_000, 2 * DAY_MS
_RETRY_S = 1.0
#: The topic is small; a broker that does not hand it over in this time is away.
_WHOLE_S = 15.0
#: Past this the worker goes on, and says that its boards are still being read.
_FIRST_READ_S, _LOOK_S = 10.0, 0.02

ChartKey = tuple[str, Window]


class Boards(Service):
    """Everything in the boards topic, as of now."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self.settings = settings
        self.topic = settings.topic("chart-boards")
        self.partitions = 0
        self.ready = False
        self.version = 0
        self._finality = Finality()
        self._rules: dict[int, Rules] = {}
        self._book: Rulebook | None = None
        self._values: dict[ChartKey, dict[int, bytes]] = defaultdict(dict)
        self._merged: dict[ChartKey, tuple[int, int, tuple[Entry, ...]]] = {}
        #: Charts that some partition has withdrawn: the boards left of them, or sent again, are no whole.
        self._withdrawn: set[ChartKey] = set()
        self._withdrawn_most = _WITHDRAWN_MAX
        #: Partition → keys under which an older board came after a newer one.
        self._contested: dict[int, set[bytes]] = defaultdict(set)
        self._news = asyncio.Event()

    # -- asking

    @property
    def heads(self) -> dict[int, Head]:
        return self._finality.heads

    @property
    def book(self) -> Rulebook:
        """The rules by day; before any are known, what our own settings say."""
        return self._book or Rulebook.of({0: self.settings.rules})

    @property
    def has_rules(self) -> bool:
        """Whether there are any, and all of them were read: half the rules judge some days wrongly."""
        return self.ready and self._book is not None

    @property
    def clock(self) -> int:
        """Event time that every partition has passed, forwarded plays included."""
        return self._finality.clock(self.partitions)

    @property
    def as_of(self) -> int:
        """Event time up to which every partition has counted; one that is new has missed nothing."""
        return min((head.clock for head in self.heads.values() if head.clock), default=0)

    @property
    def freshness_ms(self) -> int | None:
        """The age of the oldest head."""
        oldest = min((head.at for head in self.heads.values()), default=None)
        return None if oldest is None else max(0, _now_ms() - oldest)

    @property
    def stale(self) -> bool:
        age = self.freshness_ms
        return age is None or age > STALE_MS or len(self.heads) < self.partitions

    def is_final(self, window: Window) -> bool:
        return status(window, self.clock, self.book) == "final"

    def charts(self) -> list[ChartKey]:
        """The regions and windows that have boards now."""
        return [key for key, values in self._values.items() if values and key not in self._withdrawn]

    def held(self, partition: int) -> list[ChartKey]:
        """The charts that one partition has boards of."""
        return [chart for chart, values in self._values.items() if partition in values]

    def totals(self, partition: int) -> dict[ChartKey, int] | None:
        """The plays of each board of a partition; None while a flush of it is read in part only."""
        head = self.heads.get(partition)
        mine = {chart: values[partition] for chart, values in self._values.items() if partition in values}
        if head is None or any(_applied(value) > head.applied for value in mine.values()):
            return None if mine else {}
        return {chart: _plays(value) for chart, value in mine.items()}

    def chart(self, region: str, window: Window) -> Chart | None:
        """The merged chart, or None where nobody has a board."""
        key = region, window
        values = self._values.get(key)
        if not values or key in self._withdrawn:
            return None
        merged = self._merged.get(key)
        if merged is None:
            boards = (Board.decode(value) for value in values.values())
            merged = self._merged[key] = merge(boards, self.settings.top_n)
        plays, tracks, entries = merged
        return Chart(
            region=region,
            window=window,
            status=status(window, self.clock, self.book),
            plays=plays,
            tracks=tracks,
            entries=entries,
            as_of=self.as_of,
            rules=self.book.on(window.start // DAY_MS).version,
            stale=self.stale,
            freshness_ms=self.freshness_ms,
        )

    async def changed(self, version: int) -> int:
        """Wait until something newer than this version was read."""
        while self.version <= version:
            await self._news.wait()
        return self.version

    def take_contested(self, partition: int) -> set[bytes]:
        """Boards of a partition that an older one has overwritten in the topic."""
        return self._contested.pop(partition, set())

    # -- reading

    def take(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Take in one record; what is older than what we have changes nothing."""
        if key == HEAD_KEY:
            if value is not None:
                self._finality.update(Head.decode(value))
        elif key.startswith(RULES_KEY):
            self._take_rules(key, value)
        else:
            self._take_board(partition, key, value)
        self.version += 1

    def _take_rules(self, key: bytes, value: bytes | None) -> None:
        day = parse_time(key[len(RULES_KEY) :].decode()) // DAY_MS
        if value is None:
            self._rules.pop(day, None)
        else:
            self._rules[day] = Rules.decode(value)
        self._book = Rulebook.of(self._rules) if self._rules else None

    def _take_board(self, partition: int, key: bytes, value: bytes | None) -> None:
        chart = parse_board_key(key)
        values = self._values[chart]
        if value is None:
            values.pop(partition, None)
            self._withdraw(chart)
        elif _applied(value) >= _applied(values.get(partition)):
            values[partition] = value
        else:
            self._contested[partition].add(key)
            return
        if not values:
            del self._values[chart]
        self._merged.pop(chart, None)

    def _withdraw(self, chart: ChartKey) -> None:
        """Note that a chart was withdrawn.

        Partitions are read in any order, some never had a board of it, and a worker that was paused may still
        send one when all have gone.
        """
        self._withdrawn.add(chart)
        if len(self._withdrawn) > self._withdrawn_most:
            recent = chart[1].start - _WITHDRAWN_MS
            self._withdrawn = {key for key in self._withdrawn if key[1].start > recent}
            # Many regions have as many that are recent: not through all of them at each again.
            self._withdrawn_most = max(_WITHDRAWN_MAX, 2 * len(self._withdrawn))

    async def on_started(self) -> None:
        """Started is who has read everything: what starts after us has charts from its first moment."""
        deadline = time.monotonic() + _FIRST_READ_S
        while not self.ready and time.monotonic() < deadline and not self.should_stop:
            await self.sleep(_LOOK_S)

    @Service.task
    async def _read(self) -> None:
        while not self.should_stop:
            try:
                await self._read_all()
            except KafkaError as error:
                log.warning("boards cannot be read (%s): trying again", error)
                await self.sleep(_RETRY_S)

    async def _read_all(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_url,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=_POLL_MS,
            metadata_max_age_ms=GROWN_MS,
        )
        try:
            await consumer.start()
            places = await self._places(consumer)
            if not places:
                return
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            while not self.should_stop:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS)
                self._take_fetched(fetched)
                await self._take_on_new(consumer)
                if not self.ready:
                    self.ready = all([await consumer.position(place) >= ends[place] for place in places])
        finally:
            await consumer.stop()

    async def _places(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """All partitions of the topic, once it exists."""
        while not (found := await self._partitions_of(consumer)) and not self.should_stop:
            await self.sleep(_RETRY_S)
        self.partitions = len(found)
        return [TopicPartition(self.topic, partition) for partition in sorted(found)]

    async def _take_on_new(self, consumer: AIOKafkaConsumer) -> None:
        """Partitions that the topic was given meanwhile: nothing more is final without their heads."""
        found = consumer.partitions_for_topic(self.topic) or set()
        if len(found) <= self.partitions:
            return
        log.info("the boards have %d partitions now, not %d", len(found), self.partitions)
        self.partitions = len(found)
        positions = {place: await consumer.position(place) for place in consumer.assignment()}
        places = [TopicPartition(self.topic, partition) for partition in sorted(found)]
        consumer.assign(places)
        for place in places:
            consumer.seek(place, positions.get(place, 0))

    async def _partitions_of(self, consumer: AIOKafkaConsumer) -> set[int]:
        # `partitions_for_topic` knows only topics we are assigned; asking for all makes none by asking.
        everything = await consumer._client.fetch_all_metadata()
        return everything.partitions_for_topic(self.topic) or set()

    def _take_fetched(self, fetched: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        for place, records in fetched.items():
            for record in records:
                self.take(place.partition, record.key, record.value)
        if fetched:
            self._news.set()
            self._news = asyncio.Event()


@asynccontextmanager
async def boards_read(settings: Settings) -> AsyncIterator[Boards]:
    """The boards, read whole, for as long as the block runs; raises Unreachable."""
    boards = Boards(settings)
    async with boards:
        deadline = time.monotonic() + _WHOLE_S
        while not boards.ready:
            if time.monotonic() > deadline:
                raise Unreachable(f"Kafka at {settings.kafka_url} does not hand over the boards")
            await asyncio.sleep(_LOOK_S)
        yield boards


def _applied(value: bytes | None) -> int:
    """The offset a board includes, without decoding the board."""
    if value is None:
        return -1
    return int(value[len(b'{"applied":') : value.index(b",")])


def _plays(value: bytes) -> int:
    """The plays of a board, likewise."""
    start = value.index(b'"plays":') + len(b'"plays":')
    return int(value[start : value.index(b",", start)])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
