"""The watch starts again what died, gives up on what keeps dying, and bounds the broker."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from charts.errors import Unreachable
from simulator.process import Process, stop_all
from simulator.watch import DEATHS_PER_MINUTE, Watch, resident_bytes

SLEEPER = "import time; time.sleep(600)"


@dataclass
class Parts:
    """A stack of sleeping processes."""

    kafka: Process
    worker: Process
    simulator: Process | None

    @property
    def others(self) -> list[Process]:
        return [self.worker, *([self.simulator] if self.simulator else [])]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    kafka, worker, simulator = (
        Process(name, [sys.executable, "-c", SLEEPER], tmp_path / f"{name}.log").start()
        for name in ("Kafka", "worker", "simulator")
    )
    yield Parts(kafka, worker, simulator)
    stop_all([kafka, worker, simulator], timeout_s=10)


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


def _watch(parts: Parts, told: list[tuple[str, str]], broker_bytes: int = 1 << 40) -> Watch:
    return Watch(parts, lambda name, remark: told.append((name, remark)), broker_bytes)


def test_what_died_is_started_again(parts: Parts, told: list[tuple[str, str]]) -> None:
    watch, worker = _watch(parts, told), parts.worker
    worker.stop()
    watch.glance()
    assert worker.alive
    assert [name for name, _ in told] == ["worker"]
    watch.glance()
    assert len(told) == 1, "what lives is left alone"


def test_what_keeps_dying_ends_the_stack(parts: Parts, told: list[tuple[str, str]]) -> None:
    watch, worker = _watch(parts, told), parts.worker
    for _ in range(DEATHS_PER_MINUTE):
        worker.stop()
        watch.glance()
    worker.stop()
    with pytest.raises(Unreachable, match="worker keeps ending"):
        watch.glance()


def test_without_kafka_the_log_is_gone(parts: Parts, told: list[tuple[str, str]]) -> None:
    parts.kafka.stop()
    with pytest.raises(Unreachable, match="Kafka ended"):
        _watch(parts, told).glance()


def test_a_broker_at_its_bound_silences_the_simulator_alone(
    parts: Parts, told: list[tuple[str, str]]
) -> None:
    simulator = parts.simulator
    # It holds next to nothing until the kernel has put the command in its place.
    parts.kafka.wait_until(lambda: resident_bytes(parts.kafka.pid) > 1 << 20, timeout_s=30)
    _watch(parts, told, broker_bytes=1 << 30).glance()
    assert simulator is not None
    assert simulator.alive
    _watch(parts, told, broker_bytes=1 << 20).glance()
    assert not simulator.alive
    assert parts.simulator is None, "and it is not started again"
    assert parts.kafka.alive
