"""The benches of the other parts, run as they are; what they print becomes a section of the report."""

import subprocess
from collections.abc import Callable
from typing import Any

import orjson

from bench.comparing import Wrong
from bench.field import PYTHON, ROOT

SECTIONS = ("http", "history")
_TIMEOUT_S = 1800


def measure(section: str, say: Callable[[str], None]) -> Any:
    """Its figures: one JSON document, or one per line."""
    command = [PYTHON, "-m", f"bench.{section}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise Wrong(f"bench.{section} failed: {last}")
    say(f"{section}: measured")
    return _read(done.stdout)


def _read(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return [orjson.loads(line) for line in text.splitlines() if line.startswith(b"{")]
