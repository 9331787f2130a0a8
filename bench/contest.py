"""One run of one contender: started, watched, stopped, and compared with the truth."""

import json
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bench.changelog import changelog_bytes
from bench.comparing import Wrong
from bench.contenders.told import now
from bench.dataset import DataSet
from bench.field import OURS, OURS_UNCHECKED, ROOT, Contender
from bench.ours import Workers
from bench.usage import Watch
from simulator.process import Process

#: A contender that needs longer is not measured.
DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True)
class Result:
    """What one run showed."""

    name: str
    plays: int
    seconds: float
    cpu_s: float
    rss_max: int
    #: From the start of the process until the first play was at hand, or the partitions were open.
    start_s: float
    #: Bytes in the changelog, where that is known.
    changelog_bytes: int | None = None
    #: From the start of a worker without local state until it could go on.
    recovery_s: float | None = None
    #: CPU seconds per million plays once half of them were done: what a JVM needs when it is warm.
    warm_cpu_s_per_million: float | None = None

    @property
    def rate(self) -> float:
        return self.plays / self.seconds


def run(contender: Contender, data: DataSet, folder: Path, *, recover: bool = False) -> Result:
    """Run it once; raises Wrong when its answer is not believed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if contender.name in (OURS, OURS_UNCHECKED):
        return _run_ours(contender, data, folder, recover)
    name = f"{data.broker.mark}-{secrets.token_hex(4)}"
    environ = _environ(contender, data, folder, name)
    process = Process(contender.name, contender.command(), folder / "log", environ=environ, folder=ROOT)
    began = now()
    process.start()
    try:
        with Watch(process.pid) as watch:
            moments = _answer(process, folder)
    finally:
        process.stop()
    if contender.counts:
        _compare(folder / "counts.tsv", data)
    first, last = moments["first"], moments["last"]
    warm = None
    if (rest := data.spec.plays - int(moments.get("half_plays", data.spec.plays))) > 0:
        warm = watch.cpu_between(moments["half"], last) / rest * 1e6
    return Result(
        contender.name,
        data.spec.plays,
        last - first,
        watch.cpu_between(first, last),
        watch.rss_max,
        first - began,
        changelog_bytes(data.broker, name),
        warm_cpu_s_per_million=warm,
    )


def _environ(contender: Contender, data: DataSet, folder: Path, name: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("CHARTS_")},
        **contender.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "BENCH_KAFKA": data.broker.url,
        "BENCH_BROKER": data.broker.setting,
        "BENCH_TOPIC": data.topic,
        "BENCH_PLAYS": str(data.spec.plays),
        "BENCH_PARTITIONS": str(data.spec.partitions),
        "BENCH_FOLDER": str(folder),
        # A group, and a changelog, that nobody used before.
        "BENCH_NAME": name,
    }


def _answer(process: Process, folder: Path) -> dict[str, float]:
    """The moments it tells of, once it has written its answer."""
    deadline = now() + DEADLINE_S
    result = folder / "result.json"
    while not result.exists():
        if not process.alive and not result.exists():
            raise Wrong(f"ended without an answer: {process.last_words()}")
        if now() > deadline:
            raise Wrong(f"no answer within {DEADLINE_S:.0f} s: {process.last_words()}")
        time.sleep(0.05)
    moments: dict[str, float] = json.loads(result.read_bytes())
    return moments


def _compare(path: Path, data: DataSet) -> None:
    """Every cell, both ways."""
    cells = {}
    with path.open() as file:
        for line in file:
            region, hour, track, plays = line.rstrip("\n").split("\t")
            cells[region, int(hour), track] = int(plays)
    if cells != data.census.cells:
        wrong = sum(1 for cell, plays in data.census.cells.items() if cells.get(cell) != plays)
        raise Wrong(f"{wrong:,} of {len(data.census.cells):,} cells differ from the truth")


def _run_ours(contender: Contender, data: DataSet, folder: Path, recover: bool) -> Result:
    """Ours, watched from outside: from the moment its partitions are open until its heads name every play."""
    with Workers(data, folder, contender.environ) as workers:
        count = workers.counted()
        workers.compare_charts()
        changelog = workers.changelog_bytes()
        recovery_s = workers.recovered() if recover else None
    workers.compare_tallies()
    return Result(
        contender.name,
        data.spec.plays,
        count.seconds,
        count.cpu_s,
        count.rss_max,
        count.start_s,
        changelog,
        recovery_s,
    )
