"""Our own workers under the bench: started, watched from outside, asked over HTTP, read on disk.

The clock runs from the moment all partitions are open (nothing read yet) until the heads name every play:
by then the counts are acknowledged in the changelog, in RocksDB, and on the boards.
"""

import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

import orjson

from bench.changelog import changelog_bytes
from bench.comparing import Wrong, compare_charts, compare_tallies
from bench.contenders.told import now
from bench.dataset import DataSet
from bench.field import PYTHON, ROOT
from bench.usage import Watch
from simulator.process import Process
from simulator.servers import free_ports

_OPENED = b" loaded: offset"
DEADLINE_S = 300.0
#: Unless an axis of the scaling is this.
FLUSH_INTERVAL_S = "2"
SESSION_TIMEOUT_S = 6
#: Asking costs the worker a millisecond or two; at this pace it does not show.
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Count:
    """How the counting went."""

    seconds: float
    cpu_s: float
    rss_max: int
    start_s: float
    #: What a partition's flush writes: a key for each track it touched, and a few beside.
    values_per_flush: int


class Workers:
    """Some workers on a log id of their own."""

    def __init__(self, data: DataSet, folder: Path, environ: dict[str, str], workers: int = 1) -> None:
        self._data, self._folder = data, folder
        self.ports = free_ports(workers)
        self.log_id = secrets.token_hex(4)
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CHARTS_")},
            "PYTHONPATH": str(ROOT),
            "BENCH_TOPIC": data.topic,
            "CHARTS_BROKER": data.broker.setting,
            "CHARTS_CLOCK": "log",
            "CHARTS_DATA_DIR": str(folder / "data"),
            "CHARTS_FLUSH_INTERVAL": FLUSH_INTERVAL_S,
            "CHARTS_KAFKA_URL": data.broker.url,
            "CHARTS_LOG_ID": self.log_id,
            "CHARTS_PARTITIONS": str(data.spec.partitions),
            "CHARTS_POSTGRES_URL": "",
            "CHARTS_PREFIX": f"{data.broker.mark}-",
            "CHARTS_PUBLIC_READ": "true",
            "CHARTS_RATE_READ": "0",
            "CHARTS_SESSION_TIMEOUT": str(SESSION_TIMEOUT_S),
            **environ,
        }
        self._processes: list[Process] = []
        self._watches: list[Watch] = []
        self._began = 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._began = now()
        for number, port in enumerate(self.ports):
            environ = {**self._environ, "CHARTS_WEB_PORT": str(port)}
            log = self._folder / f"worker-{number}-{len(list(self._folder.glob('*.log')))}.log"
            command = [PYTHON, "-m", "bench.contenders.ours"]
            self._processes.append(Process("our worker", command, log, environ=environ, folder=ROOT).start())
        self._watches = [Watch(process.pid) for process in self._processes]
        for watch in self._watches:
            watch.__enter__()

    def stop(self) -> None:
        for watch in self._watches:
            watch.__exit__()
        for process in self._processes:
            process.stop()
        self._processes, self._watches = [], []

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def opened(self) -> float:
        """The moment all partitions are open, as the workers' logs say."""
        self._until(
            lambda: self._opened_partitions() >= self._data.spec.partitions, "its partitions are not open"
        )
        return now()

    def _opened_partitions(self) -> int:
        return sum(process.log.read_bytes().count(_OPENED) for process in self._processes)

    def counted(self, plays: int | None = None) -> Count:
        """Wait until every play is counted."""
        wanted = self._data.spec.plays if plays is None else plays
        first = self.opened()
        last = self.until_counted(wanted)
        verdicts = {verdict: count for verdict, count in self.ask("/v1/ledger")["verdicts"].items() if count}
        if verdicts != {"counted": wanted}:
            raise Wrong(f"the ledger says {verdicts}, not {wanted} counted")
        return Count(
            last - first,
            self.cpu_between(first, last),
            sum(watch.rss_max for watch in self._watches),
            first - self._began,
            round(
                self._metric("livecharts_flushed_values_total")
                # Nothing was left to flush where all had been counted before.
                / max(1.0, self._metric("livecharts_flush_seconds_count"))
            ),
        )

    def until_counted(self, plays: int) -> float:
        """The moment so many plays are counted."""
        self._until(lambda: self.records() >= plays, "not all plays were counted")
        return now()

    def records(self) -> int:
        """How many records have a verdict."""
        ledger = self.ask("/v1/ledger")
        return ledger["records"] if ledger else 0

    def cpu_between(self, first: float, last: float) -> float:
        """CPU seconds of all workers between two moments."""
        return sum(watch.cpu_between(first, last) for watch in self._watches)

    def rss_since(self, moment: float) -> float:
        """Bytes resident, on average."""
        return sum(watch.rss_since(moment) for watch in self._watches)

    def recovered(self) -> float:
        """Kill the worker, take its folder away, start it again: how long until its partitions are open."""
        for process in self._processes:
            process.stop(0)
        self.stop()
        shutil.rmtree(self._folder / "data")
        self.start()
        opened = self.opened()
        took = opened - self._began
        self._until(lambda: self.records() >= self._data.spec.plays, "recovery lost plays")
        return took

    def _metric(self, name: str) -> float:
        """One of /metrics, summed over all workers."""
        lines: list[str] = []
        for port in self.ports:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
                lines += response.read().decode().splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    # -- what it says, and what it stored

    def ask(self, path: str) -> Any:
        """An answer, or nothing while there is none."""
        try:
            with urlopen(f"http://127.0.0.1:{self.ports[0]}{path}", timeout=30) as response:
                return orjson.loads(response.read())
        except (URLError, OSError):
            return None

    def compare_charts(self, since_hour: int = 0) -> int:
        """Every chart it serves now with the truth; how many."""
        return compare_charts(self._data.census, self.ask, since_hour)

    def compare_tallies(self) -> None:
        """Every count in RocksDB with the truth; the workers have stopped."""
        compare_tallies(self._data.census, self._folder / "data")

    def changelog_bytes(self) -> int:
        """What the changelog of this run weighs."""
        return changelog_bytes(self._data.broker, self.log_id)

    def _until(self, fact: Any, otherwise: str) -> None:
        deadline = now() + DEADLINE_S
        while not fact():
            for process in self._processes:
                if not process.alive:
                    raise Wrong(f"our worker ended: {process.last_words()}")
            if now() > deadline:
                raise Wrong(f"{otherwise} after {DEADLINE_S:.0f} s")
            time.sleep(_LOOK_S)
