"""A damaged folder: a clear stop or a rebuild from the changelog, and every count right in the end."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.storm import PARTITIONS, REST_S, Storm, eventually
from tests.crash.worker import Worker

#: What a worker says, and ends with, when its local state fails it.
BROKEN_STORE = 6
#: A start finds the damage of one partition at a time.
STARTS = PARTITIONS + 1
#: Within the first block of an SST file.
_TALLIES = 1_000


def flip(path: Path, pattern: str, dice: random.Random) -> None:
    """Turn over some bytes of a file, anywhere but at its very end, where a crash leaves things half."""
    file = dice.choice(sorted(path.glob(pattern)))
    content = bytearray(file.read_bytes())
    start = dice.randrange(max(1, len(content) * 9 // 10 - 32))
    content[start : start + 32] = bytes(byte ^ 0xFF for byte in content[start : start + 32])
    file.write_bytes(content)


def remove(path: Path, pattern: str, dice: random.Random) -> None:
    dice.choice(sorted(path.glob(pattern))).unlink()


Damage = Callable[[Path, str, random.Random], None]
#: One for each partition, round after round.
DAMAGES: list[list[tuple[Damage, str]]] = [
    [(flip, "*.sst"), (remove, "CURRENT"), (remove, "*.sst")],
    [(flip, "MANIFEST-*"), (flip, "*.log"), (remove, "MANIFEST-*")],
]


@pytest.mark.kafka
@pytest.mark.timeout(600)
async def test_a_damaged_folder_changes_no_count(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    async with Storm(tmp_path, seed) as storm:
        worker = storm.workers[0]
        for damages in DAMAGES:
            await _count_on(storm, worker)
            # What was written since the last start lies in a log; a start makes files of it.
            await _count_on(storm, worker)
            for number, (damage, pattern) in enumerate(damages):
                [folder] = worker.settings.worker_dir.rglob(f"tally-{number}.db")
                damage(folder, pattern, dice)
            ended = await _count_on(storm, worker)
            wrong = await storm.reckon()
            assert not wrong, f"seed {seed}: {wrong[:10]}"
            assert set(ended) <= {BROKEN_STORE}, f"seed {seed}: {worker.process.last_words()}"
        said = worker.log.read_text()
        assert said.count("rebuilt from the changelog") >= 4
        assert "Traceback" not in said


@pytest.mark.kafka
@pytest.mark.timeout(600)
async def test_damage_that_a_recovery_meets_ends_the_worker(tmp_path: Path, seed: int) -> None:
    """To Faust it is a line in the log: the worker would stay in the group, and count nothing any more."""
    async with Storm(tmp_path, seed) as storm:
        worker = storm.workers[0]
        for _ in range(2):
            await _count_on(storm, worker)
        await storm.send(20)
        worker.start(CHARTS_CRASH_POINTS="changelog:1.0")
        await eventually(lambda: not worker.process.alive, "the changelog is ahead of the folder")
        for file in worker.settings.worker_dir.rglob("tally-*.db/*.sst"):
            _spoil_values(file)
        ended = await _count_on(storm, worker)
        assert set(ended) == {BROKEN_STORE}, f"seed {seed}: {worker.process.last_words()}"
        wrong = await storm.reckon()
        assert not wrong, f"seed {seed}: {wrong[:10]}"


def _spoil_values(file: Path) -> None:
    """Spoil the first tallies of a file: it opens, and says which offset it claims."""
    content = bytearray(file.read_bytes())
    content[:_TALLIES] = bytes(byte ^ 0xFF for byte in content[:_TALLIES])
    file.write_bytes(content)


async def _count_on(storm: Storm, worker: Worker) -> list[int]:
    """Plays, a worker that is started again when it stops, rest, and its end; how it ended before that."""
    await storm.send(5)
    ended: list[int] = []
    for _ in range(STARTS):
        worker.start()
        async with asyncio.timeout(REST_S):
            while worker.process.alive and await storm.behind():
                await asyncio.sleep(0.1)
        if worker.process.alive:
            break
        ended.append(worker.process.exit_code or 0)
    assert not await storm.rest()
    assert not await storm.stop_all()
    return ended
