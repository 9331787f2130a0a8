"""From the simulator to the chart: every count a worker answers is the truth's."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from tests.counting import Counting, counting
from tests.simulator.running import simulate

PLAIN = ["--total", "20000", "--seed", "7", "--rate", "4", "--start", "2026-11-21T22:30:00Z"]
FAULTS = [
    "--duplicates",
    "0.05",
    "--late",
    "0.04",
    "--early",
    "0.03",
    "--short",
    "0.03",
    "--malformed",
    "0.02",
]


@pytest.fixture
async def worker(kafka: str, database_url: str, tmp_path: Path) -> AsyncIterator[Counting]:
    settings = {
        "CHARTS_PARTITIONS": "3",
        "CHARTS_POSTGRES_URL": database_url,
        "CHARTS_TOP_N": "1000",
    }
    async with counting(kafka, tmp_path, secrets.token_hex(4), **settings) as worker:
        yield worker


@pytest.mark.parametrize("faults", [[], FAULTS], ids=["plain", "faulty"])
async def test_every_chart_is_the_truths(worker: Counting, faults: list[str], tmp_path: Path) -> None:
    options = [*PLAIN, "--burst", "--clock", "--tracks", "900", "--regions", "6", *faults]
    code, said = await simulate(worker.environ, *options, "--truth", str(tmp_path / "truth.json"))
    assert code == 0, said
    truth = orjson.loads((tmp_path / "truth.json").read_bytes())

    assert await worker.counted(sum(truth["ledger"].values())) == truth["ledger"]
    assert sum(await worker.shows(truth)) == 4 * truth["ledger"]["counted"]
