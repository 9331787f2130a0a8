"""The data sets: plays sent once to a broker of their own, and what they add up to.

The census counts the bytes that were sent, one by one and as plainly as it can be said; it shares no code
with any contender.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from typing import Any

import orjson

from bench.brokers import Broker, create_topic
from bench.contenders.told import HOUR_MS, now
from charts.errors import Unreachable
from simulator.preload import bench_world, preload
from simulator.slice import Slice

Cell = tuple[str, int, str]
#: Charts are compared this deep.
TOP = 100


#: Tracks with their plays; all plays; how many tracks.
Top = tuple[list[tuple[str, int]], int, int]


@dataclass
class Census:
    """Plays per region, hour and track."""

    cells: Counter[Cell] = field(default_factory=Counter)
    _derived: dict[str, Any] = field(default_factory=dict)

    def take(self, records: Slice) -> None:
        """As simulator/truth.py takes them; no fault is in these worlds, so every play counts."""
        for value in records.values:
            if value is not None:
                play = orjson.loads(value)
                self.cells[play["region"], play["played_at"] // HOUR_MS, play["track_id"]] += 1

    def once(self, name: str, make: Callable[["Census"], Any]) -> Any:
        """What follows from the cells, made once for all that compare with it."""
        if name not in self._derived:
            self._derived[name] = make(self)
        return self._derived[name]

    def grew(self) -> None:
        """More plays were taken: nothing made before holds."""
        self._derived.clear()

    @property
    def tops(self) -> dict[tuple[str, str, int], Top]:
        """The best of every chart in order, how many plays it has, and of how many tracks."""
        return self.once(
            "tops", lambda census: {name: _top(tracks) for name, tracks in census.charts.items()}
        )

    @property
    def charts(self) -> dict[tuple[str, str, int], Counter[str]]:
        """Plays per track of every region (or `global`), window kind and hour or day."""
        charts: dict[tuple[str, str, int], Counter[str]] = {}
        for (region, hour, track), plays in self.cells.items():
            for place in (region, "global"):
                for kind, number in (("hour", hour), ("day", hour // 24)):
                    charts.setdefault((place, kind, number), Counter())[track] += plays
        return charts


def _top(tracks: Counter[str]) -> Top:
    best = nsmallest(TOP, tracks.items(), key=lambda row: (-row[1], row[0]))
    return best, tracks.total(), len(tracks)


@dataclass(frozen=True, slots=True)
class Spec:
    """So many plays, of so many tracks, in so many partitions, over so many hours from a start."""

    plays: int
    tracks: int = 1_000_000
    partitions: int = 4
    span_ms: int = 3 * HOUR_MS
    start: int | None = None
    #: 0: all tracks are played alike.
    zipf: float = 1.0


@dataclass(frozen=True, slots=True)
class DataSet:
    """Plays that lie in a topic, and their truth."""

    broker: Broker
    spec: Spec
    census: Census
    #: How long sending them took; the truth was kept beside it.
    preload_s: float

    @property
    def topic(self) -> str:
        return f"{self.broker.mark}-plays"


def fill(broker: Broker, spec: Spec, *, into: DataSet | None = None, count: bool = True) -> DataSet:
    """Send the plays of a spec, and count them; or send more of them into a data set that is there."""
    data = into or DataSet(broker, spec, Census(), 0.0)
    census = data.census
    before = census.cells.total()
    began = now()
    asyncio.run(_send(data, spec, census if count else None, is_new=into is None))
    if count and census.cells.total() - before != spec.plays:
        raise Unreachable(f"{census.cells.total():,} plays were sent, not {spec.plays:,}")
    census.grew()
    return replace(data, preload_s=now() - began)


async def _send(data: DataSet, spec: Spec, census: Any, is_new: bool) -> None:
    world = replace(bench_world(spec.plays, spec.span_ms, spec.tracks), zipf=spec.zipf)
    if spec.start is not None:
        world = replace(world, start=spec.start)
    if is_new:
        await create_topic(data.broker, data.topic, spec.partitions)
    await preload(data.broker.url, data.topic, world, spec.plays, truth=census)
