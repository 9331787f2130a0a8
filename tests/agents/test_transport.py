"""The transport: record batches unpacked below records are the same runs as through aiokafka's records."""

import asyncio
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import aiokafka
import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP
from hypothesis import event, given, settings
from hypothesis import strategies as st

from agents.fetches import (
    KeptRecords,
    Piece,
    RunReader,
    RunRecords,
    merge,
    piece_of_records,
    unpack_below_records,
)
from agents.transport import CHECKED, App
from charts.run import FORWARDED_HEADER, TICK_HEADER, ChangelogRun, Run
from tests.agents.batches import ABORT, CODECS, COMMIT, Batch, Headers, Sent, control

PLACE = TopicPartition("song-plays", 3)
COMMITTED, UNCOMMITTED = fetcher.READ_COMMITTED, fetcher.READ_UNCOMMITTED
#: aiokafka's own, whether or not it was replaced in this process.
PublicRecords = RunRecords.__mro__[1]


@dataclass(frozen=True)
class Reads:
    """What an app says of its topics."""

    changelog_topics: set[str] = field(default_factory=set)

    def reads_runs(self, topic: str) -> bool:
        return True


def fast(batches: list[Batch], start: int, aborted: list = (), isolation: int = COMMITTED, **options) -> Any:
    """The pieces of a fetch; the records object knows where the next one begins."""
    reads = Reads(**options)
    buffer = b"".join(batch.encode() for batch in batches)
    return RunRecords(
        PLACE, KeptRecords(buffer), list(aborted), start, RunReader(reads), None, True, isolation
    )


def public(batches: list[Batch], start: int, aborted: list = (), isolation: int = COMMITTED) -> Any:
    buffer = b"".join(batch.encode() for batch in batches)
    return PublicRecords(PLACE, MemoryRecords(buffer), list(aborted), start, None, None, True, isolation)


def story(run: Run) -> dict[str, Any]:
    """A run as plain values."""
    return {
        "partition": run.partition,
        "values": list(run.values),
        "offsets": run.offsets.tolist(),
        "timestamps": run.timestamps.tolist(),
        "forwarded": run.forwarded,
        "ticks": run.ticks,
    }


def expected(batches: list[Batch], start: int, dropped: set[int]) -> dict[str, Any]:
    """The oracle: what was sent, less what is behind us, control records, and dropped batches."""
    records = [
        (record, batch.appended_at)
        for batch in batches
        if not batch.is_control and batch.first not in dropped
        for record in batch.records
        if record.offset >= start
    ]
    names = [dict(record.headers) for record, _ in records]
    origins = {row: found[FORWARDED_HEADER] for row, found in enumerate(names) if FORWARDED_HEADER in found}
    return {
        "partition": PLACE.partition,
        "values": [record.value for record, _ in records],
        "offsets": [record.offset for record, _ in records],
        "timestamps": [record.timestamp if at is None else at for record, at in records],
        "forwarded": {
            row: tuple(map(int, origin.split(b":"))) for row, origin in origins.items() if origin in ORIGINS
        },
        "ticks": frozenset(row for row, found in enumerate(names) if TICK_HEADER in found),
    }


ORIGINS = (b"0:0", b"2147483647:9223372036854775807")
TOO_LARGE = (b"2147483648:0", b"0:9223372036854775808")
headers = st.sampled_from(
    [[], [], [], [], [(TICK_HEADER, b"")], [(TICK_HEADER, None)], [("verdict", b"late")]]
    + [
        [(FORWARDED_HEADER, origin)]
        for origin in (*ORIGINS, b"", b"1:", b"a:1", b"-1:1", b"9" * 5000 + b":1", *TOO_LARGE)
    ]
    + [[("x", None), (FORWARDED_HEADER, b"0:0"), (TICK_HEADER, b"")], [(FORWARDED_HEADER, None)]]
)
records = st.tuples(
    st.integers(0, 1 << 42),
    st.none() | st.binary(max_size=9),
    st.none() | st.binary(max_size=200),
    headers,
)
#: (hole before, records, hole after each, codec, producer, log append time, how the transaction ends)
batches_drawn = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(st.tuples(records, st.integers(0, 2)), min_size=1, max_size=4),
        st.sampled_from(sorted(CODECS)),
        st.sampled_from([-1, -1, 11, 12]),
        st.none() | st.integers(1 << 40, 1 << 41),
        st.sampled_from([None, ABORT, COMMIT]),
    ),
    min_size=1,
    max_size=6,
)


@dataclass
class Log:
    """A partition's log, and what the broker says of its aborted transactions."""

    batches: list[Batch] = field(default_factory=list)
    aborted: list[tuple[int, int, int]] = field(default_factory=list)
    #: First offsets of the batches that nobody committed.
    dropped: set[int] = field(default_factory=set)
    end: int = 100

    @classmethod
    def of(cls, drawn: list) -> "Log":
        log, begun = cls(), {}
        for hole, sent, codec, producer, appended_at, ending in drawn:
            first = offset = log.end + hole
            kept = []
            for (timestamp, key, value, found), gap in sent:
                kept.append(Sent(offset, timestamp, key, value, found))
                offset += 1 + gap
            log.batches.append(Batch(first, offset, tuple(kept), codec, producer, False, appended_at))
            log.end = offset
            if producer >= 0:
                begun.setdefault(producer, []).append(first)
                if ending is not None:
                    log.finish(producer, begun.pop(producer), ending)
        for producer, firsts in begun.items():
            log.finish(producer, firsts, ABORT)
        return log

    def finish(self, producer: int, firsts: list[int], ending: bytes) -> None:
        self.batches.append(control(self.end, producer, ending))
        if ending == ABORT:
            self.aborted.append((producer, firsts[0], self.end))
            self.dropped |= set(firsts)
        self.end += 1

    def fetch(self, start: int) -> list[Batch]:
        """A broker sends whole batches, from the one that holds the offset."""
        return [batch for batch in self.batches if batch.next > start]

    def aborted_from(self, start: int) -> list[tuple[int, int]]:
        """A broker names the aborted transactions that end after the offset."""
        return [(producer, first) for producer, first, end in self.aborted if end > start]


@settings(max_examples=100, deadline=None)
@given(batches_drawn, st.integers(0, 30), st.sampled_from([COMMITTED, UNCOMMITTED]))
def test_both_ways_lead_to_the_same_run(drawn: list, skipped: int, isolation: int) -> None:
    log = Log.of(drawn)
    start = min(100 + skipped, log.end - 1)
    batches = log.fetch(start)
    aborted = log.aborted_from(start)
    below, above = (
        fast(batches, start, aborted, isolation),
        public(batches, start, aborted, isolation),
    )
    run, found = merge(PLACE.partition, list(below)), list(above)
    wanted = expected(batches, start, log.dropped if isolation == COMMITTED else set())
    assert story(run) == wanted
    if found:
        assert story(merge(PLACE.partition, [piece_of_records(found, False)])) == wanted
    assert (run.start, run.next) == (start, log.end)
    assert below.next_fetch_offset == above.next_fetch_offset == log.end
    for batch in batches:
        event(batch.codec)


@settings(max_examples=50, deadline=None)
@given(batches_drawn)
def test_a_changelog_run_keeps_its_keys(drawn: list) -> None:
    log = Log.of(drawn)
    run = merge(3, list(fast(log.batches, 100, log.aborted_from(100), changelog_topics={PLACE.topic})))
    assert isinstance(run, ChangelogRun)
    sent = [
        record
        for batch in log.batches
        if not batch.is_control and batch.first not in log.dropped
        for record in batch.records
    ]
    assert list(run.keys) == [record.key for record in sent]
    assert list(run.values) == [record.value for record in sent]
    assert run.offsets.tolist() == [record.offset for record in sent]
    assert (run.start, run.next) == (100, log.end)


@settings(max_examples=50, deadline=None)
@given(batches_drawn, st.integers(1, 5))
def test_pieces_join_wherever_a_fetch_ends(drawn: list, limit: int) -> None:
    """What one fetch leaves the next one takes up, without a hole or a repeat."""
    log = Log.of(drawn)
    whole = merge(3, list(fast(log.batches, 100, log.aborted_from(100))))
    pieces = list(fast(log.batches, 100, log.aborted_from(100)))
    runs = [merge(3, pieces[at : at + limit]) for at in range(0, len(pieces), limit)]
    assert [run.start for run in runs] == [100, *(run.next for run in runs[:-1])]
    assert [value for run in runs for value in run.values] == list(whole.values)
    rows = np.cumsum([0, *map(len, runs)])
    joined = {rows[at] + row: o for at, run in enumerate(runs) for row, o in run.forwarded.items()}
    assert joined == whole.forwarded


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_fetched_from_its_middle_starts_there(codec: str) -> None:
    sent = tuple(
        Sent(offset, offset, b"k", b"%d" % offset, tick_at(offset, 107)) for offset in range(100, 110)
    )
    run = merge(3, list(fast([Batch(100, 110, sent, codec)], 105)))
    assert (run.start, run.next, run.offsets.tolist()) == (105, 110, [105, 106, 107, 108, 109])
    assert (run.values[0], run.ticks) == (b"105", frozenset({2}))


def tick_at(offset: int, wanted: int) -> Headers:
    return [(TICK_HEADER, b"")] if offset == wanted else []


def test_a_batch_whose_records_are_all_gone_still_moves_on() -> None:
    """Compaction keeps the last batch of a producer, though empty."""
    records = fast([Batch(100, 104, ()), Batch(104, 105, (Sent(104, 1, None, b"{}", []),))], 100)
    run = merge(3, list(records))
    assert (run.start, run.next, run.offsets.tolist()) == (100, 105, [104])
    assert merge(3, list(fast([Batch(100, 104, ())], 100))).next == 104


@pytest.mark.parametrize("make", [fast, public])
def test_a_damaged_batch_is_refused(make: Any) -> None:
    batch = bytearray(Batch(100, 101, (Sent(100, 1, None, b"{}", []),)).encode())
    batch[-1] ^= 1
    records = make([], 100)
    records._records = KeptRecords(bytes(batch))
    with pytest.raises(CorruptRecordException):
        list(records)
    assert records.next_fetch_offset == 100


def test_other_consumers_of_the_process_read_records() -> None:
    batch = Batch(100, 101, (Sent(100, 1, b"k", b"{}", []),)).encode()
    [record] = RunRecords(PLACE, MemoryRecords(batch), [], 100, None, None, True, COMMITTED)
    assert (record.key, record.value, record.offset) == (b"k", b"{}", 100)


async def test_a_full_queue_takes_no_partition_from_those_that_are_read() -> None:
    """Where none is left, Faust sleeps a second: half of the time of a backlog on a fast broker."""
    app = App("full", broker="kafka://127.0.0.1:1")
    app.run_topics = {"song-plays"}
    runs, others = TP("song-plays", 0), TP("others", 0)
    app.consumer._active_partitions = {runs, others}
    for place in (runs, others):
        app.consumer.on_buffer_full(place)
    assert app.consumer._get_active_partitions() == {runs}
    app.consumer.on_buffer_drop(others)
    app.consumer.on_buffer_drop(runs)
    assert app.consumer._get_active_partitions() == {runs, others}
    app.consumer._thread.thread_loop.close()


def test_the_versions_this_was_checked_on() -> None:
    """Failing here, read every override in the tables of agents/transport.py and agents/fetches.py again."""
    assert {name: version(name) for name in CHECKED} == CHECKED


def test_another_aiokafka_takes_the_slow_path(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(aiokafka, "__version__", "9.9.9")
    monkeypatch.setattr(fetcher, "PartitionRecords", PublicRecords)
    assert not unpack_below_records()
    assert fetcher.PartitionRecords is PublicRecords
    assert "9.9.9 is not checked" in caplog.text


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd", None])
async def test_on_a_broker_runs_are_what_was_sent(
    kafka: str, topic_name: str, codec: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "PartitionRecords", PublicRecords)
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    assert unpack_below_records()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic_name, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka, compression_type=codec, linger_ms=20) as producer:
        sent = [
            await producer.send(
                topic_name,
                b'{"n":%d}' % n,
                partition=0,
                timestamp_ms=1_000_000 + n,
                headers=[(FORWARDED_HEADER, b"5:%d" % n)] if n % 50 == 0 else [],
            )
            for n in range(200)
        ]
        await asyncio.gather(*sent)
    fast_run, slow_run = await read(kafka, topic_name, True), await read(kafka, topic_name, False)
    assert story(fast_run) == story(slow_run)
    assert list(fast_run.values) == [b'{"n":%d}' % n for n in range(200)]
    assert fast_run.forwarded == {n: (5, n) for n in range(0, 200, 50)}
    assert (fast_run.start, fast_run.next) == (0, 200)


async def read(kafka: str, topic: str, as_runs: bool) -> Run:
    """The whole topic in one run."""
    place, found = TopicPartition(topic, 0), []
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    consumer._key_deserializer = RunReader(Reads()) if as_runs else None
    async with consumer, asyncio.timeout(30):
        consumer.assign([place])
        while await consumer.position(place) < 200:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                assert isinstance(records[0], Piece) == as_runs
                found += records
    pieces = found if as_runs else [piece_of_records(found, False)]
    return merge(0, pieces)
