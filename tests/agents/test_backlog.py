"""Backlogs: what a worker that was away comes to is shown once it has read all, whatever the interval."""

from pathlib import Path

import pytest

from simulator.preload import bench_world, preload
from tests.counting import counting

#: More than pends while nothing is behind.
PLAYS = 230_000
NEVER_S = "3600"


@pytest.mark.parametrize("flush_rows", ["750000", "100000"], ids=["in one flush", "in several"])
async def test_who_has_caught_up_flushes_at_once(
    kafka: str, tmp_path: Path, topic_name: str, flush_rows: str
) -> None:
    log_id = topic_name.replace("-", "")[-20:]
    async with counting(kafka, tmp_path, log_id):
        pass
    await preload(kafka, f"song-plays-{log_id}", bench_world(PLAYS), PLAYS)
    settings = {"CHARTS_FLUSH_INTERVAL": NEVER_S, "CHARTS_FLUSH_ROWS": flush_rows}
    async with counting(kafka, tmp_path, log_id, **settings) as worker:
        assert await worker.counted(PLAYS) == {"counted": PLAYS}
