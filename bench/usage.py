"""What a process and all its children use, read from /proc while they run."""

import os
import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

import numpy as np

from bench.contenders.told import now

#: Often enough to find a peak and to cut CPU time at a moment; a look costs well under a millisecond.
_LOOK_S = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
#: Fields of /proc/PID/stat, counted after the name.
_PARENT, _CPU, _RSS = 1, slice(11, 15), 21


@dataclass(slots=True)
class Watch:
    """Looks at a process and its descendants until told to stop."""

    pid: int
    moments: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def cpu_between(self, first: float, last: float) -> float:
        """CPU seconds between two moments."""
        start, end = np.interp([first, last], self.moments, self.cpu_s)
        return float(end - start)

    @property
    def rss_max(self) -> int:
        return max(self.rss, default=0)

    def rss_since(self, moment: float) -> float:
        """Bytes resident, on average from a moment until now."""
        first = bisect_left(self.moments, moment)
        return mean(self.rss[first:] or self.rss[-1:])

    def _run(self) -> None:
        while not self._stop.is_set():
            cpu, rss = used_by(self.pid)
            if rss:
                self.moments.append(now())
                # What a child used is its parent's once it is gone and waited for.
                self.cpu_s.append(max(cpu, self.cpu_s[-1] if self.cpu_s else 0.0))
                self.rss.append(rss)
            self._stop.wait(_LOOK_S)


def used_by(pid: int) -> tuple[float, int]:
    """CPU seconds so far and bytes resident now, descendants included."""
    cpu, rss = 0, 0
    for each in [pid, *_descendants(pid)]:
        fields = _stat(each)
        if fields:
            cpu += sum(map(int, fields[_CPU]))
            rss += int(fields[_RSS]) * _PAGE
    return cpu / _TICKS, rss


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
