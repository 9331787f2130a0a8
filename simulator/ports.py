"""Ports on loopback: which are free, which are taken, who answers."""

import atexit
import contextlib
import random
import socket
from collections import deque
from collections.abc import Sequence

LOOPBACK = "127.0.0.1"
#: Ports our own choice falls into. The kernel hands those from 32,768 on to outgoing connections, and the
#: object store takes one that lies 10,000 above another.
_FREE_PORTS = range(18_000, 22_000)
#: A server that was given a port takes seconds to listen on it, and one that is started again leaves it for a
#: while: until this process ends, or has drawn many more, the port's UDP twin says that it is given away.
_drawn: deque[contextlib.ExitStack] = deque()
_MOST_DRAWN = 200


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on just now, and that nobody else is given here or in another process."""
    return [free_block(1) for _ in range(count)]


def free_block(size: int) -> int:
    """The first of as many such ports in a row."""
    while True:
        first = random.SystemRandom().choice(_FREE_PORTS)
        block = range(first, first + size)
        with contextlib.ExitStack() as marks:
            if all(_marked(port, marks) for port in block) and not busy_ports(block):
                _drawn.append(marks.pop_all())
                break
    if len(_drawn) > _MOST_DRAWN:
        _drawn.popleft().close()
    return first


def _marked(port: int, marks: contextlib.ExitStack) -> bool:
    mark = marks.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    try:
        mark.bind((LOOPBACK, port))
    except OSError:
        return False
    return True


@atexit.register
def _give_back() -> None:
    while _drawn:
        _drawn.popleft().close()


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
