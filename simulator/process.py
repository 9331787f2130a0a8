"""One child process: tied to us, logged to a file, waited for, stopped.

Everything the stack and the tests start is one of these. Children live in sessions of their own, so that
Ctrl-C on the terminal reaches only us and the order of stopping stays ours.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from charts.errors import Unreachable

_TETHER = Path(__file__).with_name("tether.py")
#: What programs write to move a terminal's cursor.
_ESCAPES = re.compile(r"\x1b\[[?0-9;]*[a-zA-Z]")
#: How often a waiting start looks again.
_GLANCE_S = 0.02


class Process:
    """A child that does not outlive us."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        environ: Mapping[str, str] | None = None,
        folder: Path = Path("/"),
        nobody: bool = False,
        data_bytes: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.log = log
        #: What ends it in peace, and what the kernel sends when we are gone.
        self.stop_signal = stop_signal
        self._environ = dict(os.environ if environ is None else environ)
        self._folder = folder
        self._popen: subprocess.Popen[bytes] | None = None
        flags = ["--nobody"] if nobody and os.getuid() == 0 else []
        flags += ["--data", str(data_bytes)] if data_bytes else []
        python = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), str(int(death_signal))]
        self._command = [*python, *flags, "--", *map(str, command)]

    @property
    def pid(self) -> int:
        """The process id; the tether becomes the command, so it is the command's own."""
        assert self._popen is not None, f"{self.name} was not started"
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> Self:
        """Start it; call from the main thread, whose end would be the child's (see tether.py)."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=self._environ,
                start_new_session=True,
            )
        return self

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait for a fact about the process; raises Unreachable with the end of its log."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.alive:
                raise Unreachable(f"{self.name} ended at its start: {self.last_words()} (see {self.log})")
            if time.monotonic() > deadline:
                raise Unreachable(f"{self.name} is not ready after {timeout_s:.0f} s (see {self.log})")
            time.sleep(_GLANCE_S)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        assert self._popen is not None, f"{self.name} was not started"
        self._popen.send_signal(number)

    def gone(self, timeout_s: float | None) -> bool:
        """Wait for its end."""
        assert self._popen is not None, f"{self.name} was not started"
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def exit_code(self) -> int | None:
        """How it ended: none while it runs, negative when by a signal."""
        return self._popen.poll() if self._popen is not None else None

    def run(self, timeout_s: float) -> None:
        """Start it and wait for its end, which must be a good one."""
        self.start()
        if not self.gone(timeout_s):
            self.stop(0)
        if self.exit_code:
            raise Unreachable(f"{self.name} failed: {self.last_words()} (see {self.log})")

    def stop(self, timeout_s: float = 10) -> None:
        """End it in peace, or by force when that takes too long."""
        stop_all([self], timeout_s)

    def last_words(self) -> str:
        """The last line of the log, for an error in one line."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = _ESCAPES.sub("", text).split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def stop_all(processes: Iterable[Process], timeout_s: float) -> None:
    """End them side by side: in peace, or by force once the time they have together is over."""
    running = [process for process in processes if process.alive]
    for process in running:
        process.signal(process.stop_signal)
    deadline = time.monotonic() + timeout_s
    for process in running:
        if not process.gone(max(0.0, deadline - time.monotonic())):
            process.signal(signal.SIGKILL)
    for process in running:
        process.gone(None)
