"""The soak: half an hour of plays on Apache Kafka, and every minute somebody is killed. `make soak`.

Event time runs sixty times as fast, so that hours and days close under load. Legal at the end: every chart
in the history was the simulator's truth before late plays revised it, the audit counts the same from the
lake, every record has a verdict, and the worker that was never killed answered all the time and has not
grown. What it found becomes docs/soak.md.

    SOAK_MINUTES=30   SOAK_RATE=10000   SOAK_SEED repeats one
"""

import asyncio
import contextlib
import logging
import os
import random
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

import orjson
import pytest
from aiohttp import ClientError, ClientSession

from simulator.process import Process
from simulator.servers import free_ports
from tables.archive import Archive
from tables.postgres import Database
from tables.rows import moment
from tests.agents.test_two_days import charts_of
from tests.brokers import ENVIRON, on_apache
from tests.lake.test_proof import published
from tests.soak.report import PAGE, Soak, Weights

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
RATE = int(os.environ.get("SOAK_RATE", "10000"))
SPEED = 60
PARTITIONS = 4
KILL_EVERY_S, DOWN_S = 60.0, 3.0
SAMPLE_S = 5.0
#: Five processes that start at once on two cores.
START_S = 120
#: Hours of event time until as many hours and days are open as ever are, and ids are forgotten as they come.
WARM_S = 9 * 3600 / SPEED
#: What the survivor may weigh at the end, by what it weighed when warm.
GROWN_MAX = 1.15
#: After the last play: hours close, are written and curated.
CLOSED_S = 300.0
COMMAND_S = 600


class Member:
    """A worker that comes back after every kill."""

    def __init__(self, name: str, app: str, environ: dict[str, str], folder: Path) -> None:
        self.name = name
        self.data = folder / name
        self._environ = {
            **environ,
            "CHARTS_INSTANCE": name,
            "CHARTS_DATA_DIR": str(self.data),
            "CHARTS_WEB_PORT": str(*free_ports(1)),
        }
        self._command = [sys.executable, "-m", "faust", "-A", app, "worker"]
        self._log = folder / f"{name}.log"
        self.url = f"http://127.0.0.1:{self._environ['CHARTS_WEB_PORT']}"
        self.process = self.start()

    def start(self) -> Process:
        self.process = Process(
            self.name, self._command, self._log, environ=self._environ, folder=ROOT
        ).start()
        return self.process

    async def die(self, wiped: bool) -> None:
        assert self.process.alive, f"{self.name} died: {self.process.last_words()}"
        self.process.signal(signal.SIGKILL)
        self.process.stop()
        if wiped:
            shutil.rmtree(self.data)
        await asyncio.sleep(DOWN_S)
        self.start()

    def rss_mb(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@on_apache
@pytest.mark.soak
@pytest.mark.timeout(int(MINUTES * 60) + 900)
async def test_nothing_grows_and_nothing_is_lost(
    kafka: str, database: Database, database_url: str, tmp_path: Path
) -> None:
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(10**6))
    dice = random.Random(seed)
    environ = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        **ENVIRON,
        "CHARTS_SESSION_TIMEOUT": "20",
        "CHARTS_CLOCK": "log",
        "CHARTS_KAFKA_URL": kafka,
        "CHARTS_POSTGRES_URL": database_url,
        "CHARTS_LAKE_URL": f"file://{tmp_path}/store",
        "CHARTS_LOG_ID": f"soak{seed}",
        "CHARTS_PARTITIONS": str(PARTITIONS),
        "CHARTS_PUBLIC_READ": "true",
        "CHARTS_RATE_READ": "0",
    }
    log.info("seed %d, %.0f minutes at %d plays/s", seed, MINUTES, RATE)
    survivor, *mortals = [Member(name, "faust_app", environ, tmp_path) for name in "abc"]
    mortals.append(Member("lake", "faust_app:lake", environ, tmp_path))
    simulator = _simulator(environ, tmp_path, seed)
    try:
        await _answers(survivor)
        simulator.start()
        async with asyncio.TaskGroup() as during:
            weighing = during.create_task(_weigh(survivor, simulator))
            killing = during.create_task(_kill(mortals, simulator, dice))
        weights, (kills, seconds) = weighing.result(), killing.result()
        assert simulator.exit_code == 0, simulator.last_words()
        ended = time.monotonic()
        truth = orjson.loads((tmp_path / "truth.json").read_bytes())
        await published(database, truth, CLOSED_S)
        closed_s = time.monotonic() - ended
        charts = await _expect(database, truth)
        assert await _ledger(survivor, truth) == truth["ledger"]
        audit, _ = await _charts(environ, tmp_path, "audit")
        curated, cpu_s = await _charts(environ, tmp_path, "curate", "--hour", _fullest(truth))
    finally:
        for process in (simulator, *(member.process for member in (survivor, *mortals))):
            process.stop()
    curating = f"{cpu_s:.1f} CPU seconds, those of its start among them: {curated}"
    soak = Soak(
        seed, RATE, SPEED, seconds, kills, truth["ledger"], charts, audit, curating, closed_s, weights
    )
    log.info("%s\n%s", PAGE.name, soak.page())
    if judged := weights.judged():
        warm, last = judged
        assert last < GROWN_MAX * warm, f"seed {seed}: {warm:.0f} MB became {last:.0f} MB"
    PAGE.write_text(soak.page())


def _simulator(environ: dict[str, str], folder: Path, seed: int) -> Process:
    words = [
        *("--rate", str(RATE), "--speed", str(SPEED), "--total", str(int(RATE * MINUTES * 60))),
        *("--start", "2026-03-02T18:00:00Z", "--regions", "20", "--seed", str(seed), "--clock"),
        *("--settle", str(40 * 3600), "--quiet", "--truth", str(folder / "truth.json")),
        *("--duplicates", "0.02", "--late", "0.01", "--early", "0.005", "--short", "0.05"),
        *("--malformed", "0.005", "--partitions", str(PARTITIONS)),
    ]
    command = [sys.executable, "-m", "simulator", *words]
    return Process("simulator", command, folder / "simulate.log", environ=environ, folder=ROOT)


async def _answers(member: Member) -> None:
    """Wait until charts can be read from it."""
    async with asyncio.timeout(START_S), ClientSession(member.url) as session:
        while True:
            with contextlib.suppress(ClientError):
                async with session.get("/ready") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.2)


async def _kill(
    mortals: list[Member], simulator: Process, dice: random.Random
) -> tuple[list[tuple[str, bool]], float]:
    """Kill somebody every minute until the plays end; who died, and how long it took."""
    began = time.monotonic()
    kills, due = [], began + KILL_EVERY_S
    while simulator.alive:
        await asyncio.sleep(0.2)
        if time.monotonic() >= due:
            mortal, wiped = dice.choice(mortals), dice.random() < 0.25
            log.info("kill %d: %s%s", len(kills), mortal.name, ", its folder too" if wiped else "")
            await mortal.die(wiped)
            kills.append((mortal.name, wiped))
            due += KILL_EVERY_S
    return kills, time.monotonic() - began


async def _weigh(survivor: Member, simulator: Process) -> Weights:
    """What the survivor weighs while plays come in, and whether it answers all the time."""
    began, weights = time.monotonic(), Weights(WARM_S)
    async with ClientSession(survivor.url) as session:
        while simulator.alive:
            await asyncio.sleep(SAMPLE_S)
            weights.mb.append((time.monotonic() - began, survivor.rss_mb()))
            async with session.get("/v1/partitions") as response:
                told = await response.json()
                assert response.status == 200, told
            weights.oldest_s = max(weights.oldest_s, (told["freshness_ms"] or 0) / 1000)
    return weights


async def _charts(environ: dict[str, str], folder: Path, *words: str) -> tuple[str, float]:
    """What an operator's command says in the end, and the CPU seconds it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "cli", *words]
    process = Process(words[0], command, folder / f"{words[0]}.log", environ=environ, folder=ROOT).start()
    gone = await asyncio.to_thread(process.gone, COMMAND_S)
    assert gone and process.exit_code == 0, process.last_words()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process.last_words(), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _fullest(truth: dict) -> str:
    """The hour with the most plays."""
    hours = truth["charts"]["global"]["hour"]
    return max(hours, key=lambda start: hours[start]["plays"])


_TAKEN = """
SELECT taken_at FROM chart_snapshots
WHERE region = $1 AND window_kind = $2 AND starts_at = $3 AND source = 'livecharts' AND revision = 0"""


async def _expect(database: Database, truth: dict) -> int:
    """Every chart there must be said what it must, before the lake took late plays into it; how many."""
    archive, charts = Archive(database), list(charts_of(truth, top_n=100))
    for place, plays, rows in charts:
        region, window = place
        key = (region, window.kind, moment(window.start))
        first = await database.fetchval(_TAKEN, *key)
        assert first is not None, place
        chart = await archive.chart(*place, as_of=int(first.timestamp() * 1000) + 1)
        assert chart is not None, place
        assert chart.plays == plays, place
        assert [(entry.rank, entry.track_id, entry.plays) for entry in chart.entries] == rows, place
    return len(charts)


async def _ledger(member: Member, truth: dict) -> dict[str, int]:
    """The verdicts, once there are as many as records were sent."""
    async with ClientSession(member.url) as session, asyncio.timeout(120):
        while True:
            try:
                async with session.get("/v1/ledger") as response:
                    ledger = await response.json()
            except ClientError:
                ledger = {}
            if sum(ledger.get("verdicts", {}).values()) >= sum(truth["ledger"].values()):
                return {name: count for name, count in ledger["verdicts"].items() if name in truth["ledger"]}
            await asyncio.sleep(0.5)
