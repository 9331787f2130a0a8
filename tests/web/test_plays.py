"""Plays over HTTP into a real broker: acknowledged, located, repeatable, and refused while it is away."""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaConsumer, TopicPartition

from charts.home import home_of
from charts.play import decode_run
from charts.settings import Settings
from simulator.servers import free_ports
from tables.topics import create_topics
from tests.brokers import Broker, new_broker, start, whole_ends
from tests.web.conftest import Desk, serving
from tests.web.fed_boards import FedBoards
from web import outbox as outbox_module
from web.outbox import Outbox
from web.services import Services

PLAY = {"user_id": "u", "track_id": "t", "region": "DE", "played_at": 1_795_271_400_000, "ms_played": 30_000}


@asynccontextmanager
async def posting(
    desk: Desk, boards: FedBoards, kafka_url: str, log_id: str
) -> AsyncIterator[tuple[ClientSession, Settings]]:
    """A site with a way to Kafka, once it is there."""
    settings = desk.settings.model_copy(update={"kafka_url": kafka_url, "log_id": log_id, "partitions": 3})
    await create_topics(settings)
    outbox = Outbox(settings)
    services = Services(
        settings=settings, boards=boards, database=desk.database, outbox=outbox, opens=(outbox,)
    )
    async with serving(services) as address, ClientSession(address, headers=desk.ingest) as session:
        async with asyncio.timeout(20):
            while True:
                async with session.get("/ready") as response:
                    if (await response.json())["checks"]["kafka"]["ok"]:
                        break
                await asyncio.sleep(0.01)
        yield session, settings


@pytest.fixture
async def posted(
    desk: Desk, boards: FedBoards, kafka: str, topic_name: str
) -> AsyncIterator[tuple[ClientSession, Settings]]:
    async with posting(desk, boards, kafka, topic_name.rsplit("-", 1)[1]) as site:
        yield site


async def test_every_accepted_play_is_in_its_home_partition(posted: tuple[ClientSession, Settings]) -> None:
    session, settings = posted
    plays = [PLAY | {"play_id": f"p{n}", "track_id": f"t{n % 50}"} for n in range(400)]
    async with session.post("/v1/plays", json=plays) as response:
        body = await response.json()
    assert (response.status, body["accepted"]) == (202, 400)
    assert body["play_ids"] == [play["play_id"] for play in plays]
    found = await read_log(settings)
    assert sorted(value["play_id"] for _, _, value in found) == sorted(body["play_ids"])
    for partition, key, value in found:
        assert key == value["track_id"].encode()
        assert partition == home_of(value["track_id"], 3)


async def test_one_play_and_its_alias_and_lines(posted: tuple[ClientSession, Settings]) -> None:
    session, settings = posted
    async with session.post("/play", json=PLAY | {"play_id": "one"}) as response:
        assert (response.status, (await response.json())["play_ids"]) == (202, ["one"])
    lines = b"\n".join(orjson.dumps(PLAY | {"play_id": f"line{n}"}) for n in range(3))
    headers = {"Content-Type": "application/x-ndjson"}
    async with session.post("/api/v1/plays", data=lines, headers=headers) as response:
        assert response.status == 202
    found = {value["play_id"] for _, _, value in await read_log(settings)}
    assert found == {"one", "line0", "line1", "line2"}


async def test_all_or_nothing_unless_partial(posted: tuple[ClientSession, Settings]) -> None:
    session, settings = posted
    plays = [PLAY | {"play_id": "good"}, PLAY | {"play_id": "bad", "region": "Germany"}]
    async with session.post("/v1/plays", json=plays) as response:
        problem = await response.json(content_type="application/problem+json")
    assert (response.status, problem["errors"][0]["at"]) == (422, [1, "region"])
    assert await read_log(settings) == []
    async with session.post("/v1/plays?partial=true", json=plays) as response:
        body = await response.json()
    assert (response.status, body["play_ids"], body["errors"][0]["at"]) == (202, ["good"], [1, "region"])
    assert [value["play_id"] for _, _, value in await read_log(settings)] == ["good"]


async def test_bad_lines_are_named_and_the_others_taken(posted: tuple[ClientSession, Settings]) -> None:
    session, settings = posted
    good = [orjson.dumps(PLAY | {"play_id": f"line{n}"}) for n in range(2)]
    lines = b"\r\n".join([good[0], b"{broken", b"\xff", b"", orjson.dumps(PLAY | {"region": "de"}), good[1]])
    headers = {"Content-Type": "application/x-ndjson"}
    async with session.post("/v1/plays", data=lines, headers=headers) as response:
        assert response.status == 422
        refused = (await response.json())["errors"]
    async with session.post("/v1/plays?partial=true", data=lines, headers=headers) as response:
        assert response.status == 202
        taken = await response.json()
    assert [fault["at"] for fault in refused] == [[1], [2], [3, "region"]]
    assert (taken["accepted"], taken["play_ids"], taken["errors"]) == (2, ["line0", "line1"], refused)
    assert [value["play_id"] for _, _, value in await read_log(settings)] == ["line0", "line1"]


async def test_a_lone_play_s_fault_has_no_index(posted: tuple[ClientSession, Settings]) -> None:
    session, _ = posted
    async with session.post("/v1/plays", json=PLAY | {"ms_played": "long"}) as response:
        problem = await response.json(content_type=None)
    assert (response.status, problem["errors"][0]["at"]) == (422, ["ms_played"])


async def test_a_repeated_request_says_the_same(posted: tuple[ClientSession, Settings]) -> None:
    session, settings = posted
    names = []
    for _ in range(2):
        async with session.post(
            "/v1/plays", json=[PLAY, PLAY], headers={"Idempotency-Key": "batch 7"}
        ) as response:
            names.append((await response.json())["play_ids"])
    assert names[0] == names[1]
    assert len({value["play_id"] for _, _, value in await read_log(settings)}) == 2


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"[" + b" " * (4 << 20) + b"]", {"Content-Type": "application/json"}, 413),
        (orjson.dumps([PLAY] * 1001), {"Content-Type": "application/json"}, 413),
        (b"[]", {"Content-Type": "application/json"}, 422),
        (b"\xff", {"Content-Type": "application/json"}, 400),
        (orjson.dumps(PLAY), {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 400),
        (orjson.dumps(PLAY), {"Content-Type": "application/json", "Idempotency-Key": "x" * 201}, 400),
    ],
)
async def test_bodies_that_are_refused(
    posted: tuple[ClientSession, Settings], body: bytes, headers: dict[str, str], status: int
) -> None:
    session, _ = posted
    async with session.post("/v1/plays", data=io.BytesIO(body), headers=headers) as response:
        assert (response.status, response.content_type) == (status, "application/problem+json")


@asynccontextmanager
async def half_said(session: ClientSession, more: bytes = b"") -> AsyncIterator[asyncio.StreamReader]:
    """A request whose body is left unfinished, as bytes: a client would not send it."""
    address = session._base_url
    assert address is not None
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = f"POST /v1/plays HTTP/1.1\r\nHost: x\r\nAuthorization: {session.headers['Authorization']}\r\n"
    body = orjson.dumps(PLAY)
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
    writer.write(head.encode() + more + length + b"\r\n" + body[:-1])
    await writer.drain()
    try:
        yield reader
    finally:
        writer.close()


async def test_a_caller_that_hangs_up_is_no_error_of_ours(
    posted: tuple[ClientSession, Settings], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="web.access")
    async with half_said(posted[0]):
        await asyncio.sleep(0.1)
    async with asyncio.timeout(60):
        while not any(record.name == "web.access" for record in caplog.records):
            await asyncio.sleep(0.01)
    lines = [record for record in caplog.records if record.name in {"web.access", "web.errors"}]
    assert [line.status for line in lines] == [499]


async def test_a_header_may_hold_any_bytes(posted: tuple[ClientSession, Settings]) -> None:
    """aiohttp hands them over as surrogates, which no text codec takes."""
    session, _ = posted
    async with half_said(session, b"Idempotency-Key: caf\xe9\r\nConnection: close\r\n") as reader:
        reader._transport.write(b"}")  # type: ignore[attr-defined]
        assert (await reader.read()).startswith(b"HTTP/1.1 202 ")


async def test_many_requests_share_batches(posted: tuple[ClientSession, Settings]) -> None:
    session, settings = posted

    async def post(number: int) -> list[str]:
        plays = [PLAY | {"play_id": f"{number}-{n}", "track_id": f"t{n}"} for n in range(100)]
        async with session.post("/v1/plays", json=plays) as response:
            assert response.status == 202
            return (await response.json())["play_ids"]

    answers = await asyncio.gather(*map(post, range(50)))
    found = sorted(value["play_id"] for _, _, value in await read_log(settings))
    assert found == sorted(name for names in answers for name in names)


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Broker]:
    """A broker this test may stop."""
    server = new_broker(tmp_path)
    start(server)
    yield server
    if server.process.alive:
        os.kill(server.process.pid, signal.SIGCONT)
    server.stop()


async def test_a_paused_broker_is_a_503_and_loses_nothing(
    desk: Desk, boards: FedBoards, own_kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "SEND_TIMEOUT_S", 0.3)
    plays = [PLAY | {"play_id": f"p{n}"} for n in range(20)]
    async with posting(desk, boards, own_kafka.url, "paused") as (session, settings):
        os.kill(own_kafka.process.pid, signal.SIGSTOP)
        async with session.post("/v1/plays", json=plays) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
        os.kill(own_kafka.process.pid, signal.SIGCONT)
        async with asyncio.timeout(30):
            while True:
                async with session.post("/v1/plays", json=plays) as response:
                    if response.status == 202:
                        break
        found = [value["play_id"] for _, _, value in await read_log(settings)]
        assert set(found) == {play["play_id"] for play in plays}


async def test_kafka_is_found_though_the_topic_comes_later(kafka: str, topic_name: str) -> None:
    """Nobody has to post a play before `/ready` says that plays are taken."""
    settings = Settings(kafka_url=kafka, log_id=topic_name.replace("-", "")[-32:], partitions=3)
    async with Outbox(settings) as outbox, asyncio.timeout(30):
        while outbox._producer is None:
            await asyncio.sleep(0.01)
        assert not outbox.ready
        await create_topics(settings)
        while not outbox.ready:
            await asyncio.sleep(0.01)


async def test_without_a_broker_the_site_serves_the_rest(desk: Desk, boards: FedBoards) -> None:
    settings = desk.settings.model_copy(update={"kafka_url": f"127.0.0.1:{free_ports(1)[0]}"})
    outbox = Outbox(settings)
    services = Services(
        settings=settings, boards=boards, database=desk.database, outbox=outbox, opens=(outbox,)
    )
    async with serving(services) as address, ClientSession(address) as session:
        async with session.post("/v1/plays", json=PLAY, headers=desk.ingest) as response:
            assert response.status == 503
        async with session.get("/ready") as response:
            body = await response.json()
            assert (response.status, body["status"], body["checks"]["kafka"]["ok"]) == (
                200,
                "degraded",
                False,
            )


async def test_a_full_buffer_is_a_503(
    posted: tuple[ClientSession, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = posted
    monkeypatch.setattr(outbox_module, "BUFFER_BYTES_MAX", 100)
    async with session.post("/v1/plays", json=PLAY) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "2")


async def read_log(settings: Settings) -> list[tuple[int, bytes, dict[str, Any]]]:
    """Every record of the plays' topic: partition, key, value."""
    topic = settings.topic("song-plays")
    places = [TopicPartition(topic, partition) for partition in range(3)]
    found = []
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_url, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        with whole_ends():
            ends = await consumer.end_offsets(places)
        async with asyncio.timeout(20):
            while any([await consumer.position(place) < ends[place] for place in places]):
                for place, records in (await consumer.getmany(timeout_ms=50)).items():
                    found += [(place.partition, record.key, record.value) for record in records]
    assert not found or decode_run([value for _, _, value in found]).good.all()
    return [(partition, key, orjson.loads(value)) for partition, key, value in found]
