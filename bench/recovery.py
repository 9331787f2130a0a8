"""Recovery: from the start of a worker until it counts a play, with a million tallies to open.

They lie in its own RocksDB, or in the changelog alone. The broker keeps whoever joins a group waiting; how
long is measured too, with a consumer that does nothing else.
"""

import asyncio
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from aiokafka import AIOKafkaConsumer

from bench.brokers import Broker, Brokers
from bench.contenders.told import now
from bench.dataset import DataSet, Spec, fill
from bench.ours import SESSION_TIMEOUT_S, Workers
from bench.race import Say
from charts.window import HOUR_MS
from simulator.preload import bench_world

#: All tracks are played alike: 1.9 million plays touch a million of 1.2.
_TRACKS_PER_PLAY = 1.4 / 2.2
#: The plays that wait for a worker when it starts.
_WAITING = 1_000
_TRIES = 3
_LATER = bench_world(1).start + HOUR_MS


def measure(plays: int, brokers: Brokers, folder: Path, say: Say) -> dict[str, Any]:
    """Seconds, the median of three starts each way."""
    place = folder / "recovery"
    place.mkdir()
    with brokers.one(folder / "broker-recovery") as broker:
        spec = Spec(plays, tracks=round(plays * _TRACKS_PER_PLAY), span_ms=HOUR_MS, zipf=0.0)
        data = fill(broker, spec)
        tallies = len({(track, hour // 24) for _, hour, track in data.census.cells})
        say(f"{plays:,} plays of {tallies:,} tracks and days on {brokers.title}")
        ours = Workers(data, place, {})
        with ours:
            ours.counted()
        join_s = median(asyncio.run(_join_s(broker, data.topic)) for _ in range(_TRIES))
        starts = _Starts(data, ours, place / "data")
        ways = {"RocksDB": starts.after(lambda: None), "the changelog": starts.after(starts.wipe)}
        with ours:
            ours.counted(starts.plays)
            ours.compare_charts()
        ours.compare_tallies()
    for way, seconds in ways.items():
        say(f"ours, from {way}: open after {seconds['open_s']} s, counts after {seconds['first_play_s']} s")
    return {"plays": plays, "tallies": tallies, "join_s": round(join_s, 1), "ways": ways}


class _Starts:
    """Starts of a worker that finds some plays waiting."""

    def __init__(self, data: DataSet, ours: Workers, stored: Path) -> None:
        self._data, self._ours, self._stored = data, ours, stored
        self.plays = data.spec.plays

    def wipe(self) -> None:
        shutil.rmtree(self._stored)

    def after(self, prepare: Callable[[], None]) -> dict[str, float]:
        rows = []
        for _ in range(_TRIES):
            prepare()
            rows.append(self._one())
        opened, counted = (median(column) for column in zip(*rows, strict=True))
        return {"open_s": round(opened, 1), "first_play_s": round(counted, 1)}

    def _one(self) -> tuple[float, float]:
        """Until its partitions are open, and until it has counted a play."""
        before = self.plays
        # A millisecond each, later than all before.
        start = _LATER + before - self._data.spec.plays
        waiting = Spec(_WAITING, tracks=_WAITING, span_ms=_WAITING, start=start)
        fill(self._data.broker, waiting, into=self._data)
        self.plays += _WAITING
        began = now()
        with self._ours as ours:
            opened = ours.opened() - began
            counted = ours.until_counted(before + 1) - began
            ours.until_counted(self.plays)
        return opened, counted


async def _join_s(broker: Broker, topic: str) -> float:
    """How long a new group's only member waits for its first record; with the session of our worker, since
    a broker may wait the longer, the longer that is.
    """
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.url,
        group_id=f"{broker.mark}-{secrets.token_hex(4)}",
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_TIMEOUT_S * 1_000,
    )
    began = now()
    await consumer.start()
    try:
        # Nothing can be read before it has its partitions.
        await consumer.getone()
        return now() - began
    finally:
        await consumer.stop()
