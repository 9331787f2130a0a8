"""Machine code is kept where it can be, made again when what is in it changed, and never stops a start."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numba.core import caching, config

STEPS = """
import numpy as np
from charts.compiled import compiled
STEP, STEPS = 1, np.array([10, 20])

@compiled()
def step(number):
    return number + STEP
"""
WALK = """
from steps import STEPS, step
from charts.compiled import INTS, INTS_OUT, compiled

@compiled(INTS, INTS_OUT)
def walk(numbers, walked):
    for row in range(len(numbers)):
        walked[row] = step(numbers[row]) + STEPS[row]
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two modules, of which one compiles in what the other has, and a folder for what is compiled."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "kept"))
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "walk.py").write_text(WALK)
    return tmp_path


def start() -> ModuleType:
    """The modules as a new process imports them."""
    importlib.invalidate_caches()
    for name in ("steps", "walk"):
        sys.modules.pop(name, None)
    return importlib.import_module("walk")


def walked(module: ModuleType) -> list[int]:
    to = np.zeros(2, np.int64)
    module.walk(np.array([1, 2]), to)
    return to.tolist()


def was_kept(module: ModuleType) -> bool:
    return bool(module.walk.stats.cache_hits)


def test_what_is_compiled_is_kept(sources: Path) -> None:
    assert [(walked(module), was_kept(module)) for module in (start(), start())] == [
        ([12, 23], False),
        ([12, 23], True),
    ]


@pytest.mark.parametrize(
    ("said", "now", "becomes"),
    [
        ("number + STEP", "number - STEP", [10, 21]),
        ("STEP, STEPS = 1", "STEP, STEPS = 5", [16, 27]),
        ("[10, 20]", "[10, 30]", [12, 33]),
    ],
)
def test_what_is_compiled_in_may_change(sources: Path, said: str, now: str, becomes: list[int]) -> None:
    """A new release on an old volume, say: its constants and helpers are of other modules."""
    start()
    (sources / "steps.py").write_text(STEPS.replace(said, now))
    assert walked(start()) == becomes


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_what_is_torn_is_not_used(sources: Path, kind: str) -> None:
    start()
    (torn,) = (sources / "kept").rglob(f"*.{kind}")
    for octets in (torn.read_bytes()[:-100], b"", b"no pickle"):
        torn.write_bytes(octets)
        assert walked(start()) == [12, 23]


def test_a_full_disk_is_no_reason_not_to_start(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", save)
    assert walked(start()) == [12, 23]


def test_nowhere_to_keep_it_is_no_reason_not_to_start(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = sources / "__pycache__"
    file.touch()
    for folder in ("", str(file / "kept")):
        monkeypatch.setattr(config, "CACHE_DIR", folder)
        monkeypatch.setenv("XDG_CACHE_HOME", str(file))
        monkeypatch.setenv("HOME", str(file))
        assert [was_kept(start()) for _ in range(2)] == [False, False]
        assert walked(start()) == [12, 23]


def test_who_installs_compiles_all_there_is() -> None:
    """Else the first worker on a machine starts seconds later, and its neighbours with it."""
    found = re.search(r'python -c "(import .*)"', Path(".ci/install").read_text())
    assert found is not None
    said = subprocess.check_output([sys.executable, "-c", f"{found[1]}, sys; print(*sys.modules)"], text=True)
    sources = [
        path for package in ("charts", "agents", "tables", "web") for path in Path(package).glob("*.py")
    ]
    compiling = {".".join(path.with_suffix("").parts) for path in sources if "@compiled(" in path.read_text()}
    assert len(compiling) > 5
    assert compiling <= {*said.split()}
