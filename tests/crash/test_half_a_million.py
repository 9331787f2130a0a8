"""Half a million plays, faults among them, the worker killed in the middle: the counts are the truth's."""

import asyncio
import secrets
import signal
from pathlib import Path

import orjson
import pytest

from tests.counting import counting
from tests.simulator.running import simulate

PLAYS = 500_000
OPTIONS = (
    f"--total {PLAYS} --seed 11 --rate 100 --start 2026-11-20T10:10:00Z --burst --clock "
    "--tracks 900 --regions 20"
)
FAULTS = "--duplicates 0.05 --late 0.03 --short 0.03 --malformed 0.02"
KILLED_AT = 150_000


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_a_killed_worker_counts_them_all(kafka: str, tmp_path: Path) -> None:
    log_id, truth_file = secrets.token_hex(4), tmp_path / "truth.json"
    settings = {"CHARTS_PARTITIONS": "4", "CHARTS_TOP_N": "1000"}
    async with counting(kafka, tmp_path, log_id, **settings) as worker:
        sending = asyncio.create_task(
            simulate(worker.environ, *OPTIONS.split(), *FAULTS.split(), "--truth", str(truth_file))
        )
        await worker.counted(KILLED_AT)
        worker.process.signal(signal.SIGKILL)
        code, said = await sending
        assert code == 0, said
    truth = orjson.loads(truth_file.read_bytes())
    async with counting(kafka, tmp_path, log_id, **settings) as worker:
        assert await worker.counted(sum(truth["ledger"].values())) == truth["ledger"]
        assert len(await worker.shows(truth)) > 60
