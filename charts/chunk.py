"""Chunks: where the lake cuts one partition's log into files.

A chunk ends where the offset passes a multiple of 50,000 or the stream time a full hour. Both follow from
the log alone, so every worker at every time cuts the same chunks, however the records were fetched. That is
what makes a file safe to write twice, and a crash harmless: a new worker starts at a chunk's first offset,
with the stream time the file before it ended on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from charts.run import Run, stream_times
from charts.slices import Slices
from charts.window import HOUR_MS

#: Offsets per chunk. Part of the lake's format: another number means other files for the same log.
CHUNK_OFFSETS = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Consecutive records of one partition that belong in one file."""

    partition: int
    #: Offset of its first record.
    first: int
    #: Offset of the next chunk's first record; while the chunk grows, one past its last record.
    next: int
    #: Stream time before its first record, and at its last.
    before: int
    after: int
    runs: tuple[Run, ...]

    @property
    def hour(self) -> int:
        """The stream time's hour of all its records, counted from 1970."""
        return self.after // HOUR_MS

    @property
    def run(self) -> Run:
        """All its records in one run."""
        return joined(self.runs)

    def __len__(self) -> int:
        return sum(map(len, self.runs))


@dataclass(slots=True)
class Cutter:
    """Cuts the runs of one partition, handed over in the order of the log."""

    partition: int
    #: Where the growing chunk starts or will start, and the stream time before that.
    start: int = 0
    before: int = 0
    _next: int = field(init=False)
    _after: int = field(init=False)
    _runs: list[Run] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._next, self._after = self.start, self.before

    @property
    def next(self) -> int:
        """The offset wanted next: records before it are in a chunk already."""
        return self._next

    @property
    def stream_time(self) -> int:
        return self._after

    @property
    def growing(self) -> Chunk | None:
        """The chunk not yet full, as far as it goes."""
        return self._chunk(self._next) if self._runs else None

    def feed(self, run: Run) -> list[Chunk]:
        """Takes a run and returns the chunks it completed; what came before is passed over."""
        run = run if run.start >= self._next else run.after(self._next)
        full: list[Chunk] = []
        if len(run):
            times = stream_times(run.timestamps, self._after)
            for first, last in _spans(run.offsets, times):
                if self._runs and self._cuts(int(run.offsets[first]), int(times[first])):
                    full.append(self._cut(int(run.offsets[first])))
                self._grow(part(run, first, last), int(times[last - 1]))
        self._next = max(self._next, run.next)
        return full

    def skip(self, offset: int) -> None:
        """Records before this offset will not come any more."""
        self._next = max(self._next, offset)

    def _cuts(self, offset: int, time: int) -> bool:
        """Whether this record no longer belongs in the growing chunk."""
        last = int(self._runs[-1].offsets[-1])
        return offset // CHUNK_OFFSETS != last // CHUNK_OFFSETS or time // HOUR_MS != self._after // HOUR_MS

    def _grow(self, run: Run, time: int) -> None:
        if not self._runs:
            self.start = int(run.offsets[0])
        self._runs.append(run)
        self._after = time
        self._next = int(run.offsets[-1]) + 1

    def _cut(self, offset: int) -> Chunk:
        chunk = self._chunk(offset)
        self._runs = []
        self.start, self.before = offset, self._after
        return chunk

    def _chunk(self, next_offset: int) -> Chunk:
        return Chunk(self.partition, self.start, next_offset, self.before, self._after, tuple(self._runs))


def _spans(offsets: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """The rows between one cut and the next."""
    block, hour = offsets // CHUNK_OFFSETS, times // HOUR_MS
    cuts = np.flatnonzero((block[1:] != block[:-1]) | (hour[1:] != hour[:-1])) + 1
    edges = [0, *cuts.tolist(), len(offsets)]
    return list(pairwise(edges))


def part(run: Run, first: int, last: int) -> Run:
    """Some consecutive rows of a run, as a run."""
    if (first, last) == (0, len(run)):
        return run
    ends = int(run.offsets[last]) if last < len(run) else run.next
    return Run(
        run.partition,
        int(run.offsets[first]) if first else run.start,
        ends,
        run.values[first:last],
        run.offsets[first:last],
        run.timestamps[first:last],
        {row - first: origin for row, origin in run.forwarded.items() if first <= row < last},
        frozenset(row - first for row in run.ticks if first <= row < last),
    )


def joined(runs: Sequence[Run]) -> Run:
    """Runs that follow on each other, as one."""
    if len(runs) == 1:
        return runs[0]
    forwarded: dict[int, tuple[int, int]] = {}
    ticks: set[int] = set()
    for before, run in zip(accumulate(map(len, runs), initial=0), runs, strict=False):
        forwarded |= {before + row: origin for row, origin in run.forwarded.items()}
        ticks |= {before + row for row in run.ticks}
    return Run(
        runs[0].partition,
        runs[0].start,
        runs[-1].next,
        Slices.joined([run.values for run in runs]),
        np.concatenate([run.offsets for run in runs]),
        np.concatenate([run.timestamps for run in runs]),
        forwarded,
        frozenset(ticks),
    )
