"""The obvious way to count: play by play, in dictionaries. What the engine's tests hold it against."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from charts.home import home_of
from charts.identity import identity_of
from charts.play import Play, region_code
from charts.run import Run
from charts.verdict import Rulebook, Verdict
from charts.window import DAY_MS, HOUR_MS
from tests.charts.test_ranking import Play as Cell


@dataclass(frozen=True)
class Record:
    """A record of a log: a play, a tick, or neither."""

    time: int
    play: Play | None = None
    origin: tuple[int, int] | None = None
    tick: bool = False

    @property
    def value(self) -> bytes:
        return b"" if self.tick else self.play.encode() if self.play else b"{}"


@dataclass(frozen=True)
class Judged:
    """What one record came to."""

    verdict: Verdict
    stream_time: int
    play: Play | None = None
    identity: int = 0

    @property
    def hour(self) -> int:
        return self.play.played_at // HOUR_MS if self.play else 0

    @property
    def cell(self) -> Cell:
        assert self.play is not None
        day, hour = divmod(self.hour, 24)
        return day, self.play.track_id.encode(), region_code(self.play.region), hour


@dataclass
class Walk:
    """One partition's log, judged as it grows."""

    partition: int
    book: Rulebook
    records: list[Record] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    counted: set[tuple[int, int]] = field(default_factory=set)

    @property
    def time(self) -> int:
        return self.judged[-1].stream_time if self.judged else 0

    def append(self, record: Record) -> Judged:
        judged = self._judge(record)
        self.records.append(record)
        self.judged.append(judged)
        return judged

    def run(self, start: int, end: int) -> Run:
        """The records of `[start, end)` as the transport hands them over."""
        records = self.records[start:end]
        return Run(
            self.partition,
            start,
            start + len(records),
            [record.value for record in records],
            np.arange(start, start + len(records)),
            np.array([record.time for record in records], np.int64),
            {row: record.origin for row, record in enumerate(records) if record.origin},
            frozenset(row for row, record in enumerate(records) if record.tick),
        )

    def ledger(self, applied: int) -> tuple[int, ...]:
        found = Counter(judged.verdict for judged in self.judged[: applied + 1])
        return tuple(found[verdict] for verdict in sorted(Verdict))

    def cells(self) -> Iterator[tuple[int, Cell]]:
        """(offset, cell) of every play that counts."""
        for offset, judged in enumerate(self.judged):
            if judged.verdict is Verdict.counted:
                yield offset, judged.cell

    def _judge(self, record: Record) -> Judged:
        time, play = max(self.time, record.time), record.play
        if play is None:
            return Judged(Verdict.tick if record.tick else Verdict.malformed, time)
        identity = identity_of(play.track_id, play.play_id)
        verdict = None if record.origin else self._by_time(play, time)
        return Judged(self._at_home(play, identity) if verdict is None else verdict, time, play, identity)

    def _by_time(self, play: Play, time: int) -> Verdict | None:
        """The table at the top of verdict.py, read aloud."""
        rules = self.book.on(play.played_at // DAY_MS)
        if play.played_at > time + rules.early_ms:
            return Verdict.early
        if play.played_at // HOUR_MS * HOUR_MS + HOUR_MS + rules.lateness_ms < time:
            return Verdict.late
        return Verdict.short if play.ms_played < rules.shortest_ms else None

    def _at_home(self, play: Play, identity: int) -> Verdict:
        if home_of(play.track_id, self.book.on(play.played_at // DAY_MS).partitions) != self.partition:
            return Verdict.forwarded
        if (identity, play.played_at // HOUR_MS) in self.counted:
            return Verdict.duplicate
        self.counted.add((identity, play.played_at // HOUR_MS))
        return Verdict.counted
