"""The wall clock, for what must not close before its time."""

import time

#: Counts on while the machine sleeps, and whoever sets the clock does not move it.
_PASSING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class CarefulClock:
    """The wall clock, or where it would be had nobody set it since we started: whichever is earlier.

    A clock that jumps ahead would make windows final that plays still come for. One that is late only closes
    them late.
    """

    def __init__(self) -> None:
        self._started_s = time.time() - time.clock_gettime(_PASSING)

    def now_ms(self) -> int:
        return int(min(time.time(), self._started_s + time.clock_gettime(_PASSING)) * 1000)
