"""The count survives anything: a few rounds in every run of the tests, thirty and more in `make crash`.

`CRASH_SEED` repeats a storm: the same plays, and the same dice for what happens when. `CRASH_ROUNDS` bounds
it; every two troubles meet in any case.
"""

import asyncio
import os
import traceback
from collections.abc import Sequence
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
#: Every two troubles meet in sixteen; the rest is chance.
ROUNDS = int(os.environ.get("CRASH_ROUNDS", "30"))
#: Rounds on one log: each reckons up all of it.
ROUNDS_A_LOG = 5
#: Storms at the same time, each with servers of its own: most of a round is waiting.
AT_ONCE = 3


@pytest.mark.kafka
@pytest.mark.timeout(1800)
async def test_a_few_crashes_change_no_count(tmp_path: Path, seed: int) -> None:
    await storms(tmp_path, seed, SHORT)


@pytest.mark.kafka
@pytest.mark.crash
@pytest.mark.timeout(1500)
async def test_no_pair_of_troubles_changes_a_count(tmp_path: Path, seed: int) -> None:
    rounds = covering(ROUNDS, seed)
    logs = range(0, len(rounds), ROUNDS_A_LOG)
    await storms(tmp_path, seed, [rounds[first : first + ROUNDS_A_LOG] for first in logs])


async def storms(folder: Path, seed: int, logs: Sequence[Sequence[Conditions]]) -> None:
    """Storms side by side; one that fails stops no other."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, rounds: Sequence[Conditions]) -> None:
        async with at_once:
            await storm(folder / str(number), seed + number, rounds)

    ended = await asyncio.gather(*map(one, range(len(logs)), logs), return_exceptions=True)
    # As text: of a group of failed assertions pytest shows the first alone.
    failed = ["".join(traceback.format_exception(end)) for end in ended if end is not None]
    assert not failed, f"seed {seed}: {len(failed)} storms of {len(logs)} failed\n" + "\n".join(failed)


async def storm(folder: Path, seed: int, rounds: Sequence[Conditions]) -> None:
    """Rounds on one log, each reckoned up; nothing of one is forgiven in the next."""
    async with Storm(folder, seed) as storm:
        for number, conditions in enumerate(rounds):
            try:
                wrong = await storm.round(conditions)
                story = "\n".join(wrong[:20])
                assert not wrong, f"seed {seed}, round {number}, {conditions}: {len(wrong)} wrong\n{story}"
            except BaseException as error:
                error.add_note(storm.last_lines())
                raise
