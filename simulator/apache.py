"""Apache Kafka itself, one node in KRaft mode on loopback: what the embedded broker stands in for.

Its jars come from Maven Central (maven.py); it needs Java 17. For tests, and for
whoever wants to see the stack's worker on the real thing.
"""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulator.maven import Jars, java
from simulator.ports import LOOPBACK, free_ports
from simulator.process import Process
from simulator.wheels import PLAIN

VERSION = "4.1.1"
JARS = Jars(
    f"Apache Kafka {VERSION}",
    f"kafka-{VERSION}",
    (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36"),
)
_START_S = 90

#: One node, small and quick: nothing waits half a minute for its first look round.
_BROKER = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "3",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.retention.ms": "-1",
    "log.message.timestamp.after.max.ms": str((1 << 63) - 1),
    "log.initial.task.delay.ms": "100",
    "log.retention.check.interval.ms": "500",
    "log.cleaner.backoff.ms": "200",
    "log.cleaner.dedupe.buffer.size": str(8 << 20),
    "log.segment.delete.delay.ms": "100",
}
#: Up in a second, and small; for its speed give it the JVM of Kafka's own start script.
_JVM = ("-Xms128m", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
)
_STARTED = "Kafka Server started"


class ApacheKafka:
    """A broker and controller in one process; its log stays in the folder."""

    def __init__(
        self, folder: Path, port: int, config: Mapping[str, str] | None = None, jvm: Sequence[str] = _JVM
    ) -> None:
        self.url = self.address = f"{LOOPBACK}:{port}"
        self.folder = folder
        (controller,) = free_ports(1)
        self._config = {
            **_BROKER,
            "listeners": f"PLAINTEXT://{self.url},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.url}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "log.dirs": str(folder / "kafka"),
            **(config or {}),
        }
        self._jvm = jvm
        self._properties = folder / "kafka.properties"
        self.process = self._java("Kafka", "kafka.Kafka", self._properties)

    def start(self) -> None:
        JARS.fetch()
        if not (self.folder / "kafka").exists():
            self._format()
        self.process.start()

    def wait(self) -> None:
        self.process.wait_until(self._says_started, timeout_s=_START_S)

    def stop(self) -> None:
        self.process.stop(timeout_s=20)

    def _format(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in self._config.items()))
        # 16 bytes in base64; a dash at its head would be taken for an option.
        cluster = "L" + secrets.token_urlsafe(16)[1:]
        words = ("kafka.tools.StorageTool", "format", "-t", cluster, "-c", self._properties)
        self._java("Kafka's storage tool", *words).run(_START_S)

    def _java(self, name: str, *words: str | Path) -> Process:
        command = [java("Apache Kafka"), *self._jvm, *_LOGGING, "-cp", JARS.classpath, *words]
        return Process(name, command, self.folder / "kafka.log", environ=PLAIN, folder=self.folder)

    def _says_started(self) -> bool:
        return _STARTED in self.process.log.read_text(errors="replace")
