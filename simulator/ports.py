"""Ports on loopback: which are free, which are taken, who answers."""

import contextlib
import random
import socket
from collections.abc import Sequence

LOOPBACK = "127.0.0.1"
#: Ports our own choice falls into: below those the kernel hands to outgoing connections.
_FREE_PORTS = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on just now."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().choice(_FREE_PORTS)
        if port not in ports and not busy_ports([port]):
            ports.append(port)
    return ports


def busy_ports(ports: Sequence[int], host: str = LOOPBACK) -> list[int]:
    """Which of these cannot be listened on."""
    busy = []
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                busy.append(port)
    return busy


def accepts(port: int) -> bool:
    """Somebody listens on this port."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False
