"""Runs: what one partition's log handed over in one piece.

An agent sees runs, not events. A run says where it starts and where the next one must start, so that
whoever consumes it notices what came twice and what is missing. Its records keep their offsets (compaction,
control records and retention leave gaps) and their timestamps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from charts.window import TIME_END

#: The header of a play sent home from another partition: its value is `partition:offset`, where it landed.
FORWARDED_HEADER = "forwarded-from"
#: The header of an empty record that only moves time.
TICK_HEADER = "tick"


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Some consecutive records of one partition, in the order of the log."""

    partition: int
    #: The offset the run was asked from, and the one after it.
    start: int
    next: int
    values: Sequence[bytes | None]
    offsets: npt.NDArray[np.int64]
    #: Record timestamps, epoch milliseconds.
    timestamps: npt.NDArray[np.int64]
    #: Row of every forwarded play → the partition and offset where it landed.
    forwarded: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: Rows of the ticks.
    ticks: frozenset[int] = frozenset()

    @classmethod
    def nothing(cls, partition: int, start: int, next_: int) -> "Run":
        """Offsets under which there is no record any more."""
        empty = np.zeros(0, np.int64)
        return cls(partition, start, next_, [], empty, empty)

    def __len__(self) -> int:
        return len(self.values)

    def after(self, offset: int) -> "Run":
        """The part of the run from this offset on."""
        first = int(np.searchsorted(self.offsets, offset))
        return Run(
            self.partition,
            max(self.start, offset),
            self.next,
            self.values[first:],
            self.offsets[first:],
            self.timestamps[first:],
            {row - first: origin for row, origin in self.forwarded.items() if row >= first},
            frozenset(row - first for row in self.ticks if row >= first),
        )


def stream_times(timestamps: npt.NDArray[np.int64], before: int) -> npt.NDArray[np.int64]:
    """The stream time at each record: the greatest timestamp so far, its own included.

    One that is no time of ours moves none: a sender that counts in microseconds would end all that follows.
    """
    if not len(timestamps):
        return timestamps
    times = np.where((timestamps >= 0) & (timestamps < TIME_END), timestamps, 0)
    return np.maximum(np.maximum.accumulate(times), before)


@dataclass(frozen=True, slots=True, eq=False)
class ChangelogRun:
    """Some consecutive records of a changelog partition: what recovery reads."""

    partition: int
    #: The offset the run was asked from, and the one after it.
    start: int
    next: int
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    offsets: npt.NDArray[np.int64]
