"""Frames: answers come out as they were sent, however the bytes arrive, and the end is an end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from aiokafka.conn import create_conn
from aiokafka.protocol.metadata import MetadataRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tables.frames import Frames

Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiving(serve: Serve) -> AsyncIterator[Frames]:
    """The protocol on a real connection, as aiokafka makes it."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(writer)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    loop = asyncio.get_running_loop()
    closed, reader = loop.create_future(), asyncio.StreamReader()
    transport, frames = await loop.create_connection(lambda: Frames(closed, reader, loop=loop), host, port)
    try:
        yield frames
    finally:
        transport.close()
        await closed
        server.close()
        await server.wait_closed()


def framed(answer: bytes) -> bytes:
    return len(answer).to_bytes(4, "big") + answer


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 200), max_size=8))
async def test_answers_are_what_was_sent_wherever_they_are_cut(answers: list[bytes], cuts: list[int]) -> None:
    sent = b"".join(map(framed, answers))
    frames = Frames(asyncio.get_running_loop().create_future(), asyncio.StreamReader(), loop=None)
    places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    for start, end in pairwise(places):
        piece = sent[start:end]
        while piece:
            into = frames.get_buffer(-1)
            count = min(len(into), len(piece))
            into[:count], piece = piece[:count], piece[count:]
            frames.buffer_updated(count)
    frames.eof_received()
    assert [await frames.frame() for _ in answers] == answers
    with pytest.raises(EOFError):
        await frames.frame()


async def test_large_answers_come_through_a_socket() -> None:
    answers = [bytes([number]) * size for number, size in enumerate((5 << 20, 3, 0, 1 << 20))]

    async def serve(writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            writer.write(framed(answer))
            await writer.drain()

    async with receiving(serve) as frames:
        assert [await frames.frame() for _ in answers] == answers


async def test_an_answer_cut_short_is_none() -> None:
    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(framed(b"whole") + framed(b"cut short")[:-1])

    async with receiving(serve) as frames:
        assert await frames.frame() == b"whole"
        with pytest.raises(EOFError):
            await asyncio.wait_for(frames.frame(), 60)


async def test_who_does_not_speak_kafka_is_hung_up_on() -> None:
    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff\xff\xff\xfe and so on")
        await asyncio.sleep(60)

    async with receiving(serve) as frames:
        with pytest.raises(ConnectionError, match="no answer of Kafka's: -2 bytes"):
            await asyncio.wait_for(frames.frame(), 60)


async def test_a_worker_receives_so(kafka: str) -> None:
    host, port = kafka.split(":")
    connection = await create_conn(host, int(port))
    try:
        assert isinstance(connection._protocol, Frames)
        assert (await connection.send(MetadataRequest())).brokers
    finally:
        await connection.close()
