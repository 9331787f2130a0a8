"""Kafka's records as columns: a fetch's record batches unpacked without an object per record.

    record   length, attributes, timestamp delta, offset delta, key length, key, value length, value,
             number of headers, headers          (all lengths and deltas are zigzag varints)

Where a record begins is known only from the one before it. `walk` goes that way, step by step. `columns`
guesses instead: a record without headers whose value is an object ends in `}` and a zero, and the next one
begins there. The guess is then proved, for all records at once: a batch's first record begins where the batch
does, each one's length leads to where the next was guessed, its value ends where it does, and there are as
many as the batch says. A batch of which that is not true is walked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt
from aiokafka import codec

from charts.slices import NEWLINE, NONE, TAIL, Ints, Octets, Slices

_CLOSING = 0x7D
_MORE = 0x80
_SEVEN_BITS, _ONE = np.uint64(0x7F), np.uint64(1)
#: The longest varint, of 64 bits.
_VARINT_BYTES = 10

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
    buffer = np.frombuffer(bytearray().join([*(batch.records for batch in batches), TAIL]), np.uint8)
    sizes = np.array([len(batch.records) for batch in batches], np.int64)
    counts = np.array([batch.count for batch in batches], np.int64)
    ends = np.cumsum(sizes)
    starts, lengths, times, deltas = rows = np.zeros((4, int(counts.sum())), np.int64)
    headers: dict[int, Headers] = {}
    first_rows = np.cumsum(counts) - counts
    holds = _guess(buffer, ends - sizes, ends, counts, rows)
    for at in np.flatnonzero(~holds).tolist():
        found = list(walk(batches[at].records))
        if len(found) != counts[at]:
            raise BadRecords(f"{len(found)} records in a batch of {counts[at]}")
        for row, (start, *numbers, named) in enumerate(found, int(first_rows[at])):
            rows[:, row] = int(ends[at] - sizes[at]) + start, *numbers
            if named:
                headers[row] = named
    there = lengths != NONE
    buffer[(starts + lengths)[there]] = NEWLINE
    return Columns(
        Slices(buffer, starts, lengths),
        np.repeat(np.array([batch.base_offset for batch in batches], np.int64), counts) + deltas,
        np.repeat(np.array([batch.timestamp for batch in batches], np.int64), counts)
        + np.where(np.repeat(np.array([batch.is_appended for batch in batches]), counts), 0, times),
        headers,
    )


def _guess(buffer: Octets, firsts: Ints, ends: Ints, counts: Ints, rows: Ints) -> npt.NDArray[np.bool_]:
    """Fill in the rows of the batches of which the guess is true; tells which they are."""
    zeros = np.flatnonzero(buffer == 0)
    guessed = zeros[buffer[zeros - 1] == _CLOSING] + 1
    # Each batch by itself: a wrong guess in one moves no other's rows.
    through = np.searchsorted(guessed, ends, side="right")
    holds = through - np.searchsorted(guessed, firsts, side="right") == counts
    batch = np.repeat(np.arange(len(counts)), np.where(holds, counts, 0))
    row = np.flatnonzero(np.repeat(holds, counts))
    nth = row - (np.cumsum(counts) - counts)[batch]
    end = guessed[(through - counts)[batch] + nth]
    start = np.where(nth == 0, firsts[batch], np.roll(end, 1))
    length, at = _varints(buffer, start)
    proved = at + length == end
    times, at = _varints(buffer, at + 1)
    deltas, at = _varints(buffer, at)
    key_length, at = _varints(buffer, at)
    proved &= (key_length >= NONE) & (key_length < end - at)
    value_length, at = _varints(buffer, at + np.where(proved, np.maximum(key_length, 0), 0))
    proved &= (value_length >= 0) & (at + value_length + 1 == end)
    last_of_batch = np.append(batch[1:] != batch[:-1], True) if len(batch) else proved
    proved &= ~last_of_batch | (end == ends[batch])
    holds &= np.bincount(batch[~proved], minlength=len(counts)) == 0
    rows[:, row] = at, value_length, times, deltas
    return holds


def _varints(buffer: Octets, at: Ints) -> tuple[Ints, Ints]:
    """The number at each place, and the place after it."""
    last = len(buffer) - 1
    octet = buffer[np.minimum(at, last)].astype(np.uint64)
    number = octet & _SEVEN_BITS
    at = at + 1
    more = np.flatnonzero(octet >= _MORE)
    for shift in range(7, 7 * _VARINT_BYTES, 7):
        if not len(more):
            break
        octet = buffer[np.minimum(at[more], last)].astype(np.uint64)
        number[more] |= (octet & _SEVEN_BITS) << np.uint64(shift)
        at[more] += 1
        more = more[octet >= _MORE]
    return (number >> _ONE).astype(np.int64) ^ -(number & _ONE).astype(np.int64), at


def walk(records: bytes | memoryview) -> Iterator[tuple[int, int, int, int, Headers]]:
    """One record after the other: start and length of its value, timestamp and offset delta, headers."""
    octets, end = bytes(records), 0
    while end < len(octets):
        length, at = _varint(octets, end)
        end = at + length
        time, at = _varint(octets, at + 1)
        delta, at = _varint(octets, at)
        _, at = _bytes(octets, at)
        length, start = _varint(octets, at)
        count, at = _varint(octets, start + max(length, 0))
        headers: Headers = []
        for _ in range(count):
            name, at = _bytes(octets, at)
            value, at = _bytes(octets, at)
            headers.append((name or b"", value))
        if at != end:
            raise BadRecords(f"a record ends at {at}, not at {end}")
        yield start, max(length, NONE), time, delta, headers


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
