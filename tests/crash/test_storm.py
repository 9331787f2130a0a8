"""The count survives anything: a few rounds in every run of the tests, thirty and more in `make crash`.

`CRASH_SEED` repeats a storm: the same plays, and the same dice for what happens when.
"""

import asyncio
from pathlib import Path

import pytest

from tests.crash.conditions import Conditions, covering
from tests.crash.storm import Storm

#: What most often went wrong while this was built, two rounds on each of two logs.
SHORT = (
    (
        Conditions("batch", "kept", "one", "none", "calm", "no"),
        Conditions("random", "wiped", "one", "joins", "calm", "no"),
    ),
    (
        Conditions("random", "kept", "two", "none", "calm", "yes"),
        Conditions("changelog", "wiped", "one", "none", "calm", "no"),
    ),
)
#: Storms at the same time, each with servers of its own: most of a round is waiting.
LANES = 3


@pytest.mark.timeout(600)
async def test_a_few_crashes_change_no_count(tmp_path: Path, seed: int) -> None:
    async with asyncio.TaskGroup() as lanes:
        for number, rounds in enumerate(SHORT):
            lanes.create_task(storm(tmp_path / str(number), seed + number, rounds))


@pytest.mark.crash
@pytest.mark.timeout(1500)
async def test_no_pair_of_troubles_changes_a_count(tmp_path: Path, seed: int) -> None:
    rounds = covering(30, seed)
    async with asyncio.TaskGroup() as lanes:
        for number in range(LANES):
            lanes.create_task(storm(tmp_path / str(number), seed + number, rounds[number::LANES]))


async def storm(folder: Path, seed: int, rounds: tuple[Conditions, ...] | list[Conditions]) -> None:
    """Rounds on one log, each reckoned up; nothing of one is forgiven in the next."""
    async with Storm(folder, seed) as storm:
        for number, conditions in enumerate(rounds):
            wrong = await storm.round(conditions)
            story = "\n".join(wrong[:20])
            assert not wrong, f"seed {seed}, round {number}, {conditions}: {len(wrong)} wrong\n{story}"
