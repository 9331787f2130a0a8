"""A clock that somebody sets moves nothing ahead."""

import time

import pytest

from tables import clock
from tables.clock import CarefulClock

HOUR_S = 3600.0


class Machine:
    """A machine whose clock can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.passing = 1_000_000.0, 50.0
        monkeypatch.setattr(clock.time, "time", lambda: self.wall)
        monkeypatch.setattr(clock.time, "clock_gettime", lambda which: self.passing)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.passing += seconds


@pytest.mark.parametrize(("jump", "told"), [(0, 0), (HOUR_S, 0), (-HOUR_S, -HOUR_S)])
def test_a_jump_ahead_is_not_followed_a_jump_back_is(
    monkeypatch: pytest.MonkeyPatch, jump: float, told: float
) -> None:
    machine = Machine(monkeypatch)
    careful = CarefulClock()
    machine.passes(10)
    machine.wall += jump
    machine.passes(5)
    assert careful.now_ms() == (1_000_015 + told) * 1000
    machine.wall -= jump  # set right again
    assert careful.now_ms() == 1_000_015_000


def test_it_is_the_wall_clock() -> None:
    assert abs(CarefulClock().now_ms() - time.time() * 1000) < 1000
