"""Ports for servers: what one is given, no other gets, before anybody listens."""

import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from simulator import ports
from simulator.ports import LOOPBACK, free_block, free_ports

DRAW = "from simulator.ports import free_ports; print(*free_ports(30))"


@pytest.fixture
def few_ports(monkeypatch: pytest.MonkeyPatch) -> Iterator[range]:
    """No more to choose from than these, none of them drawn."""
    few = range(17_000, 17_040)
    drawn: deque[ExitStack] = deque()
    monkeypatch.setattr(ports, "_FREE_PORTS", few)
    monkeypatch.setattr(ports, "_drawn", drawn)
    yield few
    for marks in drawn:
        marks.close()


def test_a_port_is_given_away_once(few_ports: range) -> None:
    drawn = free_ports(20) + free_ports(15)
    assert len(set(drawn)) == 35
    assert set(drawn) <= set(few_ports)


def test_nor_is_it_given_to_another_process(few_ports: range) -> None:
    drawn = free_ports(10)
    other = f"from simulator import ports; ports._FREE_PORTS = range({few_ports.start}, {few_ports.stop})"
    said = subprocess.run(
        [sys.executable, "-c", f"{other}; {DRAW}"], capture_output=True, text=True, check=True
    )
    others = [int(port) for port in said.stdout.split()]
    assert len(others) == 30
    assert not set(drawn) & set(others)


def test_nobody_listens_on_it(few_ports: range) -> None:
    with socket.create_server((LOOPBACK, few_ports[0])):
        assert few_ports[0] not in free_ports(30)


def test_a_block_has_no_port_of_another(few_ports: range) -> None:
    with socket.create_server((LOOPBACK, few_ports[20])):
        blocks = [range(first, first + 5) for first in (free_block(5), free_block(5))]
    assert not set(blocks[0]) & set(blocks[1])
    assert not any(few_ports[20] in block for block in blocks)


def test_marks_of_long_ago_are_taken_back(few_ports: range, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_MOST_DRAWN", 5)
    assert len(free_ports(100)) == 100, "more than there are"
