"""Records as columns: what machine code finds is what a plain walk finds, step by step."""

from collections.abc import Iterator

import numpy as np
import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.records import BadRecords, Batch, Headers, _bytes, _varint, columns, unpacked
from charts.slices import NONE
from tests.agents.batches import CODECS, Sent
from tests.agents.batches import Batch as Sending

#: Values that look like the end of a record, or not like a play at all.
TRICKY = [b"{}", b"}", b"}\0", b"{}\0{}\0", b"}\0\0}\0", b"", None, b"\0", b'{"a": 1}', b"}\x7d\0" * 30]
values = st.sampled_from(TRICKY) | st.binary(max_size=8).map(lambda inner: b"{" + inner + b"}")
lengths = st.sampled_from([0, 1, 60, 61, 62, 63, 64, 120, 8180, 8190, 8200])
plays = st.tuples(values, lengths).map(lambda pair: pair[0] and pair[0][:-1] + b" " * pair[1] + b"}")
keys = st.none() | st.binary(max_size=5) | st.just(b"}\0")
headers = st.lists(st.tuples(st.sampled_from(["tick", "x", ""]), st.none() | st.just(b"}\0")), max_size=2)
drawn_records = st.tuples(
    st.integers(-(1 << 40), 1 << 40), keys, values | plays, st.just([]) | st.just([]) | headers
)
drawn_batches = st.lists(
    st.tuples(st.lists(drawn_records, max_size=5), st.sampled_from(sorted(CODECS))), min_size=1, max_size=4
)


def walk(records: bytes | memoryview) -> Iterator[tuple[int, int, int, int, Headers]]:
    """The oracle, record by record: start and length of its value, timestamp and offset delta, headers."""
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


def batch_of(sending: Sending) -> Batch:
    octets = sending.encode()
    return unpacked(MemoryRecords(octets).next_batch(), memoryview(octets))


@settings(max_examples=300, deadline=None)
@given(drawn_batches)
def test_columns_hold_what_was_sent(drawn: list) -> None:
    batches, sent = [], []
    for number, (found, codec) in enumerate(drawn):
        first = number * 1000
        told = [Sent(first + 3 * nth, 1 + (1 << 41) + time, key, value, named)
                for nth, (time, key, value, named) in enumerate(found)]  # fmt: skip
        batches.append(batch_of(Sending(first, first + 1000, tuple(told), codec)))
        sent += told
    found = columns(batches)
    assert list(found.values) == [record.value for record in sent]
    assert found.values[:] is not found.values and [*found.values[1:]] == [r.value for r in sent[1:]]
    assert found.offsets.tolist() == [record.offset for record in sent]
    assert found.timestamps.tolist() == [record.timestamp for record in sent]
    assert found.headers == {
        row: [(name.encode(), value) for name, value in record.headers]
        for row, record in enumerate(sent)
        if record.headers
    }


def test_a_batch_that_does_not_hold_what_it_says_is_refused() -> None:
    told = tuple(Sent(at, at, b"k", b"{}", []) for at in range(3))
    good = batch_of(Sending(0, 3, told))
    octets = bytes(good.records)
    counts = ((octets, 2), (octets, 4), (octets, (1 << 32) - 1))
    for broken, count in (*counts, (octets[:-1], 3), (octets + b"\0", 3), (b"\xff" * 40, 3)):
        with pytest.raises(BadRecords):
            columns([good, Batch(0, count, 0, False, broken)])
    assert len(columns([good, good]).values) == 6


def test_every_bit_flipped_is_found_or_told_alike() -> None:
    """Machine code accepts what a walk accepts, and nothing else."""
    told = tuple(Sent(at, at, b"kk", b'{"a":"}"}', []) for at in range(3))
    good = bytes(batch_of(Sending(0, 3, told)).records)
    for bit in range(8 * len(good)):
        octets = bytearray(good)
        octets[bit // 8] ^= 1 << bit % 8
        batch = Batch(0, 3, 0, False, bytes(octets))
        try:
            expected = [bytes(octets[s : s + n]) if n >= 0 else None for s, n, *_ in walk(batch.records)]
        except BadRecords:
            expected = None
        try:
            found = list(columns([batch]).values)
        except BadRecords:
            found = None
        assert found == (expected if expected is not None and len(expected) == 3 else None), bit


def test_the_broker_s_time_is_every_record_s() -> None:
    told = tuple(Sent(at, at, b"k", b"{}", []) for at in range(3))
    found = columns([batch_of(Sending(0, 3, told, appended_at=1 << 41))])
    assert found.timestamps.tolist() == [1 << 41] * 3
    assert np.array_equal(found.offsets, [0, 1, 2])
