"""The flush: changelog, RocksDB, commit, boards. The argument that a count survives anything.

`flush` is the protocol; what is below it sends, and tries again until Kafka acknowledges.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from charts.finality import settled_hour
from charts.landing import Sending
from charts.settings import Settings
from charts.verdict import Rules
from charts.window import SECOND_MS
from tables import meters
from tables.boards import Boards
from tables.changelog import ask_for, gaps, keys_between, pack, send
from tables.crash import CrashPoints
from tables.partition import Partition, Update
from tables.publisher import Publisher, Record
from tables.tally_keys import MARKER

log = logging.getLogger(__name__)

_RETRY_S = 0.5
#: A worker that stops waits no longer for its last flush: whoever reads on counts those plays.
_LAST_S = 1.5
_GLANCE_S = 0.25
#: A partition that has nothing to write writes its marker after so long: who else wrote is noticed then,
#: before compaction takes what was written over.
_SILENT_S = 3_600.0

T = TypeVar("T")


class Abandoned(Exception):
    """Raised when a flush cannot end because its partition, or the worker, is going."""


class Flusher:
    """Makes pending plays durable, and then visible."""

    def __init__(
        self,
        settings: Settings,
        boards: Boards,
        changelog: str,
        *,
        producer: Callable[[], Any],
        is_leaving: Callable[[], bool],
        is_stopping: Callable[[], bool],
        read_to: Callable[[int], tuple[int, int]],
    ) -> None:
        self.settings = settings
        self.boards = boards
        self.changelog = changelog
        self.source = settings.topic("song-plays")
        self.rejected = settings.topic("song-plays-rejected")
        self.publisher = Publisher(settings)
        self.crash_points = CrashPoints(settings.crash_points)
        self._producer = producer
        self._is_leaving = is_leaving
        self._is_stopping = is_stopping
        self._stopping_since: float | None = None
        #: The end of a partition's log, and for how long (ms) it has been read to there.
        self._read_to = read_to
        self._writer = ThreadPoolExecutor(1, "flush")
        #: When each partition wrote last.
        self._wrote_at: dict[int, float] = {}

    async def flush(self, part: Partition) -> None:
        """Changelog, RocksDB, commit: in this order, for one partition.

        After a crash at any point the worker, or another one, starts at the marker. What (b) wrote of an
        unfinished flush is in some tallies already; their fences say so, and those plays are not added again.
        Local state is never ahead of the changelog, the committed offset never ahead of either.
        """
        update = await self.in_thread(part.prepare, self._settled(part))
        if update.marker != part.marker or update.records or update.mended or self._was_silent(part):
            reach = self.crash_points.reach
            # (a) What lives elsewhere is there before we say that we are past it.
            await self._send_on(part, update)
            # (b) The new values, acknowledged by all replicas.
            await self._append(part, update.records, reach)
            reach("changelog")
            # (c) Only then the marker that includes them, in a batch of its own.
            last = await self._append(part, [(MARKER, update.marker.encode())])
            reach("marker")
            # (d) The same values, the marker and the changelog's offset, in one atomic batch.
            await self.in_thread(part.store, update, last)
            reach("stored")
            self._wrote_at[part.number] = time.monotonic()
            meters.FLUSHED_RECORDS.inc(update.rows)
            meters.FLUSHED_VALUES.inc(len(update.records))
            # (e) From here `committable` names the new offset; Faust commits it in its own time.
        # (f) What people see comes last: the boards, then the head that speaks for them.
        await self._publish(part)
        if update.played_at is not None and self.settings.clock == "wall":
            meters.PLAY_AGE_SECONDS.observe(time.time() - update.played_at / SECOND_MS)

    def _was_silent(self, part: Partition) -> bool:
        now = time.monotonic()
        return now - self._wrote_at.setdefault(part.number, now) >= _SILENT_S

    def _settled(self, part: Partition) -> int:
        """The first hour that is not final, by heads that know no more of this partition than we do.

        A head that is ahead of us is another owner's. What it calls final may still be before us in the log:
        its boards, and the check of what was forwarded to us, would be cut off too early.
        """
        head = self.boards.heads.get(part.number)
        if head is None or not self.boards.has_rules or head.applied > part.marker.applied:
            return part.marker.settled
        return settled_hour(self.boards.clock, self.boards.book)

    async def _publish(self, part: Partition) -> None:
        marker = part.marker
        contested = self.boards.take_contested(part.number)
        boards = await self.in_thread(self.publisher.changed_boards, part, contested)
        await self.until_sent(lambda: self.publisher.send_batches(self._producer(), part.number, boards))
        news = part.published is not None and marker.applied > part.published.applied
        if news and self.settings.clock == "wall":
            meters.PUBLISH_SECONDS.observe(time.time() - marker.stream_time / SECOND_MS)
        part.published = marker
        await self.tell(part)

    async def tell(self, part: Partition) -> None:
        """The head, of what is out: fresh at least once a second, however seldom is flushed.

        Not before our own first boards: who died between a marker and its boards left older ones, which no
        head may speak for.
        """
        if part.published is None:
            return
        end, idle_ms = self._read_to(part.number)
        head = self.publisher.head(part, part.published, end, idle_ms)
        await self.until_sent(lambda: self.publisher.send(self._producer(), part.number, [head]))

    async def _send_on(self, part: Partition, update: Update) -> None:
        """Forwarded and rejected records; the marker notes where the forwarded ones went."""
        if not update.sendings:
            return
        written = await self.until_sent(lambda: self._send_all(update.sendings))
        forwarded = dict(part.marker.forwarded)
        for sending, offset in zip(update.sendings, written, strict=True):
            if sending.home is not None:
                forwarded[sending.home] = max(offset, forwarded.get(sending.home, -1))
        update.marker = replace(update.marker, forwarded=forwarded)

    async def _send_all(self, sendings: list[Sending]) -> list[int]:
        for home in {sending.home for sending in sendings if sending.home is not None}:
            await ask_for(self._producer(), self.source, home)
        acknowledged = [
            await self._producer().send(
                self.rejected if sending.home is None else self.source,
                sending.value,
                key=sending.key,
                partition=sending.home,
                timestamp_ms=sending.timestamp,
                headers=sending.headers,
            )
            for sending in sendings
        ]
        return [(await future).offset for future in acknowledged]

    async def _append(
        self,
        part: Partition,
        records: list[tuple[bytes, bytes | None]],
        reach: Callable[[str], None] | None = None,
    ) -> int:
        """Append to the changelog and tell the last offset; a gap before it is somebody else's writing."""
        if not records:
            return (part.changelog_next or 0) - 1
        batches = await self.in_thread(pack, records, time.time_ns() // 1_000_000)
        meters.CHANGELOG_BYTES.inc(sum(batch.size() for batch in batches))
        written: list[tuple[int, int]] = []
        for batch in batches:
            written += await self.until_sent(partial(self._send_batch, part.number, batch))
            if reach is not None and len(batches) > 1:
                reach("batch")
        topic = self.changelog
        for first, end in gaps(part.changelog_next or 0, written):
            log.warning(
                "partition %d: foreign writes %d to %d in the changelog",
                *(part.number, first, end - 1),
                extra={"partition": part.number, "first_offset": first, "last_offset": end - 1},
            )
            part.unread = first if part.unread is None else part.unread
            part.rewrite |= await self.until_sent(
                partial(keys_between, self.settings.kafka_url, topic, part.number, first, end)
            )
        part.changelog_next = written[-1][1]
        return part.changelog_next - 1

    async def _send_batch(self, partition: int, batch: Any) -> list[tuple[int, int]]:
        return await send(self._producer(), self.changelog, partition, [batch])

    async def until_sent(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until Kafka acknowledges; repeating changes nothing. Give up only when we are leaving."""
        while True:
            try:
                return await self._before_the_end(attempt())
            except KafkaError as error:
                if self._is_leaving():
                    raise Abandoned from error
                log.warning("Kafka does not acknowledge (%r): trying again", error)
                await asyncio.sleep(_RETRY_S)

    async def _before_the_end(self, attempt: Awaitable[T]) -> T:
        """Wait for it, but not for a broker that hangs when the worker stops."""
        trying = asyncio.ensure_future(attempt)
        try:
            while not (await asyncio.wait({trying}, timeout=_GLANCE_S))[0]:
                now = time.monotonic()
                if self._is_stopping() and now - (self._stopping_since or now) > _LAST_S:
                    raise Abandoned
                self._stopping_since = (self._stopping_since or now) if self._is_stopping() else None
            return trying.result()
        finally:
            trying.cancel()

    async def announce(self, day: int, rules: Rules) -> None:
        """Have rules hold from a day on."""
        record = self.publisher.rules(day, rules)
        await self.until_sent(lambda: self.publisher.send(self._producer(), 0, [record]))

    async def withdraw(self, partition: int, boards: list[Record]) -> None:
        """Take boards of a partition out of the topic."""
        await self.until_sent(partial(self.publisher.send, self._producer(), partition, boards))

    async def in_thread(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *args)
