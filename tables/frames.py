"""Frames: what Kafka answers is received into one piece of memory, of its size.

aiokafka reads through asyncio's streams, with a limit of 64 KiB: an answer of two megabytes comes in forty
pieces, each of which is appended to a buffer, stops the transport and starts it again. Here it is received
into memory of its length, and copied once, since only of `bytes` aiokafka's reading makes no copy of its own.

For connections without TLS, as all of ours are: under it asyncio gives up what it holds when the other side
hangs up, so the last answers before that may be lost (and asked for again).
"""

import asyncio
from collections import deque
from typing import Any

import numpy as np
from aiokafka import conn

_HEAD_BYTES = 4


class Frames(conn.AIOKafkaProtocol, asyncio.BufferedProtocol):
    """aiokafka's protocol, but for the bytes that come in: a length, and as many bytes, over and over."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head = memoryview(bytearray(_HEAD_BYTES))
        #: What is being received, and how much of it is there.
        self._into, self._at = self._head, 0
        self._whole: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._end: BaseException | None = None

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._into[self._at :]

    def buffer_updated(self, count: int) -> None:
        self._at += count
        while self._at == len(self._into):
            if self._into is self._head:
                # Not filled with zeros first.
                self._into = np.empty(_length(self._head), np.uint8).data
            else:
                self._whole.append(bytes(self._into))
                self._news.set()
                self._into = self._head
            self._at = 0

    def eof_received(self) -> bool | None:
        self._ends(None)
        is_kept: bool | None = super().eof_received()
        return is_kept

    def connection_lost(self, error: Exception | None) -> None:
        self._ends(error)
        super().connection_lost(error)

    def _ends(self, error: Exception | None) -> None:
        self._end = self._end or error or asyncio.IncompleteReadError(b"", None)
        self._news.set()

    async def frame(self) -> bytes:
        """The next one; raises, where there will be none, why."""
        while not self._whole:
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()
        return self._whole.popleft()


def _length(head: memoryview) -> int:
    length = int.from_bytes(head, signed=True)
    if length < 0:
        raise ConnectionError(f"no answer of Kafka's: {length} bytes")
    return length


def receive_whole() -> None:
    """Have every connection of this process receive so; twice is once."""
    conn.AIOKafkaProtocol = Frames
    conn.AIOKafkaConnection._read = staticmethod(_read)


async def _read(connection_of: Any) -> None:
    """As aiokafka's own: a connection is held only while it handles an answer, or none would be collected."""
    connection = connection_of()
    if connection is None:
        return
    frames = connection._protocol
    del connection
    while True:
        frame = await frames.frame()
        connection = connection_of()
        if connection is None:
            return
        connection._handle_frame(frame)
        del connection, frame
