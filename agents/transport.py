"""The transport for runs: Faust's aiokafka transport, handing over whole runs instead of single events.

For the topics an app names, an agent receives one `charts.run.Run` per partition and fetch, and table
recovery one `ChangelogRun`. Where reading starts and what is committed follow the state that consumes the
runs (`Position`), not Faust's acknowledgements: the state knows what it holds, the group what it was told.

Everything of Faust and aiokafka that this project overrides is in this file:

    what                                        why
    ------------------------------------------  ------------------------------------------------------------
    faust.App._new_transport                    to put the transport below in
    faust.App.crash, faust.Worker               an error of ours ends the process in one line, no traceback;
                                                no spinner, which would write its own into the logs
    faust.App._on_autodiscovery_error           an agent that cannot be imported ends the start
    faust.Worker.execute_from_commandline       topics and checks come before anything else
    faust.App.on_init_dependencies              the boards are read before the web server listens
    faust Consumer._new_consumer_thread         a thread that merges record batches into runs
    faust Consumer._to_message                  the run is the message's value, its last offset the offset
    faust Consumer._filter_committable_offsets  commits follow the state
    faust Consumer._add_gap                     a run's offsets are no gap: Faust would list them one by one
    faust Consumer.perform_seek                 reading starts where the state ends
    faust Consumer.wait_empty                   the last flush, on revoke and on stop; a commit that does not
                                                end is given up, since starting follows the state
    faust Consumer.close                        a rebalance during a stop would close the consumer from the
                                                wrong thread, and its last commit would never end
    faust ConsumerThread.on_thread_stop         a group that waits for a member that hangs is not waited for
    faust ConsumerThread._create_consumer       its consumer is marked: others in the process read records;
                                                and it reads what is committed, so aborted plays do not count
    faust ConsumerThread._fetch_records         the same, one run per partition
    aiokafka fetcher.PartitionRecords           record batches unpacked in columns (agents/records.py)
    aiokafka fetcher.MemoryRecords              keeps the bytes of a fetch for that

`CHECKED` names the versions this was read and tested on; a test fails on others. On an aiokafka that is not
the checked one, records come through the public path: slower, the same runs.
"""

import asyncio
import logging
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import aiokafka
import faust
import numpy as np
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from faust.exceptions import ImproperlyConfigured
from faust.transport.consumer import RecordMap
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import ServiceT

from agents.records import BadRecords, Batch, Headers, columns, is_whole, unpacked
from charts.errors import ChartsError
from charts.run import FORWARDED_HEADER, TICK_HEADER, ChangelogRun, Run
from logs import ending_in_one_line

#: Where a batch's length ends (it counts what follows), and where its format stands.
_LENGTH_END, _MAGIC = 12, 16
#: Uncompressed records unpacked at once.
_PIECE_BYTES = 8 << 20
#: How long a commit, or leaving the group, may take when the worker stops within ten seconds.
_COMMIT_S, _LEAVE_S = 3.0, 3.0
_FORWARDED, _TICK = FORWARDED_HEADER.encode(), TICK_HEADER.encode()

CHECKED = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}

log = logging.getLogger(__name__)


class Position(Protocol):
    """The state behind the runs, as far as reading and committing go."""

    def committable(self) -> Mapping[TP, int]:
        """The next offset of every partition that is durably applied."""

    def expected(self) -> Mapping[TP, int]:
        """Where reading must go on; partitions that hold nothing yet are left out."""

    async def settle(self) -> None:
        """Make durable what was taken in, and take in no more: partitions are leaving, or the worker."""


class App(faust.App):
    """A Faust app whose `run_topics` (and tables named there) are read in runs."""

    position: Position | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        self.run_topics: set[str] = set()
        self.changelog_topics: set[str] = set()
        #: Awaited before anything of Faust starts.
        self.before_start: list[Callable[[], Awaitable[None]]] = []
        #: Services that start first, before the web server listens, and stop last.
        self.first: list[ServiceT] = []
        super().__init__(*args, **options)

    async def crash(self, reason: BaseException) -> None:
        """Stop everything; what is ours to say needs no traceback."""
        if not isinstance(reason, ChartsError):
            await super().crash(reason)
            return
        log.critical("%s", reason)
        # The process alone: it then stops its services one by one, and in peace.
        process = (self.beacon.root or self.beacon).data
        process.crash_reason = reason
        process._crashed.set()

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        return [*self.first, *super().on_init_dependencies()]

    def _new_transport(self) -> "Transport":
        return Transport(self.conf.broker_consumer, self, loop=self.loop)

    def _on_autodiscovery_error(self, name: str) -> None:
        """Half a worker is none: Faust would warn, and go on without the agent."""
        raise ImproperlyConfigured(f"{name} cannot be imported") from sys.exc_info()[1]

    def reads_runs(self, topic: str) -> bool:
        return topic in self.run_topics or topic in self.changelog_topics


class Worker(faust.Worker):
    """The process: logs as the settings say; what crashed it is its last line, and its exit code."""

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:
        """Leave the levels alone: Faust's spinner opens the root logger wide, and drops below --loglevel."""
        self.spinner = None

    def execute_from_commandline(self) -> NoReturn:
        with ending_in_one_line():
            for prepare in self.app.before_start:
                self.loop.run_until_complete(prepare())
        super().execute_from_commandline()

    def stop_and_shutdown(self) -> None:
        with ending_in_one_line():
            super().stop_and_shutdown()


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Records of one partition, before they are merged into a run."""

    start: int
    next: int
    #: Only of a changelog.
    keys: list[bytes | None] | None
    values: Sequence[bytes | None]
    offsets: np.ndarray
    timestamps: np.ndarray
    #: Row → headers, for the few records that have any.
    headers: Mapping[int, Headers]

    @property
    def after_start(self) -> "Piece":
        """A compressed batch is delivered whole even when asked from its middle."""
        first = int(np.searchsorted(self.offsets, self.start))
        if not first:
            return self
        return Piece(
            self.start,
            self.next,
            None if self.keys is None else self.keys[first:],
            self.values[first:],
            self.offsets[first:],
            self.timestamps[first:],
            {row - first: headers for row, headers in self.headers.items() if row >= first},
        )


class KeptRecords(fetcher.MemoryRecords):  # type: ignore[misc]
    """A fetch's batches, and the bytes they lie in."""

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets)
        self.octets = octets


class RunRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """Yields a fetch in a Piece or a few where its consumer reads runs, records elsewhere."""

    def _unpack_records(self) -> Iterator[Any]:
        reader = self._key_deserializer
        # Message formats before 2 have batches of another shape.
        if isinstance(reader, RunReader) and reader.app.reads_runs(self._tp.topic) and self._is_modern():
            of_changelog = self._tp.topic in reader.app.changelog_topics
            return self._unpack_changelog() if of_changelog else self._unpack_plays()
        return super()._unpack_records()

    def _is_modern(self) -> bool:
        octets = self._records.octets
        return len(octets) <= _MAGIC or octets[_MAGIC] >= 2

    def _unpack_plays(self) -> Iterator[Piece]:
        """Whole batches in columns, as many at a time as fit in memory well."""
        start, found, size = self.next_fetch_offset, [], 0
        for batch, octets in self._batches():
            if octets is not None:
                found.append(unpacked(batch, octets))
                size += len(found[-1].records)
            if size >= _PIECE_BYTES:
                yield self._piece(start, found)
                start, found, size = self.next_fetch_offset, [], 0
        if self.next_fetch_offset > start:
            yield self._piece(start, found)

    def _piece(self, start: int, batches: list[Batch]) -> Piece:
        try:
            found = columns(batches)
        except BadRecords as error:
            self.next_fetch_offset = start
            raise CorruptRecordException(f"{error} - {self._tp}") from error
        return Piece(
            start, self.next_fetch_offset, None, found.values, found.offsets, found.timestamps, found.headers
        ).after_start

    def _unpack_changelog(self) -> Iterator[Piece]:
        """Batch by batch, touching each record object once: recovery wants keys and values as objects."""
        keys: list[bytes | None]
        values: list[bytes | None]
        start = self.next_fetch_offset
        for batch, octets in self._batches():
            keys, values, offsets = [], [], []
            # Iterating frees each record object at once; a list of them would keep the collector busy.
            for record in batch if octets is not None else ():
                keys.append(record.key)
                values.append(record.value)
                offsets.append(record.offset)
            at = np.array(offsets, np.int64)
            yield Piece(start, self.next_fetch_offset, keys, values, at, at, {}).after_start
            start = self.next_fetch_offset

    def _batches(self) -> Iterator[tuple[Any, memoryview | None]]:
        """The batches and their bytes, or none where their records are not for us."""
        octets, at = memoryview(self._records.octets), 0
        while self._records.has_next():
            batch = self._records.next_batch()
            end = at + _LENGTH_END + int.from_bytes(octets[at + _LENGTH_END - 4 : at + _LENGTH_END])
            if self._check_crcs and not is_whole(batch, octets[at:end]):
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            dropped = self._is_aborted(batch) or batch.is_control_batch
            self.next_fetch_offset = batch.next_offset
            yield batch, None if dropped else octets[at:end]
            at = end

    def _is_aborted(self, batch: Any) -> bool:
        """Aborted transactions, as aiokafka's own unpacking finds them."""
        if self._isolation_level != fetcher.READ_COMMITTED or batch.producer_id is None:
            return False
        self._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and self._contains_abort_marker(batch):
            self._aborted_producers.discard(batch.producer_id)
        return batch.is_transactional and batch.producer_id in self._aborted_producers


@dataclass(frozen=True, slots=True)
class RunReader:
    """Marks a consumer that reads runs, in the only place aiokafka hands through: as its key deserializer."""

    app: App

    def __call__(self, key: bytes | None) -> bytes | None:
        return key


def unpack_below_records() -> bool:
    """Switch the fast unpacking on, if this aiokafka is the one it was written for."""
    if aiokafka.__version__ != CHECKED["aiokafka"]:
        log.warning("aiokafka %s is not checked: records take the slow path", aiokafka.__version__)
        return False
    fetcher.MemoryRecords = KeptRecords
    fetcher.PartitionRecords = RunRecords
    return True


def piece_of_records(records: list[Any], want_keys: bool) -> Piece:
    """The public path: aiokafka's consumer records as one piece."""
    return Piece(
        records[0].offset,
        records[-1].offset + 1,
        [record.key for record in records] if want_keys else None,
        [record.value for record in records],
        np.array([record.offset for record in records], np.int64),
        np.array([record.timestamp for record in records], np.int64),
        {
            row: [(name.encode(), value) for name, value in record.headers]
            for row, record in enumerate(records)
            if record.headers
        },
    )


def merge(partition: int, pieces: Sequence[Piece]) -> Run | ChangelogRun:
    """One partition's pieces of a fetch, in one run."""
    start, end = pieces[0].start, pieces[-1].next
    values = pieces[0].values
    if len(pieces) > 1:
        values = [value for piece in pieces for value in piece.values]
    offsets = np.concatenate([piece.offsets for piece in pieces])
    if pieces[0].keys is not None:
        keys = [key for piece in pieces for key in piece.keys or ()]
        return ChangelogRun(partition, start, end, keys, values, offsets)
    timestamps = np.concatenate([piece.timestamps for piece in pieces])
    forwarded, ticks = _read_headers(pieces)
    return Run(partition, start, end, values, offsets, timestamps, forwarded, ticks)


def _read_headers(pieces: Sequence[Piece]) -> tuple[dict[int, tuple[int, int]], frozenset[int]]:
    forwarded: dict[int, tuple[int, int]] = {}
    ticks = set()
    first = 0
    for piece in pieces:
        for row, headers in piece.headers.items():
            for name, value in headers:
                if name == _FORWARDED and value is not None and (origin := _origin(value)) is not None:
                    forwarded[first + row] = origin
                elif name == _TICK:
                    ticks.add(first + row)
        first += len(piece.offsets)
    return forwarded, frozenset(ticks)


def _origin(value: bytes) -> tuple[int, int] | None:
    """`partition:offset`; anything else was not written by us, and the play counts as any other."""
    found = _ORIGIN.fullmatch(value)
    return (int(found[1]), int(found[2])) if found else None


#: As many digits as the numbers can have: Python refuses to read five thousand.
_ORIGIN = re.compile(rb"([0-9]{1,10}):([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class _RunRecord:
    """A run in the clothes of a consumer record."""

    topic: str
    partition: int
    run: Run | ChangelogRun


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Fetches as Faust does, and merges what belongs to one partition into one run."""

    def _create_consumer(self, loop: Any) -> Any:
        consumer = super()._create_consumer(loop)
        consumer._key_deserializer = RunReader(self.app)
        # Faust reads what is not committed, unless it writes transactions itself.
        consumer._isolation_level = "read_committed"
        return consumer

    async def on_thread_stop(self) -> None:
        try:
            async with asyncio.timeout(_LEAVE_S):
                await super().on_thread_stop()
        except TimeoutError:
            log.warning("the group is not left: it will notice by itself")

    async def _fetch_records(self, consumer: Any, active_partitions: set[TP], **options: Any) -> RecordMap:
        fetched = await super()._fetch_records(consumer, active_partitions, **options)
        return {
            tp: self._as_run(tp, found) if self.app.reads_runs(tp.topic) and found else found
            for tp, found in fetched.items()
        }

    def _as_run(self, tp: TP, found: list[Any]) -> list[_RunRecord]:
        if not isinstance(found[0], Piece):
            found = [piece_of_records(found, tp.topic in self.app.changelog_topics)]
        return [_RunRecord(tp.topic, tp.partition, merge(tp.partition, found))]


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Commits, and starts, where the state says."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if not isinstance(record, _RunRecord):
            return super()._to_message(tp, record)
        return ConsumerMessage(
            record.topic,
            record.partition,
            record.run.next - 1,
            0.0,
            0,
            (),
            b"run",
            record.run,
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if not self.app.reads_runs(tp.topic):
            await super()._add_gap(tp, offset_from, offset_to)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        acked = super()._filter_tps_with_pending_acks(topics)
        return (tp for tp in acked if not self.app.reads_runs(tp.topic))

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        offsets: dict[TP, int] = super()._filter_committable_offsets(tps)
        for tp, offset in self.app.position.committable().items():
            self._acked[tp].clear()
            self._acked_index[tp].clear()
            if self._should_commit(tp, offset):
                offsets[tp] = offset
        return offsets

    async def perform_seek(self) -> None:
        await super().perform_seek()
        mine = self.assignment()
        wanted = {tp: offset for tp, offset in self.app.position.expected().items() if tp in mine}
        if wanted:
            await self.seek_wait(wanted)

    async def wait_empty(self) -> None:
        await self.app.position.settle()
        try:
            async with asyncio.timeout(_COMMIT_S):
                await super().wait_empty()
        except TimeoutError:
            log.warning("the last offsets are not committed: the state knows them")

    def close(self) -> None:
        """Nothing to do: the thread closes its consumer when it stops."""


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with the consumer above."""

    Consumer = Consumer
