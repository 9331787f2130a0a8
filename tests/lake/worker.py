"""The lake worker as a process of its own, and the plays it is fed: for storms and for speed."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from charts.board import RULES_KEY
from charts.home import home_of
from charts.verdict import Rules
from charts.window import HOUR_MS
from simulator.servers import free_ports
from tests.brokers import ENVIRON
from tests.lake.made import T0, play

ROOT = Path(__file__).parents[2]


@dataclass
class Plant:
    """One log of plays and the workers that write it to the lake."""

    kafka: str
    lake_url: str
    folder: Path
    log_id: str
    partitions: int = 4
    environ: dict[str, str] = field(default_factory=dict)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    #: Where the worker started last tells how it is.
    url: str = ""

    @property
    def topic(self) -> str:
        return f"song-plays-{self.log_id}"

    async def create(self) -> None:
        """The topics, and the rules a counting worker would have announced."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        names = [self.topic, f"song-plays-rejected-{self.log_id}", f"chart-boards-{self.log_id}"]
        await admin.create_topics([NewTopic(name, self.partitions, 1) for name in names])
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=self.kafka) as producer:
            rules = Rules(partitions=self.partitions).encode()
            await producer.send_and_wait(names[2], rules, RULES_KEY + b"1970-01-01", partition=0)

    def start(self) -> subprocess.Popen[bytes]:
        """One more worker."""
        port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{port}"
        environ = {
            **os.environ,
            **self.environ,
            "PYTHONPATH": str(ROOT),
            "CHARTS_KAFKA_URL": self.kafka,
            **ENVIRON,
            "CHARTS_LOG_ID": self.log_id,
            "CHARTS_CLOCK": "log",
            "CHARTS_PARTITIONS": str(self.partitions),
            "CHARTS_LAKE_URL": self.lake_url,
            "CHARTS_LAKE_FLUSH": self.environ.get("CHARTS_LAKE_FLUSH", "1"),
            "CHARTS_DATA_DIR": str(self.folder / "data"),
            "CHARTS_WEB_PORT": str(port),
        }
        faust = Path(sysconfig.get_path("scripts"), "faust")
        with (self.folder / "lake.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, str(faust), "-A", "faust_app:lake", "worker", "-l", "info"],
                env=environ,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes], how: signal.Signals = signal.SIGKILL) -> None:
        worker.send_signal(how)
        worker.wait(120)
        self.workers.remove(worker)

    def stop(self) -> None:
        for worker in list(self.workers):
            self.kill(worker)


class Feed:
    """Plays of a seeded day to their homes, stamped with their own clock; it remembers what it sent."""

    def __init__(self, plant: Plant, seed: int, step_ms: int) -> None:
        self._plant = plant
        self._chance = random.Random(seed)
        self._step_ms = step_ms
        self._time = T0
        self._number = 0
        #: Where the thirteen tracks live: whoever counts them as well has nothing to forward.
        self._homes = [home_of(f"t{number}", plant.partitions) for number in range(13)]
        #: Records per partition: offsets are their positions, for nothing else writes there.
        self.sent = [0] * plant.partitions

    async def send(self, producer: AIOKafkaProducer, count: int) -> None:
        """Some more records."""
        chance = self._chance
        futures = []
        for _ in range(count):
            self._time += chance.randrange(2 * self._step_ms)
            self._number += 1
            late = 30 * HOUR_MS if chance.random() < 0.03 else 0
            value = chance.randbytes(20) if chance.random() < 0.01 else play(self._number, self._time - late)
            partition = self._homes[self._number % 13]
            self.sent[partition] += 1
            futures.append(
                await producer.send(self._plant.topic, value, partition=partition, timestamp_ms=self._time)
            )
        await asyncio.gather(*futures)
