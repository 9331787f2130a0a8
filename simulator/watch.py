"""The watch over a running stack: what dies is started again, and the broker's memory has a bound.

Kafka alone cannot come back: it kept the log in memory.
"""

import time
from collections import defaultdict, deque
from pathlib import Path

from charts.errors import Unreachable
from simulator.process import Process
from simulator.stack import Stack, Tell

#: How often the processes are looked at.
GLANCE_S = 0.5
#: What dies more often than this within a minute is broken, not unlucky.
DEATHS_PER_MINUTE = 5
#: The broker keeps every record it ever got: past this the simulator is stopped, the charts stay.
BROKER_BYTES = 4 << 30


class Watch:
    """Looks after one stack until something cannot be mended."""

    def __init__(self, stack: Stack, tell: Tell, broker_bytes: int = BROKER_BYTES) -> None:
        self._stack = stack
        self._tell = tell
        self._broker_bytes = broker_bytes
        self._deaths: defaultdict[str, deque[float]] = defaultdict(deque)

    def run(self) -> None:
        """Look again and again; raises Unreachable when the stack cannot go on."""
        while True:
            time.sleep(GLANCE_S)
            self.glance()

    def glance(self) -> None:
        """Start again what died, and bound the broker."""
        stack = self._stack
        if not stack.kafka.alive:
            raise Unreachable(f"Kafka ended: {stack.kafka.last_words()} (see {stack.kafka.log})")
        simulator = stack.simulator
        if simulator and simulator.alive and resident_bytes(stack.kafka.pid) > self._broker_bytes:
            simulator.stop()
            stack.simulator = None
            self._tell(
                "simulator",
                f"stopped: Kafka keeps everything in memory and holds {self._broker_bytes >> 30} GiB",
            )
        for process in stack.others:
            if not process.alive:
                self._mend(process)

    def _mend(self, process: Process) -> None:
        deaths = self._deaths[process.name]
        deaths.append(time.monotonic())
        while deaths[0] < deaths[-1] - 60:
            deaths.popleft()
        if len(deaths) > DEATHS_PER_MINUTE:
            raise Unreachable(f"{process.name} keeps ending: {process.last_words()} (see {process.log})")
        self._tell(process.name, f"ended with {process.exit_code}, started again (see {process.log})")
        process.start()


def resident_bytes(pid: int) -> int:
    """The memory a process holds; one that just ended holds none."""
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))
