"""A rolling restart, seen from a reverse proxy: three workers one after another, under load.

Legal: no read fails, every chart is the truth at the end. The proxy does what they all do: where a connection
is refused, it asks the next worker.
"""

import asyncio
import logging
import time
from itertools import count
from pathlib import Path

import pytest
from aiohttp import ClientConnectorError, ClientError, ClientSession, TCPConnector

from tests.brokers import on_apache
from tests.crash.storm import Storm, eventually
from tests.crash.worker import Worker

log = logging.getLogger(__name__)

#: A worker is back within it, and has its partitions still.
SESSION_S = 45
READERS = 4
PATHS = ("/v1/charts/global/day", "/v1/charts/US/hour", "/v1/charts", "/v1/ledger")


class Proxy:
    """Asks one worker after another; keeps what went wrong."""

    def __init__(self, workers: list[Worker], session: ClientSession) -> None:
        self.workers = workers
        self.session = session
        self.failed: list[str] = []
        self.reads = 0
        self.freshness_ms_max = 0
        self._turns = count()

    async def read(self, path: str) -> None:
        self.reads += 1
        first = next(self._turns)
        for turn in range(len(self.workers)):
            worker = self.workers[(first + turn) % len(self.workers)]
            try:
                async with self.session.get(f"{worker.url}{path}") as response:
                    answer = await response.json()
            except ClientConnectorError:
                continue
            except (ClientError, TimeoutError) as error:
                return self.failed.append(f"{worker.name}{path}: {error!r}")
            if response.status != 200:
                return self.failed.append(f"{worker.name}{path}: {response.status} {answer}")
            self.freshness_ms_max = max(self.freshness_ms_max, answer.get("freshness_ms") or 0)
            return None
        return self.failed.append(f"{path}: refused everywhere")

    async def answered(self) -> None:
        """Wait until every worker has every chart: before the first plays are counted there is none."""
        while True:
            for _ in self.workers:
                for path in PATHS:
                    await self.read(path)
            if not self.failed:
                return
            self.failed.clear()
            await asyncio.sleep(0.1)

    async def read_until(self, over: asyncio.Event) -> None:
        while not over.is_set():
            for path in PATHS:
                await self.read(path)
                await asyncio.sleep(0.01)


@on_apache
@pytest.mark.kafka
@pytest.mark.timeout(600)
@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
async def test_a_rolling_restart_fails_no_read(tmp_path: Path, seed: int, static: bool) -> None:
    async with (
        Storm(tmp_path, seed, static=static, session_timeout=SESSION_S) as storm,
        # A connection for each request, as a proxy without kept connections has it.
        ClientSession(connector=TCPConnector(force_close=True)) as session,
    ):
        for worker in storm.workers:
            worker.start()
        await storm.send(10)
        for worker in storm.workers:
            await eventually(lambda worker=worker: storm.owns(worker), f"{worker.name} owns something")
        proxy, over = Proxy(storm.workers, session), asyncio.Event()
        async with asyncio.timeout(60):
            await proxy.answered()
        async with asyncio.TaskGroup() as clients:
            streaming = clients.create_task(storm.stream_on())
            for _ in range(READERS):
                clients.create_task(proxy.read_until(over))
            for worker in storm.workers:
                await restart(storm, worker)
            over.set()
            streaming.cancel()
        log.info(
            "%d reads, %d failed; the oldest head was %.1f s old",
            proxy.reads,
            len(proxy.failed),
            proxy.freshness_ms_max / 1000,
        )
        wrong = await storm.rest()
        wrong += await storm.same_everywhere()
        wrong += await storm.stop_all()
        wrong += await storm.reckon()
    assert not proxy.failed, f"seed {seed}: {len(proxy.failed)} of {proxy.reads} reads: {proxy.failed[:5]}"
    assert not wrong, f"seed {seed}: {wrong[:20]}"


async def restart(storm: Storm, worker: Worker) -> None:
    started = time.monotonic()
    stopped_s = await asyncio.to_thread(worker.stop)
    worker.start()
    await eventually(lambda: storm.owns(worker), f"{worker.name} owns something again")
    log.info(
        "%s stopped in %.1f s, counts again after %.1f s", worker.name, stopped_s, time.monotonic() - started
    )


@on_apache
@pytest.mark.kafka
@pytest.mark.timeout(300)
async def test_two_workers_with_one_name_count_nothing_twice(tmp_path: Path, seed: int) -> None:
    """A mistake: each is sent out of the group when the other comes back. What either counts is right."""
    async with Storm(tmp_path, seed, static=True) as storm:
        first, second, _ = storm.workers
        second.settings = second.settings.model_copy(update={"instance": first.settings.instance})
        first.start()
        await storm.send(10)
        await eventually(lambda: storm.owns(first), "the first counts")
        second.start()
        async with asyncio.TaskGroup() as plays:
            streaming = plays.create_task(storm.stream_on())
            for worker in (second, first):
                await eventually(lambda worker=worker: storm.owns(worker), f"{worker.name} counts")
            streaming.cancel()
        await asyncio.to_thread(second.stop)
        wrong = await storm.rest()
        wrong += await storm.stop_all()
        wrong += await storm.reckon()
    assert not wrong, f"seed {seed}: {wrong[:20]}"
