"""The data sets: plays sent once to a broker of their own, and what they add up to.

The census counts the bytes that were sent, one by one and as plainly as it can be said; it shares no code
with any contender.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from bench.contenders.told import HOUR_MS, now
from charts.errors import Unreachable
from simulator.preload import bench_world, preload
from simulator.send import create_topic
from simulator.servers import Kafka, free_ports
from simulator.slice import Slice

Cell = tuple[str, int, str]
#: A broker that keeps everything, and the changelogs of many runs with it.
_BROKER_BYTES = 14 << 30


@dataclass
class Census:
    """Plays per region, hour and track."""

    cells: Counter[Cell] = field(default_factory=Counter)

    def take(self, records: Slice) -> None:
        """As simulator/truth.py takes them; no fault is in these worlds, so every play counts."""
        for value in records.values:
            if value is not None:
                play = orjson.loads(value)
                self.cells[play["region"], play["played_at"] // HOUR_MS, play["track_id"]] += 1

    @cached_property
    def charts(self) -> dict[tuple[str, str, int], Counter[str]]:
        """Plays per track of every region (or `global`), window kind and hour or day."""
        charts: dict[tuple[str, str, int], Counter[str]] = {}
        for (region, hour, track), plays in self.cells.items():
            for place in (region, "global"):
                for kind, number in (("hour", hour), ("day", hour // 24)):
                    charts.setdefault((place, kind, number), Counter())[track] += plays
        return charts


@dataclass(frozen=True, slots=True)
class Spec:
    """So many plays, of so many tracks, in so many partitions, over so many hours from a start."""

    plays: int
    tracks: int = 1_000_000
    partitions: int = 4
    span_ms: int = 3 * HOUR_MS
    start: int | None = None

    @property
    def topic(self) -> str:
        return f"plays-{self.plays}-{self.tracks}-{self.partitions}-{self.span_ms}"


@dataclass(frozen=True, slots=True)
class DataSet:
    """Plays that lie in a topic, and their truth."""

    url: str
    spec: Spec
    census: Census
    #: How long sending them took; the truth was kept beside it.
    preload_s: float

    @property
    def topic(self) -> str:
        return self.spec.topic


@contextmanager
def broker(folder: Path) -> Iterator[Kafka]:
    """A fresh broker."""
    server = Kafka(folder, *free_ports(1), data_bytes=_BROKER_BYTES)
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def fill(url: str, spec: Spec, *, into: DataSet | None = None, count: bool = True) -> DataSet:
    """Send the plays of a spec, and count them; or send more of them into a topic that has some."""
    census = into.census if into else Census()
    topic = into.topic if into else spec.topic
    before = census.cells.total()
    began = now()
    asyncio.run(_send(url, topic, spec, census if count else None))
    if count and census.cells.total() - before != spec.plays:
        raise Unreachable(f"{census.cells.total():,} plays were sent, not {spec.plays:,}")
    vars(census).pop("charts", None)
    return DataSet(url, spec, census, now() - began)


async def _send(url: str, topic: str, spec: Spec, census: Any) -> None:
    world = bench_world(spec.plays, spec.span_ms, spec.tracks)
    if spec.start is not None:
        world = replace(world, start=spec.start)
    await create_topic(url, topic, spec.partitions)
    await preload(url, topic, world, spec.plays, truth=census)
