"""The brokers plays may lie on: the embedded one, Apache Kafka, or one that runs already.

The first two are fresh for every data set. One that was there before is given topics with a mark in their
names, ours and those the contenders make, and all that bear the mark are deleted in the end.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from charts.errors import Unreachable
from simulator.apache import VERSION, ApacheKafka
from simulator.servers import Kafka, free_ports
from tables.topics import SIMULATED

#: A broker that keeps everything, and the changelogs of many runs with it.
_EMBEDDED_BYTES = 14 << 30
#: As Kafka's own start script has it.
_JVM = ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20")
_ADMIN_MS = 30_000


@dataclass(frozen=True, slots=True)
class Broker:
    """One that runs."""

    url: str
    #: What a worker must be told of it (CHARTS_BROKER).
    setting: str
    #: In the name of every topic of ours.
    mark: str


@dataclass(frozen=True, slots=True)
class Brokers:
    """One way to have a broker."""

    #: `embedded`, `apache` or `given`.
    kind: str
    title: str
    #: One for a data set, for as long as it is measured.
    one: Callable[[Path], AbstractContextManager[Broker]]


@contextmanager
def _embedded(folder: Path) -> Iterator[Broker]:
    server = Kafka(folder, *free_ports(1), data_bytes=_EMBEDDED_BYTES)
    with _running(server):
        yield Broker(server.url, "tansu", _mark())


@contextmanager
def _apache(folder: Path) -> Iterator[Broker]:
    server = ApacheKafka(folder, *free_ports(1), jvm=_JVM)
    with _running(server):
        yield Broker(server.url, "kafka", _mark())


@contextmanager
def _running(server: Kafka | ApacheKafka) -> Iterator[None]:
    server.start()
    try:
        server.wait()
        yield
    finally:
        server.stop()


def _mark() -> str:
    return f"bench-{secrets.token_hex(4)}"


EMBEDDED = Brokers("embedded", "the embedded broker", _embedded)
APACHE = Brokers("apache", f"Apache Kafka {VERSION}", _apache)


def given(url: str) -> Brokers:
    """One that runs already."""

    @contextmanager
    def one(folder: Path) -> Iterator[Broker]:
        broker = Broker(url, "kafka", _mark())
        try:
            yield broker
        finally:
            asyncio.run(_delete_topics(broker))

    return Brokers("given", "another broker", one)


async def create_topic(broker: Broker, topic: str, partitions: int) -> None:
    """A topic for plays of any time."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.url, request_timeout_ms=_ADMIN_MS)
    try:
        await admin.start()
        answer = await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=SIMULATED)])
        for name, code, *rest in answer.topic_errors:
            if code:
                raise Unreachable(f"topic {name} cannot be created: {rest or code}")
    except KafkaError as error:
        raise Unreachable(f"Kafka at {broker.url}: {error!r}") from None
    finally:
        await admin.close()


async def topics(broker: Broker, word: str) -> list[str]:
    """The topics that have a word in their names."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.url, request_timeout_ms=_ADMIN_MS)
    try:
        await admin.start()
        return sorted(name for name in await admin.list_topics() if word in name)
    finally:
        await admin.close()


async def _delete_topics(broker: Broker) -> None:
    names = await topics(broker, broker.mark)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.url, request_timeout_ms=_ADMIN_MS)
    try:
        await admin.start()
        answer = await admin.delete_topics(names)
        left = [name for name, code in answer.topic_error_codes if code]
        if left:
            raise Unreachable(f"topics that could not be deleted: {', '.join(left)}")
    finally:
        await admin.close()
