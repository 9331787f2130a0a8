"""Which broker the tests run on: the embedded one, or Apache Kafka with `TEST_KAFKA=apache`.

`make test-kafka` runs every test with a broker on Apache Kafka, and those that only it can pass.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from charts.errors import BadSettings, Unreachable
from simulator.apache import JARS, ApacheKafka
from simulator.servers import Kafka, free_ports
from tables.tansu import repaired

APACHE = os.environ.get("TEST_KAFKA") == "apache"
#: What a worker must be told of it (CHARTS_BROKER).
SETTING = "kafka" if APACHE else "tansu"
#: … and the rest: nobody waits three quarters of a minute for a worker we killed.
ENVIRON = {"CHARTS_BROKER": SETTING, "CHARTS_SESSION_TIMEOUT": "6"}

on_tansu = pytest.mark.skipif(APACHE, reason="about the embedded broker")
on_apache = pytest.mark.skipif(not APACHE, reason="only Apache Kafka can show it: make test-kafka")


def whole_ends() -> AbstractContextManager[None]:
    """Where this process asks for the end of a log, it gets the whole of it."""
    return nullcontext() if APACHE else repaired()


Broker = Kafka | ApacheKafka


def new_broker(folder: Path, data_bytes: int | None = None) -> Broker:
    """A broker on a free port, not yet started; skips where it cannot be had."""
    (port,) = free_ports(1)
    if APACHE:
        try:
            JARS.fetch()
            return ApacheKafka(folder, port)
        except (BadSettings, Unreachable) as error:
            pytest.skip(str(error))
    return Kafka(folder, port, data_bytes) if data_bytes else Kafka(folder, port)


def start(broker: Broker) -> None:
    broker.start()
    broker.wait()
