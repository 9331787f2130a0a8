"""Our own workers under the bench: started, watched from outside, asked over HTTP, read on disk.

The clock runs from the moment all partitions are open (nothing read yet) until the heads name every play:
by then the counts are acknowledged in the changelog, in RocksDB, and on the boards.
"""

import os
import secrets
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

import orjson
import rocksdict

from bench.changelog import changelog_bytes
from bench.contenders.told import now
from bench.dataset import DataSet
from bench.field import PYTHON, ROOT
from bench.usage import Watch
from charts.errors import ChartsError
from charts.tally import ALL, DAY, unpack
from charts.window import DAY_MS, HOUR_MS, rfc3339
from simulator.process import Process
from simulator.servers import free_ports
from tables.tally_keys import MARKER, META

_OPENED = b" loaded: offset"
_OFFSET_KEY = b"__faust\0offset__"
DEADLINE_S = 300.0
#: Asking costs the worker a millisecond or two; at this pace it does not show.
_LOOK_S = 0.1
#: Charts are asked for this deep.
_TOP = 100


class Wrong(ChartsError):
    """Raised when a contender's answer is not the truth, or it gave none."""


@dataclass(frozen=True, slots=True)
class Count:
    """How the counting went."""

    seconds: float
    cpu_s: float
    rss_max: int
    start_s: float


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
            "CHARTS_FLUSH_INTERVAL": "2",
            "CHARTS_KAFKA_URL": data.broker.url,
            "CHARTS_LOG_ID": self.log_id,
            "CHARTS_PARTITIONS": str(data.spec.partitions),
            "CHARTS_POSTGRES_URL": "",
            "CHARTS_PREFIX": f"{data.broker.mark}-",
            "CHARTS_PUBLIC_READ": "true",
            "CHARTS_RATE_READ": "0",
            "CHARTS_SESSION_TIMEOUT": "6",
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

    def rss(self) -> int:
        return sum(watch.rss[-1] for watch in self._watches if watch.rss)

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

    # -- what it says, and what it stored

    def ask(self, path: str) -> Any:
        """An answer, or nothing while there is none."""
        try:
            with urlopen(f"http://127.0.0.1:{self.ports[0]}{path}", timeout=30) as response:
                return orjson.loads(response.read())
        except (URLError, OSError):
            return None

    def compare_charts(self, since_hour: int = 0) -> int:
        """Every chart it serves now, in full order, with the truth; how many.

        Of a whole day the first hours are final and gone: `since_hour` (counted from 1970) is not.
        """
        charts = self._data.census.charts
        compared = 0
        for (region, kind, number), tracks in charts.items():
            if (number if kind == "hour" else number * 24 + 23) < since_hour:
                continue
            start = number * (HOUR_MS if kind == "hour" else DAY_MS)
            chart = self.ask(f"/v1/charts/{region}/{kind}?limit={_TOP}&at={rfc3339(start)}")
            if chart is None:
                raise Wrong(f"no chart for {region} {kind} {rfc3339(start)}")
            best = sorted(tracks.items(), key=lambda row: (-row[1], row[0]))[:_TOP]
            if [(entry["track_id"], entry["plays"]) for entry in chart["entries"]] != best:
                raise Wrong(f"the chart of {region} {kind} {rfc3339(start)} is not the truth's")
            if (chart["plays"], chart["tracks"]) != (tracks.total(), len(tracks)):
                raise Wrong(f"the totals of {region} {kind} {rfc3339(start)} are not the truth's")
            compared += 1
        return compared

    def compare_tallies(self) -> None:
        """Every count in RocksDB, day by day in all and hour by hour while not final, with the truth."""
        truth: Counter[tuple[int, int, bytes]] = Counter()
        days: Counter[tuple[int, int, bytes]] = Counter()
        for (region, hour, track), plays in self._data.census.cells.items():
            code, name = int.from_bytes(region.encode(), "big"), track.encode()
            for each in (code, ALL):
                truth[each, hour, name] += plays
                days[each, hour // 24, name] += plays
        hours_found: Counter[tuple[int, int, bytes]] = Counter()
        settled = 0
        for path in sorted((self._folder / "data").rglob("tally-*.db")):
            settled = max(settled, self._compare_folder(path, days, hours_found))
        open_days = sum(1 for _, day, _ in days if day >= settled // 24)
        if open_days:
            raise Wrong(f"{open_days:,} counts of a day are not in RocksDB")
        expected = {cell: plays for cell, plays in truth.items() if cell[1] >= settled}
        if {cell: plays for cell, plays in hours_found.items() if cell[1] >= settled} != expected:
            raise Wrong("counts of open hours in RocksDB are not the truth's")

    def _compare_folder(self, path: Path, days: Counter[Any], hours: Counter[Any]) -> int:
        """Take a folder's days off the truth and collect its hours; returns where final hours end."""
        options = rocksdict.Options(raw_mode=True)
        db = rocksdict.Rdict(str(path), options=options, access_type=rocksdict.AccessType.read_only())
        try:
            held = dict(db.items())
        finally:
            db.close()
        settled = orjson.loads(held.get(MARKER, b'{"settled": 0}'))["settled"]
        keys = [key for key in held if key < META and key != _OFFSET_KEY]
        _, cells = unpack([held[key] for key in keys])
        rows = zip(cells.key.tolist(), cells.code.tolist(), cells.plays.tolist(), strict=True)
        for row, code, plays in rows:
            day, track = int.from_bytes(keys[row][:2], "big"), keys[row][2:]
            if code & 0xFF == DAY:
                if days.pop((code >> 8, day, track), None) != plays:
                    raise Wrong(f"RocksDB counts {plays} for {track!r}, the truth does not")
            else:
                hours[code >> 8, day * 24 + (code & 0xFF), track] += plays
        return int(settled)

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
