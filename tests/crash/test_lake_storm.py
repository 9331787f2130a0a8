"""The lake under fire: workers killed, joined by others, the store paused; then every record once.

Legal after the storm, for each partition: full files that follow on each other from the first offset, each
record in one of them or in the tail that counts, none twice, none missing.
"""

import asyncio
import os
import random
import secrets
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from charts.errors import NotFound
from charts.settings import Settings
from tables.store import Store, open_store
from tests import stores
from tests.lake.made import raw_offsets
from tests.lake.worker import Feed, Plant

#: `make crash` asks for 20 rounds, with pauses longer than every timeout of ours.
ROUNDS = int(os.environ.get("LAKE_ROUNDS", "4"))
PAUSE_S = float(os.environ.get("LAKE_PAUSE_S", "4"))
RECORDS = 15_000
#: The last worker joins, opens its partitions and writes.
SETTLED_S = 300.0


@pytest.mark.store
@pytest.mark.timeout(3000)
async def test_after_the_storm_every_record_is_in_the_lake_once(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("SEED", secrets.randbits(32)))
    print(f"SEED={seed}")  # noqa: T201 - pytest shows it where a test fails
    chance = random.Random(seed)
    objects = stores.new_store(tmp_path)
    for name, value in objects.environ.items():
        monkeypatch.setenv(name, value)
    plant = Plant(kafka, f"{objects.url}/storm", tmp_path, f"storm{secrets.token_hex(3)}", partitions=2)
    try:
        stores.start(objects)
        await plant.create()
        feed = Feed(plant, seed, step_ms=120)
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            for number in range(ROUNDS):
                await one_round(number, chance, plant, feed, producer, objects)
        plant.stop()
        plant.start()
        async with open_store(Settings(lake_url=plant.lake_url)) as store:
            await settled(store, plant, feed)
            for partition, sent in enumerate(feed.sent):
                full, tail = await raw_offsets(store, plant.log_id, partition)
                assert full + tail == list(range(sent)), f"partition {partition}"
                assert full, "the storm was too small to fill a file"
    finally:
        plant.stop()
        objects.process.stop()


async def one_round(
    number: int,
    chance: random.Random,
    plant: Plant,
    feed: Feed,
    producer: AIOKafkaProducer,
    objects: stores.AnyStore,
) -> None:
    """Plays come in; a worker dies at a random moment, with or without company, with or without a store."""
    worker = plant.start() if not plant.workers else plant.workers[0]
    if number % 3 == 1 and len(plant.workers) < 2:
        plant.start()
    sending = asyncio.create_task(feed.send(producer, RECORDS))
    if number % 4 == 2:
        await asyncio.sleep(chance.uniform(0, 4))
        os.kill(objects.process.pid, signal.SIGSTOP)
        await asyncio.sleep(PAUSE_S)
        if chance.random() < 0.5:
            plant.kill(worker)
        os.kill(objects.process.pid, signal.SIGCONT)
    # Anywhere between the process's first instruction and a quiet lake.
    await asyncio.sleep(chance.uniform(0, 9))
    if worker in plant.workers:
        plant.kill(worker, signal.SIGTERM if chance.random() < 0.15 else signal.SIGKILL)
    await sending


async def settled(store: Store, plant: Plant, feed: Feed) -> None:
    """Wait until the lake holds as many records as were sent."""
    async with asyncio.timeout(SETTLED_S):
        while True:
            try:
                held = [await raw_offsets(store, plant.log_id, number) for number in range(plant.partitions)]
            except NotFound:  # a tail was replaced between its listing and its reading
                continue
            if [len(full) + len(tail) for full, tail in held] == feed.sent:
                return
            await asyncio.sleep(0.5)
