"""Kafka's records as columns: a fetch's record batches unpacked without an object per record.

    record   length, attributes, timestamp delta, offset delta, key length, key, value length, value,
             number of headers, headers          (all lengths and deltas are zigzag varints)

Where a record begins is known only from the one before it, so they are walked, in machine code. The few that
have headers are read once more, for those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np
from aiokafka import codec

from charts.compiled import INT_ROWS, INTS, INTS_OUT, OCTETS, compiled
from charts.octets import Octets
from charts.slices import NONE, Ints, Slices

_MORE = 0x80
#: The longest varint, of 64 bits.
_VARINT_BYTES = 10
#: The shortest record: seven parts, a byte each.
_RECORD_BYTES = 7
#: No place, after what is no varint.
_BAD = -1

Headers = list[tuple[bytes, bytes | None]]


@dataclass(frozen=True, slots=True)
class Batch:
    """A record batch, its records uncompressed."""

    base_offset: int
    count: int
    #: The first record's timestamp; or all records', if the broker gave it.
    timestamp: int
    is_appended: bool
    records: bytes | memoryview


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The records of some batches."""

    values: Slices
    offsets: Ints
    timestamps: Ints
    #: Row → headers, for the few records that have any.
    headers: dict[int, Headers]


#: A batch's fields: Kafka's record batch, version 2.
_CHECKED, _COUNT, _RECORDS = 21, 57, 61
_DECODE = {1: codec.gzip_decode, 2: codec.snappy_decode, 3: codec.lz4_decode, 4: codec.zstd_decode}


class BadRecords(Exception):
    """Raised when a batch does not hold what it says."""


def is_whole(head: Any, octets: memoryview) -> bool:
    """Whether a batch is what was sent; with the processor's own instruction, where aiokafka uses a table."""
    if google_crc32c.implementation != "c":
        return bool(head.validate_crc())
    return bool(google_crc32c.value(bytes(octets[_CHECKED:])) == head.crc)


def unpacked(head: Any, octets: memoryview) -> Batch:
    """A batch, from aiokafka's reading of its head and all its bytes."""
    count = int.from_bytes(octets[_COUNT:_RECORDS])
    records: bytes | memoryview = octets[_RECORDS:]
    # Of a batch without records (compaction keeps a producer's last one) no codec says the same.
    if head.compression_type and count:
        records = _DECODE[head.compression_type](records)
    is_appended = head.timestamp_type == 1
    timestamp = head.max_timestamp if is_appended else head.first_timestamp
    return Batch(head.base_offset, count, timestamp, is_appended, records)


def columns(batches: Sequence[Batch]) -> Columns:
    """The records of some batches, in their order."""
    buffer = np.frombuffer(bytearray().join([batch.records for batch in batches]), np.uint8)
    counts = np.array([batch.count for batch in batches], np.int64)
    sizes = np.array([len(batch.records) for batch in batches], np.int64)
    # Room is made for what they say: four billion records need more of it than there is.
    if (counts * _RECORD_BYTES > sizes).any():
        raise BadRecords("a batch that says it holds more records than its bytes can be")
    starts, lengths, times, deltas = np.zeros((4, int(counts.sum())), np.int64)
    headers = np.zeros((2, len(starts)), np.int64)
    bad = _walk(buffer, np.cumsum(sizes), counts, starts, lengths, times, deltas, headers)
    if bad >= 0:
        raise BadRecords(f"a batch that does not hold the {counts[bad]} records it says")
    return Columns(
        Slices(buffer, starts, lengths),
        np.repeat(np.array([batch.base_offset for batch in batches], np.int64), counts) + deltas,
        np.repeat(np.array([batch.timestamp for batch in batches], np.int64), counts)
        + np.where(np.repeat(np.array([batch.is_appended for batch in batches]), counts), 0, times),
        {
            row: _headers(buffer[slice(*headers[:, row])].tobytes())
            for row in np.flatnonzero(headers[0]).tolist()
        },
    )


@compiled()
def _number(octets: Octets, at: int, end: int) -> tuple[int, int]:
    """The varint at a place, and the place after it; `_BAD` if it, or what should be before it, ends late."""
    number, shift = np.uint64(0), np.uint64(0)
    while 0 <= at < end and shift < 64:
        octet = np.uint64(octets[at])
        number |= (octet & np.uint64(_MORE - 1)) << shift
        at, shift = at + 1, shift + np.uint64(7)
        if octet < _MORE:
            return np.int64(number >> np.uint64(1)) ^ -np.int64(number & np.uint64(1)), at
    return 0, _BAD


@compiled(OCTETS, INTS, INTS, INTS_OUT, INTS_OUT, INTS_OUT, INTS_OUT, INT_ROWS)
def _walk(
    octets: Octets,
    ends: Ints,
    counts: Ints,
    starts: Ints,
    lengths: Ints,
    times: Ints,
    deltas: Ints,
    headers: Ints,
) -> int:
    """One record after the other: its value, its deltas, and where its headers begin and end, if it has any.

    Tells the batch that does not hold what it says, or -1.
    """
    at, row = 0, 0
    for batch in range(len(ends)):
        last = row + counts[batch]
        while row < last:
            length, at = _number(octets, at, ends[batch])
            end = at + length
            if at == _BAD or length < 0 or end > ends[batch]:
                return batch
            times[row], at = _number(octets, at + 1, end)
            deltas[row], at = _number(octets, at, end)
            length, at = _number(octets, at, end)
            lengths[row], at = _number(octets, at + max(length, 0), end)
            lengths[row] = max(lengths[row], NONE)
            starts[row] = at
            count, after = _number(octets, at + max(lengths[row], 0), end)
            if count != 0 and after != _BAD:
                headers[0, row], headers[1, row] = at + max(lengths[row], 0), end
            elif after != end:
                return batch
            at, row = end, row + 1
        # Of a batch without records not even its codec is known.
        if at != ends[batch] and counts[batch]:
            return batch
        at = ends[batch]
    return -1


def _headers(octets: bytes) -> Headers:
    """A record's headers, from their number on."""
    count, at = _varint(octets, 0)
    headers: Headers = []
    for _ in range(count):
        name, at = _bytes(octets, at)
        value, at = _bytes(octets, at)
        headers.append((name or b"", value))
    if at != len(octets):
        raise BadRecords(f"a record ends at {len(octets)}, its headers at {at}")
    return headers


def _varint(octets: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 7 * _VARINT_BYTES, 7):
        if at >= len(octets):
            raise BadRecords("a batch ends within a record")
        octet = octets[at]
        at += 1
        number |= (octet & 0x7F) << shift
        if octet < _MORE:
            return (number >> 1) ^ -(number & 1), at
    raise BadRecords("a number of more than 64 bits")


def _bytes(octets: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _varint(octets, at)
    return (None, at) if length < 0 else (octets[at : at + length], at + length)
