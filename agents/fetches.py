"""Fetches: what Kafka hands over of one partition, as pieces of columns, and the pieces as one run.

Below aiokafka's consumer: its record batches are unpacked whole (agents/records.py), never record by record.

    what                                why
    ----------------------------------  --------------------------------------------------------------------
    aiokafka fetcher.PartitionRecords   yields pieces where its consumer reads runs, records elsewhere
    aiokafka fetcher.MemoryRecords      keeps the bytes of a fetch for that

On an aiokafka that is not the one this was read and tested on, records come through the public path: slower,
the same runs.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiokafka
import numpy as np
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException

from agents.records import BadRecords, Batch, Headers, columns, is_whole, unpacked
from charts.run import FORWARDED_HEADER, TICK_HEADER, ChangelogRun, Run
from charts.slices import Slices

log = logging.getLogger(__name__)

CHECKED_AIOKAFKA = "0.14.0"

#: Where a batch's length ends (it counts what follows), and where its format stands.
_LENGTH_END, _MAGIC = 12, 16
#: Uncompressed records unpacked at once.
_PIECE_BYTES = 8 << 20
_FORWARDED, _TICK = FORWARDED_HEADER.encode(), TICK_HEADER.encode()


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


class Reads(Protocol):
    """Knows the topics that are read in runs: the app."""

    changelog_topics: set[str]

    def reads_runs(self, topic: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class RunReader:
    """Marks a consumer that reads runs, in the only place aiokafka hands through: as its key deserializer."""

    app: Reads

    def __call__(self, key: bytes | None) -> bytes | None:
        return key


def unpack_below_records() -> bool:
    """Switch the fast unpacking on, if this aiokafka is the one it was written for."""
    if aiokafka.__version__ != CHECKED_AIOKAFKA:
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
    offsets = np.concatenate([piece.offsets for piece in pieces])
    if pieces[0].keys is not None:
        keys = [key for piece in pieces for key in piece.keys or ()]
        return ChangelogRun(
            partition, start, end, keys, [v for piece in pieces for v in piece.values], offsets
        )
    values = pieces[0].values if len(pieces) == 1 else Slices.joined([piece.values for piece in pieces])
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
    if found is None:
        return None
    partition, offset = int(found[1]), int(found[2])
    return (partition, offset) if partition < 1 << 31 and offset < 1 << 63 else None


#: As many digits as Kafka's numbers can have: Python refuses to read five thousand.
_ORIGIN = re.compile(rb"([0-9]{1,10}):([0-9]{1,19})")
