"""Backlogs: what a worker that was away comes to is shown once it has read all, whatever the interval."""

from pathlib import Path

from simulator.preload import bench_world, preload
from tests.counting import counting

#: More than pends while nothing is behind.
PLAYS = 150_000
NEVER_S = "3600"


async def test_who_has_caught_up_flushes_at_once(kafka: str, tmp_path: Path, topic_name: str) -> None:
    log_id = topic_name.replace("-", "")[-20:]
    async with counting(kafka, tmp_path, log_id):
        pass
    await preload(kafka, f"song-plays-{log_id}", bench_world(PLAYS), PLAYS)
    async with counting(kafka, tmp_path, log_id, CHARTS_FLUSH_INTERVAL=NEVER_S) as worker:
        assert await worker.counted(PLAYS) == {"counted": PLAYS}
