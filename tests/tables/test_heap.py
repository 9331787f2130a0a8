"""What is freed in the middle of the heap goes back to the system; what nobody uses is not in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tables.heap import _LIBC

PROGRAM = """
import numpy as np
from tables.heap import confine, give_back

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

confine()
before = resident()
arrays = [np.ones(1 << 18) for _ in range(100)]
held = arrays[::10]
full = resident() - before
del arrays
freed = resident() - before
give_back()
print(full, freed, resident() - before)
assert held
"""


@pytest.mark.skipif(not hasattr(_LIBC, "malloc_trim"), reason="another allocator than glibc's")
def test_free_pages_between_others_are_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    full, freed, given_back = map(float, told.stdout.split())
    assert full > 190
    assert freed > 150, "without being told the allocator keeps them"
    assert given_back < 40


def test_arrow_works_without_pandas_until_asked_for_a_data_frame() -> None:
    program = """
import sys
import pyarrow as pa
from tables.heap import leave_out_pandas

leave_out_pandas()
pa.array([1]).to_numpy()
print("pandas" in sys.modules, len(pa.table({"a": [1]}).to_pandas()))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "1"]


def test_a_worker_has_no_pandas(tmp_path: Path) -> None:
    program = "import sys, faust_app, agents.count, agents.lake; print('pandas' in sys.modules)"
    # Its store makes folders.
    environ = {**os.environ, "CHARTS_DATA_DIR": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ
    )
    assert told.stdout.split() == ["False"]
