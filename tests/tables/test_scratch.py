"""Scratch: a worker that is killed in the middle of an hour leaves nothing for ever."""

import tempfile
from pathlib import Path

import pytest

from tables import scratch


def test_what_a_killed_worker_left_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    folder = tmp_path / "worker" / "scratch"
    scratch.begin(folder)
    left = Path(tempfile.mkdtemp(prefix="charts-"))
    (left / "plays").write_bytes(b"x" * 100)
    assert left.parent == folder
    scratch.begin(folder)
    assert list(folder.iterdir()) == []
