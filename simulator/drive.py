"""The drive: a world's plays, sent at their pace, with the truth kept beside them.

The simulated clock follows from the number of a play, not from ours: a sender that was held up catches up.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from simulator.listeners import Listeners
from simulator.slice import Slice
from simulator.truth import Truth

#: A paced sender sends what is due this often.
_BEAT_S = 0.1


class Sender(Protocol):
    """Kafka, or the front door."""

    @property
    def sent(self) -> int: ...

    @property
    def failed(self) -> int: ...

    @property
    def failure(self) -> str | None: ...

    async def send(self, records: Slice) -> None: ...

    async def flush(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the world's time runs in ours; without a rate, as fast as the broker takes it."""

    #: Plays per second of our time.
    rate: float | None
    #: Simulated milliseconds per second of our time.
    speed_ms: float = 1000.0
    #: Records sent in one piece, at most.
    batch: int = 5_000

    @property
    def piece(self) -> int:
        return self.batch if self.rate is None else max(1, min(self.batch, int(self.rate * _BEAT_S)))

    def due_s(self, since_start_ms: float) -> float:
        """When a simulated moment comes, in our seconds since the start."""
        return 0.0 if self.rate is None else since_start_ms / self.speed_ms


@dataclass(slots=True)
class Progress:
    """How far the drive is."""

    started: float = field(default_factory=monotonic)
    #: Records handed to the sender.
    taken: int = 0
    #: The simulated clock.
    clock: int = 0
    #: How far the sending is behind the world's clock.
    behind_s: float = 0.0

    @property
    def elapsed_s(self) -> float:
        return monotonic() - self.started


async def drive(
    listeners: Listeners,
    sender: Sender,
    pace: Pace,
    progress: Progress,
    stop: asyncio.Event,
    *,
    total: int | None = None,
    truth: Truth | None = None,
    settle_ms: int = 0,
) -> None:
    """Send plays until all are sent, or until asked to stop; every one is acknowledged or failed then."""
    world = listeners.world
    progress.clock = world.start
    progress.started = monotonic()
    for piece in _pieces(listeners, pace, total):
        due_s = pace.due_s(int(piece.clock[-1]) - world.start)
        if await _stopped(stop, progress.started + due_s - monotonic()):
            break
        await _pass(piece, sender, truth, progress)
        progress.behind_s = max(0.0, progress.elapsed_s - due_s)
        if pace.rate is not None:
            await sender.flush()
    if world.ticks:
        await _pass(listeners.ticks(progress.clock + settle_ms), sender, truth, progress)
    await sender.flush()


def _pieces(listeners: Listeners, pace: Pace, total: int | None) -> Iterator[Slice]:
    for records in listeners.records(total):
        for start in range(0, len(records), pace.piece):
            yield records.cut(start, start + pace.piece)


async def _pass(records: Slice, sender: Sender, truth: Truth | None, progress: Progress) -> None:
    if truth is not None:
        truth.take(records)
    await sender.send(records)
    progress.taken += len(records)
    progress.clock = max(progress.clock, int(records.clock[-1]))


async def _stopped(stop: asyncio.Event, delay_s: float) -> bool:
    """Wait for the moment, or for the wish to stop."""
    if delay_s <= 0:
        await asyncio.sleep(0)
        return stop.is_set()
    try:
        async with asyncio.timeout(delay_s):
            return await stop.wait()
    except TimeoutError:
        return False
