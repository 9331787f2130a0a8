"""Each server away for a while, under load, one after the other: reads go on, and everything catches up.

    broker      hangs (the embedded one forgets everything when it stops) or, Apache Kafka, stops
    Postgres    stops
    store       stops

The legal outcome: while a server is away no read of a live chart fails, and the workers say of it what
docs/failures.md says; once it is back they say that all is well, every record is counted once, every chart
that is final is in the history as it must be, and the lake's audit is equal.
"""

import asyncio
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout

from simulator.servers import Keys, ObjectStore, Postgres, free_ports
from tables.archive import SQL, Archive
from tables.migrations import migrate
from tables.postgres import Database
from tables.rows import OURS, moment
from tests.agents.conftest import own_server
from tests.brokers import APACHE
from tests.crash import oracle, shown
from tests.crash.storm import Storm
from tests.crash.worker import ROOT, Worker

__all__ = ["own_server"]

SHORT_S, LONG_S = 12.0, 120.0
TOTALS = """
SELECT plays, tracks FROM chart_snapshots
WHERE region = $1 AND window_kind = $2 AND starts_at = $3 AND source = $4 AND revision = 0
"""
#: Between two absences.
CALM_S = 8.0
#: Live charts answer from memory; what takes longer than this hangs.
READ_TIMEOUT = ClientTimeout(total=5)
#: The columns of docs/failures.md, as a worker, the lake's worker and a live chart show them.
WELL = {"worker": (200, "ready"), "lake": (200, "ready"), "stale": False}
AWAY = {
    "broker": {"stale": True},
    "Postgres": {"worker": (200, "degraded"), "stale": False},
    "store": {"worker": (200, "ready"), "lake": (503, "degraded"), "stale": False},
}
#: For that to show, also after two minutes of trying in vain.
NOTICED_S = 180.0
#: From the last return to a lake that is curated as far as hours are final.
CAUGHT_UP_S = 180.0


@pytest.mark.kafka
@pytest.mark.timeout(600)
async def test_each_server_away_for_a_moment(tmp_path: Path, seed: int, own_server: Postgres) -> None:
    await absences(tmp_path, seed, own_server, SHORT_S)


@pytest.mark.kafka
@pytest.mark.crash
@pytest.mark.timeout(1500)
async def test_each_server_away_for_two_minutes(tmp_path: Path, seed: int, own_server: Postgres) -> None:
    await absences(tmp_path, seed, own_server, LONG_S)


async def absences(folder: Path, seed: int, postgres: Postgres, away_s: float) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(postgres.url()))
        await migrate(database)
        store = ObjectStore(
            folder, free_ports(ObjectStore.PORTS), Keys(secrets.token_hex(8), secrets.token_hex(16))
        )
        stack.callback(store.stop)
        store.start()
        storm = await stack.enter_async_context(Storm(folder, seed))
        environ = {
            "CHARTS_POSTGRES_URL": postgres.url(),
            "CHARTS_LAKE_URL": f"{store.url}/absence",
            "CHARTS_LAKE_FLUSH": "2",
            "CHARTS_RATE_READ": "0",
            **store.environ,
        }
        ports = {"web_port": free_ports(1)[0]}
        lake = Worker("lake", storm.settings.model_copy(update=ports), folder, "faust_app:lake")
        stack.callback(lake.kill)
        await asyncio.to_thread(store.wait)
        await storm.send(5)
        counting = storm.workers[:2]
        for worker in (*counting, lake):
            worker.start(**environ)
        assert not await storm.rest()
        assert not await storm.same_everywhere()
        async with storm.streaming():
            for name, leave, come_back in servers(storm, postgres, store):
                async with reading(counting) as failed:
                    back_at = time.monotonic() + away_s
                    await leave()
                    await says(counting[0], lake, AWAY[name])
                    await asyncio.sleep(max(0.0, back_at - time.monotonic()))
                    await come_back()
                    await says(counting[0], lake, WELL)
                    await asyncio.sleep(CALM_S)
                assert not failed, f"seed {seed}, {name} away: {failed[:5]}"
        wrong = await storm.rest() + await storm.same_everywhere()
        assert not wrong, f"seed {seed}: {wrong}"
        truth = oracle.Truth.of(await oracle.read(storm.kafka.url, storm.plays))
        written = await history_is(database, storm, truth)
        assert len(written) > 10, "there was something to catch up with"
        await audit_is_equal({**os.environ, **storm_environ(storm), **environ}, len(written))
        lake.stop()
        assert not await storm.stop_all()
        wrong = await storm.reckon(written)
        assert not wrong, f"seed {seed}: {wrong[:10]}"


async def says(worker: Worker, lake: Worker, wanted: dict[str, Any]) -> None:
    """Wait until a worker and the lake's say so of themselves, in all that is asked of them."""
    deadline = time.monotonic() + NOTICED_S
    async with ClientSession(timeout=READ_TIMEOUT) as session:
        while True:
            found: dict[str, Any] = {}
            for name, url in (("worker", worker.url), ("lake", lake.url)):
                async with session.get(f"{url}/ready") as response:
                    found[name] = response.status, (await response.json())["status"]
            async with session.get(f"{worker.url}/v1/charts/global/day?limit=1") as response:
                found["stale"] = (await response.json())["stale"]
            if wanted.items() <= found.items():
                return
            assert time.monotonic() < deadline, f"{found}, not {wanted}"
            await asyncio.sleep(0.2)


Step = Callable[[], Awaitable[None]]


def servers(storm: Storm, postgres: Postgres, store: ObjectStore) -> list[tuple[str, Step, Step]]:
    """Each with how it leaves and how it comes back."""

    async def stop(server: Postgres | ObjectStore) -> None:
        await asyncio.to_thread(server.stop)

    async def start(server: Postgres | ObjectStore) -> None:
        # From the main thread, whose end would be the server's.
        server.start()
        await asyncio.to_thread(server.wait)

    async def hang() -> None:
        storm.kafka.process.signal(signal.SIGSTOP)

    async def go_on() -> None:
        storm.kafka.process.signal(signal.SIGCONT)

    broker = ("broker", hang, go_on)
    if APACHE:
        broker = ("broker", lambda: stop(storm.kafka), lambda: start(storm.kafka))
    return [
        broker,
        ("Postgres", lambda: stop(postgres), lambda: start(postgres)),
        ("store", lambda: stop(store), lambda: start(store)),
    ]


@asynccontextmanager
async def reading(workers: list[Worker]) -> AsyncIterator[list[str]]:
    """Clients that read live charts all the time; what failed."""
    failed: list[str] = []

    async def read(worker: Worker) -> None:
        async with ClientSession(worker.url, timeout=READ_TIMEOUT) as session:
            while True:
                try:
                    async with session.get("/v1/charts/global/day?limit=5") as response:
                        if response.status != 200 or not (await response.json())["entries"]:
                            failed.append(f"{worker.name}: {response.status}")
                except Exception as error:  # noqa: BLE001 (whatever it is, the read failed)
                    failed.append(f"{worker.name}: {error!r}")
                await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as clients:
        tasks = [clients.create_task(read(worker)) for worker in workers]
        yield failed
        for task in tasks:
            task.cancel()


async def history_is(database: Database, storm: Storm, truth: oracle.Truth) -> set[shown.Place]:
    """Wait until everything final is in the history, compare each chart with the truth; where they are."""
    wanted = {
        place: plays for place, plays in shown.charts_of(truth).items() if storm.boards.is_final(place[1])
    }
    archive = Archive(database)
    deadline = time.monotonic() + CAUGHT_UP_S
    for place, plays in wanted.items():
        while (chart := await archive.chart(*place)) is None or chart.status != "final":
            assert time.monotonic() < deadline, f"{place} is not in the history"
            await asyncio.sleep(0.2)
        key = (place[0], place[1].kind, moment(place[1].start), OURS)
        # As the stream counted it: at night a revision may take late plays in; what it says, the audit tells.
        rows = [(row["track_id"], row["plays"]) for row in await database.fetch(SQL["get_entries"], *key, 0)]
        assert rows == shown.ranking(plays)[: storm.settings.top_n], place
        totals = await database.fetchrow(TOTALS, *key)
        assert totals is not None and tuple(totals) == (plays.total(), len(plays)), place
    return set(wanted)


async def audit_is_equal(environ: dict[str, str], charts: int) -> None:
    """Wait until the lake says what the history says of every final chart."""
    deadline = time.monotonic() + CAUGHT_UP_S
    while True:
        command = [sys.executable, "-m", "cli", "audit"]
        audit = await asyncio.to_thread(
            subprocess.run, command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        equal = re.match(r"equal: (\d+) charts", audit.stdout)
        # Another hour may have become final since.
        if equal and int(equal[1]) >= charts:
            return
        assert time.monotonic() < deadline, audit.stdout + audit.stderr
        await asyncio.sleep(1)


def storm_environ(storm: Storm) -> dict[str, str]:
    fields = storm.settings.model_dump(exclude_unset=True)
    return {f"CHARTS_{name.upper()}": str(value) for name, value in fields.items()}
