"""The profile: where our worker's microseconds go while it counts, sampled from outside by py-spy."""

import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from bench.brokers import Brokers
from bench.comparing import Wrong
from bench.contenders.told import now
from bench.dataset import Spec, fill
from bench.field import PEERS
from bench.ours import Workers
from bench.race import Say

_RATE = 200
_SHOWN = 24


def measure(plays: int, brokers: Brokers, folder: Path, say: Say) -> dict[str, Any]:
    """CPU microseconds per play, by thread and by function."""
    place = folder / "profile"
    place.mkdir()
    raw = place / "stacks.txt"
    with brokers.one(folder / "broker-profile") as broker:
        data = fill(broker, Spec(plays))
        with Workers(data, place, {}) as ours:
            ours.opened()
            spy = _spy(ours.pids[0], raw)
            began = now()
            ours.until_counted(plays)
            took = now() - began
            # Only to this signal does it write what it has.
            spy.send_signal(signal.SIGINT)
            spy.wait(60)
    if not raw.exists():
        raise Wrong(f"py-spy wrote nothing: {raw.with_suffix('.log').read_text().strip()}")
    threads, functions, inclusive = _summed(raw)
    samples = sum(threads.values())
    say(f"profile: {samples:,} samples over {took:.1f} s")

    def shares(counts: Counter[str]) -> dict[str, float]:
        return {name: round(count / _RATE / plays * 1e6, 3) for name, count in counts.most_common(_SHOWN)}

    return {
        "plays": plays,
        "seconds": round(took, 1),
        "samples": samples,
        "us_per_play_by_thread": shares(threads),
        "us_per_play_in_function": shares(functions),
        "us_per_play_below_function": shares(inclusive),
    }


def _spy(pid: int, raw: Path) -> subprocess.Popen[bytes]:
    command = [PEERS.with_name("py-spy"), "record", "--pid", str(pid), "--format", "raw", "--threads"]
    more = ["--nonblocking", "--rate", str(_RATE), "--duration", "600", "--output", raw]
    log = raw.with_suffix(".log").open("wb")
    return subprocess.Popen([*command, *more], stdout=log, stderr=subprocess.STDOUT)


def _summed(raw: Path) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Samples by thread, by the function on top, and by every project function on the way."""
    threads: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for line in raw.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        thread = frames[0].partition(" (")[2].rstrip(")") or frames[0]
        names = [frame.rpartition(":")[0] + ")" if ":" in frame else frame for frame in frames[1:]]
        threads[thread.split(":")[-1].strip().strip('"')] += int(count)
        if names:
            functions[names[-1]] += int(count)
        own = {
            name for name in names if any(f"({folder}/" in name for folder in ("charts", "tables", "agents"))
        }
        inclusive.update(dict.fromkeys(own, int(count)))
    return threads, functions, inclusive
