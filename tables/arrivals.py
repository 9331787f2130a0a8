"""Arrivals: runs on their way to the partitions they belong to; decoded beside the loop, applied in order.

What has come is not counted yet: it pends in its partition until the next flush.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from charts.intake import take_in
from charts.landing import Taken
from charts.play import decode_run
from charts.run import Run, stream_times
from charts.verdict import Rulebook
from tables.boards import Boards
from tables.partition import Partition

log = logging.getLogger(__name__)

#: Runs being decoded at once: enough to keep the decoding thread busy, few enough to stay in memory.
_DECODING = 3
#: How often what waits for rules, room or a partition looks again.
_LOOK_S = 0.05
#: The consumer asked the broker for records within this time.
_POLLED_S = 10.0
#: So many plays pend only while a backlog is worked off.
_BACKLOG_ROWS = 100_000
#: What is not there at so many looks is gone. Faust may drop what is read again, while it still notes what
#: was read before; not each time.
_LOOKS = 5
#: Not plain: it takes the way through all of Arrow.
_ESCAPED = b'{"source": "\\u0061"}'
#: Records that are there have come by then.
_DELETED_MS = 5_000


class Arrivals:
    """The way in, for all partitions this worker owns."""

    def __init__(
        self,
        app: Any,
        source: str,
        owned: dict[int, Partition],
        boards: Boards,
        *,
        most_rows: int,
        give_up: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        self.app = app
        self.source = source
        self.owned = owned
        self.boards = boards
        #: So many plays may pend.
        self.most_rows = most_rows
        self._give_up = give_up
        self._decoding: deque[tuple[Partition, asyncio.Future[Taken]]] = deque()
        self._decoder = ThreadPoolExecutor(1, "decode")
        # pyarrow loads much of itself when first used: now, while the group is joined.
        self._decoder.submit(decode_run, [_ESCAPED])
        self._last_arrival: dict[int, float] = {}
        #: The last flush took much, and left more to be read.
        self._works_off = False

    async def take(self, run: Run) -> None:
        """Take in a run of plays; decoded beside the loop, applied in order."""
        part = self.owned.get(run.partition)
        # Four things could change it.
        while part is not None and part.accepting and not self._has_room():  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        if part is None or not part.accepting or not await self._in_order(part, run):
            return
        if part.expected is not None and run.start < part.expected:
            run = run.after(part.expected)
        missing = run.start - (part.expected or 0)
        part.expected, part.hole = run.next, None
        self._last_arrival[part.number] = time.monotonic()
        time_before = part.time_read
        if len(run):
            part.time_read = int(stream_times(run.timestamps, time_before)[-1])
        loop = asyncio.get_running_loop()
        decoded = loop.run_in_executor(self._decoder, _decode, run, time_before, missing, self.boards.book)
        self._decoding.append((part, decoded))
        await self._finish_decoding(_DECODING)

    async def finish(self) -> None:
        """Hand over all that has come."""
        await self._finish_decoding(0)

    @property
    def pending_rows(self) -> int:
        return sum(part.pending_rows for part in self.owned.values())

    @property
    def has_much(self) -> bool:
        """Whether more pends than does while nothing is behind."""
        return self.pending_rows >= _BACKLOG_ROWS

    @property
    def has_caught_up(self) -> bool:
        """Whether a backlog has just been read to its end: what it comes to need not wait any longer."""
        return (self.has_much or bool(self._works_off and self.pending_rows)) and self._has_read_all()

    def about_to_flush(self) -> None:
        """A flush begins: see whether it is one of those that a backlog takes."""
        self._works_off = self.has_much and not self._has_read_all()

    def _has_read_all(self) -> bool:
        return not self._decoding and all(
            (part.expected or 0) >= self.read_to(part.number)[0] for part in self.owned.values()
        )

    def _has_room(self) -> bool:
        """Plays are judged by rules that all know; and memory is bounded."""
        return self.boards.has_rules and self.pending_rows < self.most_rows

    async def _in_order(self, part: Partition, run: Run) -> bool:
        """Whether this run brings what comes next: not the past again, and nothing missing before it."""
        expected = part.expected
        if expected is None or run.start <= expected:
            return expected is None or run.next > expected
        begins = await self._begins(part.number)
        if not part.accepting:
            return False
        if part.expected != expected:
            # What is gone was passed over meanwhile.
            return await self._in_order(part, run)
        if begins >= run.start or self._comes_again(part, run.start):
            _log_gone(part.number, expected, run.start)
            return True
        await self.app.consumer.seek_wait({TP(self.source, part.number): max(expected, begins)})
        return False

    def _comes_again(self, part: Partition, start: int) -> bool:
        """Whether so many looks have found nothing before this: the markers of transactions, say.

        What comes after it may be on its way to us at every look.
        """
        known, times = part.hole or (start, 0)
        if start <= known:
            part.hole = start, times + 1 if start == known else 1
        return part.hole == (start, _LOOKS)

    async def pass_over_deleted(self) -> None:
        """Go past records that retention took before we read them, where none come after and no run tells."""
        for part in list(self.owned.values()):
            read_to, (end, idle_ms) = part.expected or 0, self.read_to(part.number)
            if idle_ms < _DELETED_MS or read_to >= end or part.pending_rows or self._decoding:
                continue
            begins = await self._begins(part.number)
            # Whoever flushes is here, and must not wait for the room that a flush makes.
            if begins == end and (part.expected or 0) == read_to and self._has_room():
                _log_gone(part.number, read_to, end)
                await self.take(Run.nothing(part.number, read_to, end))

    async def _begins(self, number: int) -> int:
        """Where a partition's log begins, as far as Kafka says."""
        place = TP(self.source, number)
        try:
            return (await self.app.consumer.earliest_offsets(place))[place] or 0
        except KafkaError as error:
            log.warning("Kafka does not say where the log begins (%r): asked again later", error)
            return 0

    async def _finish_decoding(self, at_most: int) -> None:
        """Hand decoded runs to their partitions until so many are left."""
        while len(self._decoding) > at_most:
            part, decoded = first = self._decoding[0]
            try:
                taken = await decoded
            except Exception as error:  # noqa: BLE001 (Faust would lose the run and go on)
                self._decoding.clear()
                self.owned.clear()
                await self._give_up(error)
                return
            # Others hand over as well: in order, and each run once.
            if self._decoding and self._decoding[0] is first:
                self._decoding.popleft()
                if self.owned.get(part.number) is part:
                    part.take(taken)

    async def take_decoded(self) -> None:
        """Hand over what is decoded already, when no new run pushes it along."""
        while self._decoding and self._decoding[0][1].done():
            await self._finish_decoding(len(self._decoding) - 1)

    def read_to(self, number: int) -> tuple[int, int]:
        """The end of a partition's log, and how long it has been read to there without a record coming."""
        consumer, place = self.app.consumer._thread._consumer, TP(self.source, number)
        try:
            end, polled_ms = consumer.highwater(place), consumer.last_poll_timestamp(place)
        except AssertionError:  # so aiokafka says, from its own thread, that the partition is leaving us
            return 0, 0
        # Polled in the future: the clock was set back since.
        if not polled_ms or abs(time.time() - polled_ms / 1000) > _POLLED_S:
            return end or 0, 0
        since = self._last_arrival.setdefault(place.partition, time.monotonic())
        return end or 0, int((time.monotonic() - since) * 1000)


def _decode(run: Run, time_before: int, missing: int, book: Rulebook) -> Taken:
    return Taken.of(take_in(run, time_before, book), missing)


def _log_gone(number: int, first: int, end: int) -> None:
    log.warning(
        "partition %d: offsets %d to %d are gone",
        *(number, first, end - 1),
        extra={"partition": number, "first_offset": first, "last_offset": end - 1},
    )
