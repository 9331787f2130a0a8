"""The lake at speed: how fast the lake worker writes raw files, on what CPU and memory, at how many bytes.

    python -m bench.lake --plays 2000000

Starts its own embedded broker and object store. The worker is measured as it runs in production: Kafka to
files in S3, from its first record to its last full file; the growing chunks are not counted.
"""

import asyncio
import os
import random
import secrets
import tempfile
import time
from pathlib import Path

import click
import orjson
from aiokafka import AIOKafkaProducer

from charts.settings import Settings
from charts.window import HOUR_MS
from simulator.servers import Kafka, Keys, ObjectStore, free_ports
from tables.raw import tail_folder
from tables.store import Store, open_store
from tables.zone import Zone
from tests.lake.made import T0
from tests.lake.worker import Plant

PARTITIONS = 4
BATCH = 5_000


@click.command()
@click.option("--plays", default=2_000_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(plays: int, seed: int) -> None:
    """Measure the lake worker."""
    with tempfile.TemporaryDirectory(prefix="lake-bench-") as folder:
        asyncio.run(_bench(plays, seed, Path(folder)))


async def _bench(plays: int, seed: int, folder: Path) -> None:
    kafka = Kafka(folder, *free_ports(1))
    objects = ObjectStore(
        folder, free_ports(ObjectStore.PORTS), Keys(secrets.token_hex(8), secrets.token_hex(16))
    )
    kafka.start()
    objects.start()
    plant = Plant(kafka.url, f"{objects.url}/bench", folder, f"bench{secrets.token_hex(3)}", PARTITIONS)
    try:
        kafka.wait()
        objects.wait()
        os.environ.update(objects.environ)
        plant.environ = {"CHARTS_LAKE_FLUSH": "3600", "CHARTS_POSTGRES_URL": ""}
        await plant.create()
        await _produce(plant, plays, seed)
        async with open_store(Settings(lake_url=plant.lake_url)) as store:
            await _measure(plant, store, plays)
    finally:
        plant.stop()
        objects.stop()
        kafka.stop()


async def _produce(plant: Plant, plays: int, seed: int) -> None:
    """Plays by Zipf over a million tracks, within one hour: only offsets cut."""
    chance = random.Random(seed)  # noqa: S311 - plays, not secrets
    async with AIOKafkaProducer(
        bootstrap_servers=plant.kafka, linger_ms=5, max_batch_size=1 << 20
    ) as producer:
        for first in range(0, plays, BATCH):
            futures = []
            for number in range(first, min(plays, first + BATCH)):
                now = T0 + number * (HOUR_MS - 1) // plays
                value = orjson.dumps(_play(chance, number, now))
                futures.append(
                    await producer.send(plant.topic, value, partition=number % PARTITIONS, timestamp_ms=now)
                )
            await asyncio.gather(*futures)


def _play(chance: random.Random, number: int, now: int) -> dict[str, object]:
    track = int(1_000_000 ** chance.random())
    return {
        "play_id": f"{chance.getrandbits(128):032x}",
        "user_id": f"u{chance.randrange(200_000)}",
        "track_id": f"t{track:07}",
        "region": chance.choice(REGIONS),
        "played_at": now - chance.randrange(60_000),
        "ms_played": chance.randrange(30_000, 300_000),
        "source": "bench",
        "title": f"Title of {track}",
        "artist": f"Artist {track % 5000}",
    }


REGIONS = [f"{a}{b}" for a in "ABCDEF" for b in "ABCDEFGHIJ"]


async def _measure(plant: Plant, store: Store, plays: int) -> None:
    expected = sum(count // 50_000 for count in [plays // PARTITIONS] * PARTITIONS)
    worker = plant.start()
    zone = Zone(store, plant.log_id)
    first: tuple[float, float] | None = None
    while True:
        found = await zone.full(range(T0 // HOUR_MS, T0 // HOUR_MS + 1))
        at = time.monotonic(), _cpu_s(worker.pid)
        if found and first is None:
            first, had = at, len(found)
        # The last file of a partition is full only once a later record comes: one of each may stay a tail.
        if len(found) >= expected - PARTITIONS and first is not None:
            break
        await asyncio.sleep(0.05)
    rows = (len(found) - had) * 50_000
    seconds, cpu = at[0] - first[0], at[1] - first[1]
    size = sum(item.size for item in await store.items("raw/"))
    click.echo(
        f"{rows:,} plays in {seconds:.1f} s: {rows / seconds:,.0f}/s; {rows / cpu:,.0f} per CPU second"
    )
    click.echo(f"peak RSS {_peak_mb(worker.pid)} MB; {size / len(found) / 50_000:.1f} bytes per play, raw")
    click.echo(f"tails: {len(await store.items(tail_folder(plant.log_id)))}")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()
