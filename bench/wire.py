"""A lean HTTP client: one connection, one request at a time, so that the client is not what is measured."""

import asyncio
import time
from collections.abc import Sequence
from urllib.parse import urlsplit


class Connection(asyncio.Protocol):
    """A keep-alive connection; `ask` sends a request made beforehand and waits for its whole answer."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._done: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._done is None:
            return
        head = bytes(self._buffer[:end])
        length = _length(head)
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        done, self._done = self._done, None
        if not done.done():
            done.set_result((int(head[9:12]), body))

    def connection_lost(self, error: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError("hung up"))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        assert self._transport is not None
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._done

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    start = head.lower().find(b"content-length:")
    if start < 0:
        return 0
    return int(head[start + 15 : head.find(b"\r\n", start) if b"\r\n" in head[start:] else None])


async def connect(address: str) -> Connection:
    parts = urlsplit(address)
    _, connection = await asyncio.get_running_loop().create_connection(Connection, parts.hostname, parts.port)
    return connection


def request(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", *(f"{k}: {v}" for k, v in (headers or {}).items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def hammer(
    address: str, made: bytes, connections: int, seconds: float
) -> tuple[list[float], dict[int, int]]:
    """The same request over and over; latencies in seconds, and how often each status came."""
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    until = time.perf_counter() + seconds

    async def run() -> None:
        connection = await connect(address)
        while (started := time.perf_counter()) < until:
            status, _ = await connection.ask(made)
            latencies.append(time.perf_counter() - started)
            statuses[status] = statuses.get(status, 0) + 1
        connection.close()

    await asyncio.gather(*(run() for _ in range(connections)))
    return latencies, statuses


async def at_rate(
    address: str, made: Sequence[bytes], per_second: float, seconds: float, connections: int = 32
) -> tuple[list[float], dict[int, int]]:
    """Requests in turn at a fixed pace: a late answer does not delay the next question."""
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await connect(address))
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    started = loop.time()

    async def one(asked: bytes, due: float) -> None:
        connection = await free.get()
        status, _ = await connection.ask(asked)
        statuses[status] = statuses.get(status, 0) + 1
        latencies.append(loop.time() - due)
        free.put_nowait(connection)

    asking = []
    for number in range(int(per_second * seconds)):
        due = started + number / per_second
        await asyncio.sleep(max(0.0, due - loop.time()))
        asking.append(asyncio.create_task(one(made[number % len(made)], due)))
    await asyncio.gather(*asking)
    while not free.empty():
        free.get_nowait().close()
    return latencies, statuses
