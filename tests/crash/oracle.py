"""The truth: what the log says happened, worked out record by record, the obvious way.

Nothing here is shared with the engine but the layout of a play's identity and the partitioner of Kafka.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import cache

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2

from tests.crash.plays import BROKEN

_HOUR_MS = 3_600_000
_LATENESS_MS, _EARLY_MS, _SHORTEST_MS = 2 * _HOUR_MS, 5 * 60_000, 30_000
_POLL_MS = 500

#: A cell: (day, track, region, hour of the day).
Cell = tuple[int, str, str, int]


@dataclass(frozen=True, slots=True)
class Logged:
    """One record as the log holds it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


Log = dict[int, list[Logged]]


async def read(kafka: str, topic: str) -> Log:
    """All there is in a topic now, by partition."""
    async with AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        everything = await consumer._client.fetch_all_metadata()
        places = [TopicPartition(topic, number) for number in everything.partitions_for_topic(topic) or ()]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        log: Log = {place.partition: [] for place in places}
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                log[place.partition] += [
                    Logged(r.offset, r.timestamp, r.key, r.value, dict(r.headers)) for r in records
                ]
        return log


@dataclass(slots=True)
class Truth:
    """What must have been counted, and every partition's ledger."""

    cells: Counter[Cell] = field(default_factory=Counter)
    ledgers: dict[int, Counter[str]] = field(default_factory=dict)
    stream_times: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, log: Log) -> "Truth":
        truth = cls()
        seen: set[tuple[str, str, int]] = set()
        for partition, records in log.items():
            ledger: Counter[str] = Counter()
            time = 0
            for record in records:
                time = max(time, record.timestamp)
                verdict, play = _judge(record, time, partition, len(log))
                if verdict == "lands":
                    hour = play["played_at"] // _HOUR_MS
                    identity = (play["track_id"], play["play_id"], hour)
                    verdict = "duplicate" if identity in seen else "counted"
                    seen.add(identity)
                    if verdict == "counted":
                        truth.cells[(hour // 24, play["track_id"], play["region"], hour % 24)] += 1
                ledger[verdict] += 1
            truth.ledgers[partition], truth.stream_times[partition] = ledger, time
        return truth


def _judge(record: Logged, time: int, partition: int, partitions: int) -> tuple[str, dict]:
    if "tick" in record.headers and not record.value:
        return "tick", {}
    if record.value is None or record.value in BROKEN:
        return "malformed", {}
    play = orjson.loads(record.value)
    if "forwarded-from" not in record.headers:
        if play["played_at"] > time + _EARLY_MS:
            return "early", play
        if time > (play["played_at"] // _HOUR_MS + 1) * _HOUR_MS + _LATENESS_MS:
            return "late", play
        if play["ms_played"] < _SHORTEST_MS:
            return "short", play
    return ("lands" if _home(play["track_id"], partitions) == partition else "forwarded"), play


@cache
def _home(track: str, partitions: int) -> int:
    return (murmur2(track.encode()) & 0x7FFFFFFF) % partitions


def missing(sent: list[tuple[int, bytes]], log: Log) -> int:
    """How many of the records sent are not in the log; forwarded ones were sent by nobody."""
    logged = Counter(
        (partition, record.value or b"")
        for partition, records in log.items()
        for record in records
        if "forwarded-from" not in record.headers
    )
    return sum((Counter(sent) - logged).values())
