"""The proxy of docker-compose.yml, in front of two real workers: nobody notices that one goes and returns."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientWebSocketResponse
from aiokafka import AIOKafkaProducer

from charts.play import Play
from charts.window import HOUR_MS
from simulator.process import Process
from simulator.servers import accepts, free_ports
from tests.counting import DEADLINE_S, Counting, counting
from tests.deploy.conftest import DEPLOY, tool

NOW = 1_760_000_000_000 // HOUR_MS * HOUR_MS + 10 * 60_000
CHART = "/v1/charts/global/hour"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def proxied(folder: Path, *workers: Counting) -> AsyncIterator[ClientSession]:
    """The Caddyfile as it is, told other addresses."""
    (port,) = free_ports(1)
    caddyfile = DEPLOY / "compose" / "Caddyfile"
    environ = {
        "HOME": str(folder),
        "PROXY_PORT": str(port),
        "WORKERS": " ".join(f"127.0.0.1:{worker.environ['CHARTS_WEB_PORT']}" for worker in workers),
    }
    command = [tool("caddy"), "run", "--config", caddyfile, "--adapter", "caddyfile"]
    process = Process("proxy", command, folder / "proxy.log", environ=environ).start()
    try:
        process.wait_until(lambda: accepts(port), timeout_s=20)
        async with ClientSession(f"http://127.0.0.1:{port}") as session:
            yield session
    finally:
        process.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers(
    kafka: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Counting, Counting]]:
    """Two workers of one log, a partition each, that know each other by other names than they listen on."""
    tool("caddy")
    folder = tmp_path_factory.mktemp("proxied")
    log_id, named = secrets.token_hex(4), {"CHARTS_PARTITIONS": "2", "CHARTS_RATE_LIVE": "0"}
    ports = free_ports(2)
    one, two = (
        {**named, "CHARTS_WEB_PORT": str(port), "CHARTS_WEB_URL": f"http://localhost:{port}"}
        for port in ports
    )
    async with AsyncExitStack() as stack:
        # Both at once: they join the group together.
        begun = [
            stack.enter_async_context(
                counting(kafka, folder / settings["CHARTS_WEB_PORT"], log_id, **settings)
            )
            for settings in (one, two)
        ]
        first, second = await asyncio.gather(*begun)
        yield first, second


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(workers: tuple[Counting, Counting]) -> list[Play]:
    """Plays of eight tracks, counted by both workers."""
    sent = [await play(workers[0], number) for number in range(8)]
    for worker in workers:
        await worker.counted(len(sent))
    return sent


async def play(worker: Counting, number: int) -> Play:
    """One more play, of a track of its own."""
    played = Play(
        play_id=f"p{number}",
        user_id="u",
        track_id=f"t{number}",
        region="DE",
        played_at=NOW - 60_000,
        ms_played=180_000,
    )
    topic = f"song-plays-{worker.log_id}"
    async with AIOKafkaProducer(bootstrap_servers=worker.environ["CHARTS_KAFKA_URL"]) as producer:
        await producer.send_and_wait(topic, played.encode(), key=played.track_id.encode(), timestamp_ms=NOW)
    return played


async def test_live_streams_receipts_and_nothing_else_pass(
    workers: tuple[Counting, Counting], played: list[Play], tmp_path: Path
) -> None:
    async with proxied(tmp_path, *workers) as session, asyncio.timeout(DEADLINE_S):
        async with session.get("/v1/live") as stream, session.ws_connect("/v1/ws") as socket:
            await _told(stream.content, len(played))
            await _heard(socket, len(played))
            # What changes is told as it changes, not when a buffer is full.
            await play(workers[0], len(played))
            await _told(stream.content, len(played) + 1)
            await _heard(socket, len(played) + 1)
        for one in played:
            # Whichever worker is asked, the one that counted it answers.
            for _ in workers:
                asked = {"track_id": one.track_id}
                async with session.get(f"/v1/plays/{one.play_id}", params=asked) as response:
                    assert (response.status, (await response.json())["verdict"]) == (200, "counted")
        async with session.get("/metrics") as response:
            assert response.status == 404, "metrics are for Prometheus"


async def _told(lines: asyncio.StreamReader, plays: int) -> None:
    """The stream of events says the chart has so many plays."""
    async for line in lines:
        if line.startswith(b"data: ") and _plays(orjson.loads(line[6:])) == plays:
            return
    raise AssertionError("the stream ended")


async def _heard(socket: ClientWebSocketResponse, plays: int) -> None:
    """The WebSocket says so too."""
    while _plays((await socket.receive_json())["data"]) != plays:
        pass


def _plays(data: dict[str, Any]) -> int:
    """Of a whole chart, of its head, or of what changed in it."""
    return int(data.get("head", data)["plays"])


async def test_reads_never_fail_while_a_worker_goes_and_returns(
    workers: tuple[Counting, Counting], played: list[Play], tmp_path: Path
) -> None:
    statuses: Counter[int] = Counter()
    async with proxied(tmp_path, *workers) as session, asyncio.timeout(DEADLINE_S):

        async def read() -> None:
            while reading:
                async with session.get(CHART) as response:
                    statuses[response.status] += 1
                    assert response.status != 200 or (await response.json())["plays"] >= len(played)
                await asyncio.sleep(0.005)

        reading = True
        async with asyncio.TaskGroup() as readers:
            for _ in range(4):
                readers.create_task(read())
            one, _ = workers
            await asyncio.to_thread(one.process.stop)
            one.process.start()
            while (await one.get("/ready"))[0] != 200:
                await asyncio.sleep(0.05)
            reading = False
    assert set(statuses) == {200}, statuses
    assert statuses[200] > 100
