"""Crash points: where a crash test has the worker killed, to see what survives. Off unless asked for."""

import os
import random
import signal


class CrashPoints:
    """`changelog:0.1,stored:0.05`: at each named point, die with that probability."""

    def __init__(self, text: str) -> None:
        pairs = (part.split(":") for part in text.split(",") if part)
        self._odds = {name: float(odds) for name, odds in pairs}

    def reach(self, point: str) -> None:
        """Die here, perhaps, as kill -9 would have it."""
        odds = self._odds.get(point)
        if odds is not None and random.random() < odds:  # noqa: S311
            os.kill(os.getpid(), signal.SIGKILL)
