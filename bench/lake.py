"""The lake at speed: how fast a lake worker writes raw files into an object store, on what CPU and memory.

Measured as it runs in production, from its first full file to its last; the growing chunks are not counted.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from bench.brokers import Broker, Brokers
from bench.contenders.told import now
from bench.field import PYTHON, ROOT
from bench.race import Say
from bench.stand import environ_of
from bench.usage import Watch
from charts.board import RULES_KEY
from charts.errors import Unreachable
from charts.settings import Settings
from charts.verdict import Rules
from charts.window import HOUR_MS
from simulator.preload import bench_world, preload
from simulator.process import Process
from simulator.servers import Keys, ObjectStore, free_ports
from tables.raw import tail_folder
from tables.store import Store, open_store
from tables.topics import create_topics
from tables.zone import Zone

_PARTITIONS = 4
#: Plays of a file that is full.
_FULL = 50_000
_LOOK_S = 0.05
_DEADLINE_S = 300.0


def measure(plays: int, brokers: Brokers, folder: Path, say: Say) -> dict[str, Any]:
    """Plays of one hour, so that only offsets cut files."""
    with brokers.one(folder / "broker-lake") as broker, _objects(folder) as url:
        settings = Settings(
            kafka_url=broker.url,
            broker=broker.setting,  # type: ignore[arg-type]
            prefix=f"{broker.mark}-",
            log_id=secrets.token_hex(4),
            clock="log",
            partitions=_PARTITIONS,
            postgres_url="",  # type: ignore[arg-type]
            lake_url=f"{url}/bench",
            lake_flush=3600,
            data_dir=folder / "data",
            web_port=free_ports(1)[0],
            session_timeout=6,
        )
        asyncio.run(_fill(broker, settings, plays))
        command = [PYTHON, "-m", "faust", "-A", "faust_app:lake", "worker", "-l", "info"]
        worker = Process(
            "the lake worker", command, folder / "lake.log", environ=environ_of(settings), folder=ROOT
        )
        worker.start()
        try:
            with Watch(worker.pid) as watch:
                figures = asyncio.run(_watched(settings, worker, watch, plays))
        finally:
            worker.stop()
    say(f"the lake: {figures['plays_per_s']:,} plays/s, {figures['raw_bytes_per_play']} bytes each")
    return figures


@contextmanager
def _objects(folder: Path) -> Iterator[str]:
    """An object store; this process, and those it starts, can reach it."""
    keys = Keys(secrets.token_hex(8), secrets.token_hex(16))
    objects = ObjectStore(folder, free_ports(ObjectStore.PORTS), keys)
    objects.start()
    try:
        objects.wait()
        os.environ.update(objects.environ)
        yield objects.url
    finally:
        objects.stop()


async def _fill(broker: Broker, settings: Settings, plays: int) -> None:
    """The plays, and the rules a counting worker would have announced."""
    await create_topics(settings)
    async with AIOKafkaProducer(bootstrap_servers=broker.url) as producer:
        rules = Rules(partitions=_PARTITIONS).encode()
        boards = settings.topic("chart-boards")
        await producer.send_and_wait(boards, rules, RULES_KEY + b"1970-01-01", partition=0)
    await preload(broker.url, settings.topic("song-plays"), bench_world(plays, HOUR_MS), plays)


async def _watched(settings: Settings, worker: Process, watch: Watch, plays: int) -> dict[str, Any]:
    async with open_store(settings) as store:
        first, had = await _full_files(settings, store, worker, 1)
        # The last file of a partition is full only once a later record comes: one of each may stay a tail.
        last, have = await _full_files(settings, store, worker, plays // _FULL - 2 * _PARTITIONS)
        size = sum(item.size for item in await store.items("raw/"))
        tails = len(await store.items(tail_folder(settings.log_id)))
    rows, seconds, cpu_s = (have - had) * _FULL, last - first, watch.cpu_between(first, last)
    return {
        "plays": rows,
        "seconds": round(seconds, 1),
        "plays_per_s": round(rows / seconds),
        "cpu_s_per_million": round(cpu_s / rows * 1e6, 2),
        "rss_max_mb": round(watch.rss_max / 1e6),
        "raw_bytes_per_play": round(size / have / _FULL, 1),
        "tails": tails,
    }


async def _full_files(settings: Settings, store: Store, worker: Process, wanted: int) -> tuple[float, int]:
    """The moment so many files are full, and how many there are."""
    hour = bench_world(1).start // HOUR_MS
    zone = Zone(store, settings.log_id)
    deadline = now() + _DEADLINE_S
    while len(found := await zone.full(range(hour, hour + 1))) < wanted:
        if not worker.alive or now() > deadline:
            raise Unreachable(f"the lake has {len(found)} full files, not {wanted}: {worker.last_words()}")
        await asyncio.sleep(_LOOK_S)
    return now(), len(found)
