"""The wall clock: how old a head is, when a token ends; never what a play counts for."""

import time


def now_ms() -> int:
    return time.time_ns() // 1_000_000
