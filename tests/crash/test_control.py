"""The control: with the fences off a storm must find differences; it says that the others could fail."""

import re
from pathlib import Path

import pytest

from tests.crash.conditions import Conditions
from tests.crash.storm import Storm

_WRONG_COUNT = re.compile(r"\(\d+, 'track-\d+', '\w*', \d+\): (\d+), not (\d+)$")

#: A worker may die in a flush that holds no play that counts.
ROUNDS = 3


@pytest.mark.kafka
@pytest.mark.crash
@pytest.mark.timeout(300)
async def test_without_fences_plays_count_twice(tmp_path: Path, seed: int) -> None:
    async with Storm(tmp_path, seed, fences=False) as storm:
        for _ in range(ROUNDS):
            wrong = await storm.round(Conditions("changelog", "kept", "one", "none", "calm", "no"))
            counts = [
                (int(found[1]), int(found[2])) for line in wrong if (found := _WRONG_COUNT.search(line))
            ]
            if counts:
                break
    assert counts, f"seed {seed}: the storm missed what the missing fences did: {wrong[:5]}"
    assert all(counted > true for counted, true in counts)
