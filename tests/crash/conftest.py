"""The seed of a storm: `CRASH_SEED` repeats one."""

import os
import random

import pytest


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("CRASH_SEED") or random.randrange(10**6))
