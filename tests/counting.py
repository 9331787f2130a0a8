"""A real worker on a log of its own, and the questions tests ask it."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession

from simulator.process import Process
from simulator.servers import free_ports
from tests.brokers import ENVIRON

ROOT = Path(__file__).parents[1]
#: For a worker to start, join and count on a busy machine.
DEADLINE_S = 120.0


class Counting:
    """A running worker."""

    def __init__(self, session: ClientSession, environ: dict[str, str], process: Process) -> None:
        self.session = session
        self.environ = environ
        self.process = process
        self.log_id = environ["CHARTS_LOG_ID"]

    async def get(self, path: str, **asked: str | int) -> tuple[int, Any]:
        """Status and JSON of an answer; 0 while nobody answers."""
        try:
            async with self.session.get(path, params=asked) as response:
                return response.status, await response.json()
        except ClientError:
            return 0, {}

    async def counted(self, records: int) -> dict[str, int]:
        """The verdicts, once so many records have one."""
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until and self.process.alive:
            status, ledger = await self.get("/v1/ledger")
            if status == 200 and ledger["records"] >= records:
                return {verdict: count for verdict, count in ledger["verdicts"].items() if count}
            await asyncio.sleep(0.1)
        raise AssertionError(f"not {records} records were taken in; see {self.process.log}")

    async def shows(self, truth: dict[str, Any]) -> list[int]:
        """Hold every chart of a truth file against what is answered; the plays of each."""
        compared = []
        for region, kinds in truth["charts"].items():
            for kind, windows in kinds.items():
                for start, told in windows.items():
                    status, chart = await self.get(f"/v1/charts/{region}/{kind}", at=start, limit=1000)
                    assert status == 200, (region, kind, start)
                    ranked = sorted(told["tracks"].items(), key=lambda item: (-item[1], item[0]))
                    assert [(entry["track_id"], entry["plays"]) for entry in chart["entries"]] == ranked
                    assert (chart["plays"], chart["tracks"]) == (told["plays"], len(told["tracks"]))
                    compared.append(told["plays"])
        return compared


def started(environ: dict[str, str], folder: Path) -> Process:
    """The process of a worker."""
    command = [sys.executable, "-m", "faust", "-q", "-A", "faust_app", "worker"]
    return Process("worker", command, folder / "worker.log", environ=environ, folder=ROOT).start()


@asynccontextmanager
async def counting(kafka: str, folder: Path, log_id: str, **settings: str) -> AsyncIterator[Counting]:
    """A worker that answers, until the block ends."""
    port = settings.get("CHARTS_WEB_PORT") or str(*free_ports(1))
    environ = {
        "PATH": os.defpath,
        "HOME": str(folder),
        **ENVIRON,
        "CHARTS_CLOCK": "log",
        "CHARTS_DATA_DIR": str(folder / "data"),
        "CHARTS_FLUSH_INTERVAL": "0.2",
        "CHARTS_KAFKA_URL": kafka,
        "CHARTS_LOG_ID": log_id,
        "CHARTS_PARTITIONS": "1",
        "CHARTS_POSTGRES_URL": "",
        "CHARTS_PUBLIC_READ": "true",
        "CHARTS_RATE_READ": "0",
        "CHARTS_WEB_PORT": port,
        **settings,
    }
    process = started(environ, folder)
    try:
        async with ClientSession(f"http://127.0.0.1:{environ['CHARTS_WEB_PORT']}") as session:
            worker = Counting(session, environ, process)
            await worker.counted(0)
            yield worker
    finally:
        process.stop()
