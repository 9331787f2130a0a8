"""A real worker as a process, to be started, killed, paused and stopped; its folder outlives it."""

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from charts.settings import Settings
from simulator.process import Process

ROOT = Path(__file__).parents[2]
#: A clean stop takes no longer, whatever is under way.
STOP_S = 10.0


class Worker:
    """One worker of a log: one that counts, or (`faust_app:lake`) one of the lake."""

    def __init__(self, name: str, settings: Settings, folder: Path, app: str = "faust_app") -> None:
        self.name = name
        self.app = app
        self.settings = settings
        self.url = f"http://{settings.web_host}:{settings.web_port}"
        self.log = folder / f"{name}.log"
        #: Held by whoever does something to the process.
        self.busy = asyncio.Lock()
        #: Started, and not stopped or killed by us since.
        self.started = False
        #: Stopped in peace.
        self.left = False
        self.started_at_ms = 0
        self._environ: dict[str, str] = {}
        self.process = self._new()

    def start(self, **environ: str) -> None:
        self._environ = environ
        self.start_again()

    def start_again(self) -> None:
        """As it was started last."""
        self.process = self._new()
        self.started, self.left = True, False
        self.started_at_ms = time.time_ns() // 1_000_000
        self.process.start()

    def send(self, signal_: signal.Signals) -> None:
        self.process.signal(signal_)

    def kill(self) -> None:
        self.started = False
        if self.process.alive:
            self.send(signal.SIGKILL)
        self.process.stop()

    def stop(self) -> float:
        """Stop in peace; how long it took."""
        self.started, self.left = False, True
        began = time.monotonic()
        self.process.stop(timeout_s=3 * STOP_S)
        return time.monotonic() - began

    def wipe(self) -> None:
        shutil.rmtree(self.settings.worker_dir, ignore_errors=True)

    @property
    def gave_up(self) -> bool:
        """Ended at its start, in one line, because the broker hung."""
        if not self.started or self.process.alive:
            return False
        lines = self._lines()
        begun = max((row for row, line in enumerate(lines) if "Worker]: Starting..." in line), default=0)
        return any(line.startswith("charts: Kafka at") for line in lines[begun:])

    def last_lines(self, count: int) -> list[str]:
        state = "runs" if self.process.alive else f"ended with {self.process.exit_code}"
        return [f"-- worker {self.name} {state}", *self._lines()[-count:]]

    def said(self, text: str) -> int:
        """How often its log says so."""
        return sum(text in line for line in self._lines())

    def _lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def _new(self) -> Process:
        fields = self.settings.model_dump(exclude_unset=True)
        ours = {f"CHARTS_{name.upper()}": str(value) for name, value in fields.items()}
        ours["CHARTS_POSTGRES_URL"] = ""
        command = [sys.executable, "-m", "faust", "-A", self.app, "worker", "--loglevel=info"]
        return Process(
            f"worker {self.name}",
            command,
            self.log,
            environ={**os.environ, "PYTHONPATH": str(ROOT), **ours, **self._environ},
            folder=ROOT,
        )
