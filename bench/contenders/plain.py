"""The plain Faust agent: one table, one count a play. What the first chart was made with, and the baseline.

`BENCH_TAKE=1` takes thousands of plays at a time and adds each cell once.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import faust
import orjson
from faust.cli.faust import cli

from bench.contenders.told import BROKER, FOLDER, HOUR_MS, NAME, PARTITIONS, PLAYS, TOPIC, URL, now, tell
from tables.tansu import repair

if BROKER == "tansu":
    repair()
app = faust.App(
    NAME,
    broker=f"kafka://{URL}",
    datadir=str(FOLDER / "data"),
    topic_partitions=PARTITIONS,
    topic_disable_leader=True,
    broker_session_timeout=6.0,
    broker_heartbeat_interval=2.0,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
plays = app.topic(TOPIC, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")
by_batch = bool(os.environ.get("BENCH_TAKE"))
# A batch is outside of any event, so there the key chooses the partition of the changelog.
counts = app.Table("counts", default=int, partitions=PARTITIONS, use_partitioner=by_batch)


def cell_of(value: bytes) -> str:
    play = orjson.loads(value)
    return f"{play['region']} {play['played_at'] // HOUR_MS} {play['track_id']}"


class Progress:
    """How many plays were counted, and when the first was at hand."""

    seen = 0
    first = 0.0

    def add(self, count: int) -> None:
        self.seen += count
        if self.seen == PLAYS:
            tell(self.first, now(), ((*_split(cell), plays) for cell, plays in counts.items()))


def _split(cell: str) -> tuple[str, int, str]:
    region, hour, track = cell.split(" ")
    return region, int(hour), track


progress = Progress()


async def one_by_one(values: AsyncIterator[bytes]) -> None:
    """Count plays, one after another."""
    async for value in values:
        progress.first = progress.first or now()
        counts[cell_of(value)] += 1
        progress.add(1)


async def by_thousands(values: Any) -> None:
    """Count plays, thousands at a time."""
    async for batch in values.take(5_000, within=0.5):
        progress.first = progress.first or now()
        for cell, plays in Counter(map(cell_of, batch)).items():
            counts[cell] += plays
        progress.add(len(batch))


app.agent(plays)(by_thousands if by_batch else one_by_one)

if __name__ == "__main__":
    cli(["-A", "bench.contenders.plain:app", "worker", "--without-web"])
