"""From the simulator to the chart: every count a worker answers is the truth's."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientError, ClientSession

from simulator.process import Process
from simulator.servers import free_ports
from tests.simulator.running import ROOT, simulate

#: For a worker to start, join and count on a busy machine.
DEADLINE_S = 120
PLAIN = ["--total", "20000", "--seed", "7", "--rate", "4", "--start", "2026-11-21T22:30:00Z"]
FAULTS = [
    "--duplicates",
    "0.05",
    "--late",
    "0.04",
    "--early",
    "0.03",
    "--short",
    "0.03",
    "--malformed",
    "0.02",
]


@pytest.fixture
async def worker(
    kafka: str, database_url: str, tmp_path: Path
) -> AsyncIterator[tuple[ClientSession, dict[str, str]]]:
    """A real worker on a log of its own, and the settings it runs with."""
    (port,) = free_ports(1)
    environ = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "CHARTS_BROKER": "tansu",
        "CHARTS_KAFKA_URL": kafka,
        "CHARTS_POSTGRES_URL": database_url,
        "CHARTS_LAKE_URL": f"file://{tmp_path}/lake",
        "CHARTS_DATA_DIR": str(tmp_path / "data"),
        "CHARTS_LOG_ID": secrets.token_hex(4),
        "CHARTS_CLOCK": "log",
        "CHARTS_PARTITIONS": "3",
        "CHARTS_TOP_N": "1000",
        "CHARTS_PUBLIC_READ": "true",
        "CHARTS_RATE_READ": "0",
        "CHARTS_WEB_PORT": str(port),
    }
    command = [sys.executable, "-m", "faust", "-A", "faust_app", "worker"]
    process = Process("worker", command, tmp_path / "worker.log", environ=environ, folder=ROOT).start()
    try:
        async with ClientSession(f"http://127.0.0.1:{port}") as session:
            yield session, environ
    finally:
        process.stop()


async def ask(session: ClientSession, path: str, **asked: str | int) -> dict[str, Any] | None:
    """An answer, or nothing while there is none."""
    try:
        async with session.get(path, params=asked) as response:
            return orjson.loads(await response.read()) if response.status == 200 else None
    except ClientError:
        return None


async def ledger_of(session: ClientSession, records: int) -> dict[str, int]:
    """What became of all records, once the worker has seen them all."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            ledger = await ask(session, "/v1/ledger")
            if ledger is not None and ledger["records"] >= records:
                return {verdict: count for verdict, count in ledger["verdicts"].items() if count}
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("faults", [[], FAULTS], ids=["plain", "faulty"])
async def test_every_chart_is_the_truths(
    worker: tuple[ClientSession, dict[str, str]], faults: list[str], tmp_path: Path
) -> None:
    session, environ = worker
    options = [*PLAIN, "--burst", "--clock", "--tracks", "900", "--regions", "6", *faults]
    code, said = await simulate(environ, *options, "--truth", str(tmp_path / "truth.json"))
    assert code == 0, said
    truth = orjson.loads((tmp_path / "truth.json").read_bytes())

    assert await ledger_of(session, sum(truth["ledger"].values())) == truth["ledger"]
    compared = 0
    for region, kinds in truth["charts"].items():
        for kind, windows in kinds.items():
            for start, told in windows.items():
                chart = await ask(session, f"/v1/charts/{region}/{kind}", at=start, limit=1000)
                assert chart is not None, (region, kind, start)
                assert {entry["track_id"]: entry["plays"] for entry in chart["entries"]} == told["tracks"]
                assert (chart["plays"], chart["tracks"]) == (told["plays"], len(told["tracks"]))
                ranked = sorted(told["tracks"].items(), key=lambda item: (-item[1], item[0]))
                assert [entry["track_id"] for entry in chart["entries"]] == [track for track, _ in ranked]
                compared += told["plays"]
    assert compared == 4 * truth["ledger"]["counted"]
