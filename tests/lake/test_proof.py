"""From the simulator to the proof: what was published is what the lake says, whoever died meanwhile."""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from aiohttp import ClientError, ClientSession
from pyarrow.dataset import dataset
from pyarrow.fs import S3FileSystem

from charts.window import Window, parse_time
from simulator.process import Process
from simulator.servers import free_ports
from tables.jobs import Jobs
from tables.postgres import Database
from tests.brokers import ENVIRON
from tests.conftest import Lake
from tests.simulator.running import ROOT, simulate

#: Two workers to start, join and finish on a busy machine.
DEADLINE_S = 600
#: How often both workers die while plays come in; `make crash` asks for more.
KILLS = int(os.environ.get("PROOF_KILLS", "2"))
FAULTS = ("--duplicates", "0.05", "--late", "0.04", "--early", "0.03", "--short", "0.03")
PLAYS = ("--total", "20000", "--seed", "9", "--rate", "2", "--start", "2026-11-21T21:30:00Z")
CLOCK = ("--burst", "--clock", "--malformed", "0.02")
#: The second day is final just after its end, and so is the week they belong to.
SETTLE = ["--settle", "93600"]


class Workers:
    """A counting worker and a lake worker on one log."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self.environ = environ
        self._folder = folder
        self.running: list[Process] = []
        #: Where the counting worker answers.
        self.url = ""

    def start(self) -> None:
        ports = free_ports(2)
        self.url = f"http://127.0.0.1:{ports[0]}"
        for name, port in zip(("faust_app", "faust_app:lake"), ports, strict=True):
            environ = {**self.environ, "CHARTS_WEB_PORT": str(port)}
            command = [sys.executable, "-m", "faust", "-A", name, "worker"]
            log = self._folder / f"{name.replace(':', '-')}.log"
            self.running.append(Process(name, command, log, environ=environ, folder=ROOT).start())

    async def answering(self) -> None:
        """Wait until the counting worker answers: by then the topics are there."""
        async with asyncio.timeout(DEADLINE_S), ClientSession(self.url) as session:
            while True:
                with contextlib.suppress(ClientError):
                    async with session.get("/health"):
                        return
                await asyncio.sleep(0.1)

    def kill(self) -> None:
        """Both at once, without a word."""
        for process in self.running:
            os.kill(process.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        for process in self.running:
            process.stop()
        self.running = []

    def charts(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What an operator would type."""
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            env=self.environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )


@pytest.fixture
def workers(kafka: str, database_url: str, lake_s3: Lake, tmp_path: Path) -> Iterator[Workers]:
    environ = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        **ENVIRON,
        "CHARTS_KAFKA_URL": kafka,
        "CHARTS_POSTGRES_URL": database_url,
        "CHARTS_LAKE_URL": lake_s3.url,
        "CHARTS_LAKE_FLUSH": "1",
        "CHARTS_DATA_DIR": str(tmp_path / "data"),
        "CHARTS_LOG_ID": secrets.token_hex(4),
        "CHARTS_CLOCK": "log",
        "CHARTS_PARTITIONS": "3",
        "CHARTS_PUBLIC_READ": "true",
        "COLUMNS": "200",
        **lake_s3.environ,
    }
    found = Workers(environ, tmp_path)
    try:
        yield found
    finally:
        found.stop()


@pytest.mark.timeout(1800)
async def test_charts_are_proved_from_the_lake(
    workers: Workers, database: Database, lake_s3: Lake, tmp_path: Path
) -> None:
    workers.start()
    await workers.answering()
    simulated = asyncio.create_task(
        simulate(workers.environ, *PLAYS, *FAULTS, *CLOCK, *SETTLE, "--truth", str(tmp_path / "truth.json"))
    )
    for _ in range(KILLS):
        await asyncio.sleep(secrets.randbelow(10_000) / 1000)
        workers.kill()
        workers.start()
    code, said = await simulated
    assert code == 0, said
    truth = orjson.loads((tmp_path / "truth.json").read_bytes())
    await published(database, truth)

    late = workers.charts(
        *("replay", "--from", "2026-11-20T00:00:00Z", "--to", "2026-11-23T00:00:00Z", "--include-late")
    )
    assert late.returncode == 0, late.stdout + late.stderr
    await weeks_counted(database)
    audit = workers.charts("audit")
    assert (audit.returncode, audit.stdout[:6]) == (0, "equal:"), audit.stdout + audit.stderr
    week = workers.charts("audit", "--window", "week", "--at", "2026-11-21T00:00:00Z")
    assert week.returncode == 0, week.stdout + week.stderr
    weeks = await database.fetch(
        "SELECT region, status, reason FROM chart_snapshots WHERE window_kind = 'week' AND revision = 0"
    )
    assert {row["region"] for row in weeks} == set(truth["charts"])
    assert {tuple(row)[1:] for row in weeks} == {("final", "counted from the lake")}
    plays = curated_plays(lake_s3)
    in_time, late_ones = duckdb.from_arrow(plays).aggregate("late, count(*)").order("late").fetchall()
    assert in_time == (False, truth["ledger"]["counted"])
    # Some of the late ones are too short, or repeat a play that counts.
    assert 0 < late_ones[1] <= truth["ledger"]["late"]
    for late_one in (False, True):
        rows = plays.filter(pc.equal(plays["late"], late_one))
        await has_a_receipt(workers, rows.slice(secrets.randbelow(len(rows)), 1).to_pylist()[0])

    await database.execute(
        "UPDATE chart_entries SET plays = plays + 1 "
        "WHERE rank = 2 AND region = 'global' AND window_kind = 'hour' AND starts_at = '2026-11-21T22:00:00Z'"
    )
    audit = workers.charts("audit", "--region", "global")
    assert audit.returncode == 1
    assert "rank 2" in audit.stdout
    replay = workers.charts(
        *("replay", "--from", "2026-11-21T22:00:00Z", "--to", "2026-11-21T23:00:00Z", "--reason", "repair")
    )
    assert "1 charts revised" in replay.stdout, replay.stdout + replay.stderr
    assert workers.charts("audit", "--region", "global").returncode == 0


async def published(database: Database, truth: dict[str, Any], deadline_s: float = DEADLINE_S) -> None:
    """Wait until every hour and day is final in the history, and every hour curated."""
    charts = sum(len(windows) for kinds in truth["charts"].values() for windows in kinds.values())
    hours = {start for kinds in truth["charts"].values() for start in kinds["hour"]}
    asked = (
        "SELECT (SELECT count(*) FROM chart_snapshots WHERE status = 'final' AND window_kind <> 'week'), "
        "(SELECT count(*) FROM lake_hours WHERE rows_out > 0)"
    )
    async with asyncio.timeout(deadline_s):
        while tuple(await database.fetchrow(asked) or ()) < (charts, len(hours)):
            await asyncio.sleep(0.5)


async def weeks_counted(database: Database) -> None:
    """Wait until the week is newer than its hours."""
    week = Window.at("week", parse_time("2026-11-21"))
    async with asyncio.timeout(DEADLINE_S):
        while week in await Jobs(database).stale_weeks():
            await asyncio.sleep(0.5)


async def has_a_receipt(workers: Workers, play: dict[str, Any]) -> None:
    """Past every worker's horizon the lake tells what became of a play, and where it counts."""
    asked = {"track_id": play["track_id"], "at": play["played_at"].isoformat()}
    async with ClientSession(workers.url) as session:
        async with session.get(f"/v1/plays/{play['play_id']}", params=asked) as answer:
            receipt = await answer.json()
            assert answer.status == 200, receipt
        async with session.get(
            f"/v1/plays/{play['play_id']}", params={**asked, "track_id": "none"}
        ) as answer:
            assert answer.status == 404, await answer.text()
    assert receipt["told_by"] == "lake"
    assert {name: receipt[name] for name in ("log", "partition", "offset")} == {
        name: play[name] for name in ("log", "partition", "offset")
    }
    assert receipt["verdict"] == ("late" if play["late"] else "counted")
    assert {window["region"] for window in receipt["windows"]} == {play["region"], "global"}
    assert len(receipt["windows"]) == 4


def curated_plays(lake: Lake) -> pa.Table:
    """Every curated play, read without any code of ours."""
    objects = S3FileSystem(
        access_key=lake.access_key,
        secret_key=lake.secret_key,
        endpoint_override=lake.endpoint.removeprefix("http://"),
        scheme="http",
        region="us-east-1",
    )
    where = f"{lake.url.removeprefix('s3://')}/plays"
    return dataset(where, filesystem=objects, partitioning="hive").to_table()
