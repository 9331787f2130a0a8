"""A full disk: a clear stop that leaves the folder as it was, and no count wrong once there is room."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.storm import REST_S, Storm, eventually

#: Three partitions' logs, files and manifests, and some room to be filled.
DISK = "160m"
BAD_SETTING, BROKEN_STORE = 2, 6


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own for the folder; skips where none can be mounted."""
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("a disk can only be full where a small one can be mounted: that takes root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


#: Enough to start with, not for long: RocksDB takes its logs' room in advance where there is some.
LEFT_BYTES = 8 << 20


def fill(path: Path) -> None:
    """Take what room there is, but for a little."""
    room = os.statvfs(path.parent)
    path.write_bytes(bytes(room.f_bavail * room.f_frsize - LEFT_BYTES))


@pytest.mark.kafka
@pytest.mark.timeout(600)
async def test_a_full_disk_stops_the_worker_and_changes_no_count(tmp_path: Path, seed: int) -> None:
    with small_disk(tmp_path / "data"):
        filler = tmp_path / "data" / "filler"
        async with Storm(tmp_path, seed) as storm:
            worker = storm.workers[0]
            await storm.send(5)
            worker.start()
            assert not await storm.rest()
            assert not await storm.stop_all()
            await asyncio.to_thread(fill, filler)
            worker.start()
            async with storm.streaming(chunks=8):
                await eventually(lambda: not worker.process.alive, "the worker stops", REST_S)
            assert worker.process.exit_code == BROKEN_STORE, worker.process.last_words()
            assert "No space left on device" in worker.process.last_words()
            assert worker.process.last_words().startswith("charts: ")
            worker.start()
            await eventually(lambda: not worker.process.alive, "a start without room ends", REST_S)
            assert worker.process.exit_code == BAD_SETTING
            assert "cannot be written: No space left on device" in worker.process.last_words()
            filler.unlink()
            worker.start()
            assert not await storm.rest()
            assert not await storm.stop_all()
            wrong = await storm.reckon()
            assert not wrong, f"seed {seed}: {wrong[:10]}"
            assert "Traceback" not in worker.log.read_text()
