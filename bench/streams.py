"""Kafka Streams as a contender: its jars from Maven Central, our topology compiled against them, once."""

import hashlib
from pathlib import Path

from simulator.apache import VERSION
from simulator.maven import BUILD, ROOT, Jars, java, javac
from simulator.process import Process

TITLE = f"Kafka Streams {VERSION}"
_SOURCE = ROOT / "bench/contenders/kafka_streams/Charts.java"
_JARS = Jars(
    TITLE,
    f"kafka-streams-{VERSION}",
    (
        f"org.apache.kafka:kafka-streams:{VERSION}",
        "com.fasterxml.jackson.core:jackson-core:2.19.0",
        "org.slf4j:slf4j-simple:1.7.36",
    ),
)
_HEAP = ("-Xms1g", "-Xmx1g")
_LOGGING = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
_COMPILE_S = 60


def command() -> tuple[str, ...]:
    """What starts it; raises ChartsError where it cannot be had."""
    program, compiler = java(TITLE), javac(TITLE)
    _JARS.fetch()
    classes = BUILD / f"{_JARS.name}-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]}"
    if not (classes / "Charts.class").exists():
        words = ["-cp", _JARS.classpath, "-d", classes, _SOURCE]
        Process("javac", [compiler, *words], BUILD / "javac.log", folder=Path("/")).run(_COMPILE_S)
    return (program, *_HEAP, _LOGGING, "-cp", f"{classes}:{_JARS.classpath}", "Charts")
