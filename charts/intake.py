"""Intake: a run of records, decoded and judged by shape, time, length and home. What is left open lands.

The count and the lake take in runs through this one function, so they cannot disagree.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charts.home import homes_of
from charts.identity import Hashes, hash_texts, identity
from charts.play import Plays, decode_run
from charts.run import Run, stream_times
from charts.tally import Ints
from charts.verdict import LANDS, Rulebook, Verdict, judge


@dataclass(frozen=True, slots=True, eq=False)
class Intake:
    """A judged run: one verdict per record, `LANDS` where only the duplicates check is left."""

    run: Run
    plays: Plays
    verdicts: npt.NDArray[np.int8]
    #: The home partition of each play (nothing, for a malformed one).
    homes: Ints
    #: The identity of each play, without its hour.
    identities: Hashes
    #: The stream time at each record.
    stream_time: Ints
    #: The stream time after the run.
    time_after: int

    @property
    def landed(self) -> Ints:
        """The rows still open."""
        return np.flatnonzero(self.verdicts == LANDS)

    def reason(self, row: int) -> str:
        """Why a record does not count, in words."""
        verdict = Verdict(self.verdicts[row])
        return self.plays.reasons[row] if verdict is Verdict.malformed else REASONS[verdict]


REASONS = {
    Verdict.counted: "counts",
    Verdict.duplicate: "its identity was counted before",
    Verdict.short: "was played too briefly",
    Verdict.late: "came after its hour was closed",
    Verdict.early: "starts too far ahead of the stream",
    Verdict.malformed: "is not of the wire's shape",
    Verdict.forwarded: "was sent to its track's home partition",
    Verdict.tick: "moves time only",
}


def take_in(run: Run, time_before: int, book: Rulebook) -> Intake:
    """Decode and judge a run; `time_before` is the partition's stream time before it."""
    plays = decode_run(run.values)
    times = stream_times(run.timestamps, time_before)
    verdicts = judge(plays, times, book)
    for row in run.forwarded:
        # Judged for time and length where it landed first.
        if plays.good[row]:
            verdicts[row] = LANDS
    verdicts[[row for row in run.ticks if not run.values[row]]] = Verdict.tick
    tracks = plays.fields.text("track_id")
    homes = homes_of(tracks, book.lookup(plays.hour // 24, "partitions"))
    verdicts[(verdicts == LANDS) & (homes != run.partition)] = Verdict.forwarded
    identities = identity(hash_texts(tracks), hash_texts(plays.fields.text("play_id")))
    time_after = int(times[-1]) if len(run) else time_before
    return Intake(run, plays, verdicts, homes, identities, times, time_after)
