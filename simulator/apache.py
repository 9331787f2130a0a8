"""Apache Kafka itself, one node in KRaft mode on loopback: what the embedded broker stands in for.

Its jars come from Maven Central through Maven, once, into build/; it needs Java 17. For tests, and for
whoever wants to see the stack's worker on the real thing.
"""

import fcntl
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from charts.errors import BadSettings, Unreachable
from simulator.ports import LOOPBACK, free_ports
from simulator.process import Process
from simulator.wheels import PLAIN

VERSION = "4.1.1"
ROOT = Path(__file__).parents[1]
#: Jars fetched before are used again.
JARS = ROOT / "build" / f"kafka-{VERSION}"
_FETCH_S = 300
_START_S = 90
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>livecharts</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""

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
_JVM = ("-Xms128m", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
)
_STARTED = "Kafka Server started"


class ApacheKafka:
    """A broker and controller in one process; its log stays in the folder."""

    def __init__(self, folder: Path, port: int, config: Mapping[str, str] | None = None) -> None:
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
        self._properties = folder / "kafka.properties"
        self.process = self._java("Kafka", "kafka.Kafka", self._properties)

    def start(self) -> None:
        fetch_jars()
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
        cluster = secrets.token_urlsafe(16)
        words = ("kafka.tools.StorageTool", "format", "-t", cluster, "-c", self._properties)
        self._java("Kafka's storage tool", *words).run(_START_S)

    def _java(self, name: str, *words: str | Path) -> Process:
        command = [java(), *_JVM, *_LOGGING, "-cp", f"{JARS}/*", *words]
        return Process(name, command, self.folder / "kafka.log", environ=PLAIN, folder=self.folder)

    def _says_started(self) -> bool:
        return _STARTED in self.process.log.read_text(errors="replace")


def java() -> str:
    found = shutil.which("java")
    if found is None:
        raise BadSettings("Apache Kafka needs Java 17 or later, and there is no java here")
    return found


def fetch_jars() -> None:
    """Have Maven bring the jars, unless they are here."""
    if JARS.exists():
        return
    maven = shutil.which("mvn")
    if maven is None:
        raise BadSettings("Apache Kafka's jars come through Maven, and there is no mvn here")
    JARS.parent.mkdir(exist_ok=True)
    with (JARS.parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not JARS.exists():
            _fetch_jars(maven)


def _fetch_jars(maven: str) -> None:
    """Under another name first: half the jars never look like all of them."""
    draft = JARS.with_name(f"{JARS.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    (draft / "pom.xml").write_text(_POM)
    goal = ("dependency:copy-dependencies", f"-DoutputDirectory={draft}")
    command = [maven, "-q", "-B", "-f", draft / "pom.xml", *goal]
    try:
        Process("Maven", command, JARS.parent / "maven.log", folder=draft).run(_FETCH_S)
    except Unreachable as error:
        raise Unreachable(f"Apache Kafka {VERSION} cannot be had from Maven Central: {error}") from None
    draft.rename(JARS)
