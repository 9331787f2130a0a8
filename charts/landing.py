"""Landings: the plays of a run that only the duplicates check is left to judge, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from charts.distinct import distinct
from charts.identity import Hashes
from charts.intake import Intake
from charts.play import RECORD_BYTES_MAX
from charts.run import FORWARDED_HEADER
from charts.slices import Slices
from charts.tally import Ints, Narrow
from charts.verdict import Verdict

#: What there is of each play.
_COLUMNS = ("offset", "hour", "region", "identity", "arrived", "track")
#: Titles and artists are shown, not kept for ever: enough for a line.
_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The tracks of some plays, with what one of these plays said of each."""

    id: pa.StringArray
    title: pa.StringArray
    artist: pa.StringArray

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def concat(cls, parts: Sequence["Tracks"]) -> "Tracks":
        """All of them, in order; what several parts have comes as often."""
        return cls(*(pa.concat_arrays([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def names(self, rows: Ints) -> list[tuple[str | None, str | None]]:
        """Title and artist of some, as they are kept."""
        picked = pa.array(rows)
        return list(zip(_names(self.title.take(picked)), _names(self.artist.take(picked)), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Landing:
    """Rows in the order of the log."""

    offset: Ints
    hour: Narrow
    region: Narrow
    identity: Hashes
    #: Forwarded from another partition.
    arrived: npt.NDArray[np.bool_]
    #: Which of the tracks.
    track: Narrow
    tracks: Tracks

    def __len__(self) -> int:
        return len(self.offset)

    @classmethod
    def of(cls, intake: Intake) -> "Landing":
        rows = intake.landed
        plays = intake.plays
        arrived = np.zeros(len(intake.verdicts), np.bool_)
        arrived[list(intake.run.forwarded)] = True
        first, track = distinct(plays.fields.text("track_id").take(rows))
        said = [_kept(plays.fields.text(name).take(rows[first])) for name in ("track_id", "title", "artist")]
        return cls(
            intake.run.offsets[rows],
            plays.hour[rows].astype(np.int32),
            plays.region[rows].astype(np.int32),
            intake.identities[rows],
            arrived[rows],
            track.astype(np.int32),
            Tracks(*said),
        )

    @classmethod
    def concat(cls, parts: Sequence["Landing"]) -> "Landing":
        """All of them, in order."""
        before = np.cumsum([0, *(len(part.tracks) for part in parts)], dtype=np.int32)
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS
        }
        columns["track"] += np.repeat(before[:-1], [len(part) for part in parts])
        return cls(**columns, tracks=Tracks.concat([part.tracks for part in parts]))

    def take(self, rows: Ints) -> "Landing":
        """Some of the plays; of tracks, all."""
        if len(rows) == len(self):
            return self
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Landing(**columns, tracks=self.tracks)


@dataclass(frozen=True, slots=True, eq=False)
class Sending:
    """A record to send on: a play to its home partition, or a rejected one with its reason."""

    #: None: to the rejected plays, wherever they go.
    home: int | None
    key: bytes
    value: bytes | None
    timestamp: int
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """What an intake leaves to be counted; the records themselves are let go."""

    applied: int
    time_after: int
    verdicts: npt.NDArray[np.int8]
    landing: Landing
    sendings: list[Sending]
    #: Identities of the plays that will not count, with offset and verdict.
    excluded: Hashes
    notes: Ints
    #: Offsets without a record, in the run and missing before it.
    absent: int
    #: When the plays that may count were played, on average; none, where there are none.
    played_at: float | None

    @classmethod
    def of(cls, intake: Intake, missing: int = 0) -> "Taken":
        run, verdicts = intake.run, intake.verdicts
        excluded = np.flatnonzero(
            (verdicts > Verdict.duplicate) & intake.plays.good & (verdicts != Verdict.tick)
        )
        return cls(
            run.next - 1,
            intake.time_after,
            verdicts,
            Landing.of(intake),
            [_sending(intake, row) for row in np.flatnonzero(_SENT[verdicts]).tolist()],
            intake.identities[excluded],
            note(run.offsets[excluded], verdicts[excluded]),
            missing + run.next - run.start - len(run),
            float(np.mean(intake.plays.played_at[landed])) if len(landed := intake.landed) else None,
        )


#: Which verdicts send a record on; indexed by verdict, `LANDS` (-1) being the last.
_SENT = np.zeros(len(Verdict) + 1, np.bool_)
_SENT[[Verdict.forwarded, Verdict.malformed, Verdict.early, Verdict.late]] = True


def _sending(intake: Intake, row: int) -> Sending:
    run, verdict = intake.run, Verdict(intake.verdicts[row])
    partition, offset = run.partition, int(run.offsets[row])
    value, timestamp = run.values[row], int(run.timestamps[row])
    if verdict is Verdict.forwarded:
        track = intake.plays.fields.text("track_id")[row]
        assert track is not None
        origin = "{}:{}".format(*run.forwarded.get(row, (partition, offset)))
        return Sending(int(intake.homes[row]), track, value, timestamp, [(FORWARDED_HEADER, origin.encode())])
    headers = {
        "verdict": verdict.name,
        "reason": intake.reason(row),
        "source-partition": partition,
        "source-offset": offset,
    }
    if value is not None and len(value) > RECORD_BYTES_MAX:
        headers["bytes"] = len(value)
        value = value[:RECORD_BYTES_MAX]
    key = f"{partition}:{offset}".encode()
    return Sending(
        None, key, value, timestamp, [(name, str(text).encode()) for name, text in headers.items()]
    )


def _kept(texts: Slices) -> pa.StringArray:
    """Texts as they wait for their flush: not longer than they will be shown; ids never are."""
    said = texts.arrow()
    return pc.utf8_slice_codeunits(said, 0, _NAME_LENGTH) if (texts.lengths > _NAME_LENGTH).any() else said


def _names(said: pa.StringArray) -> list[str | None]:
    """Names as they are stored; NUL ends one there, and is no text to Postgres."""
    return [name and name.replace("\0", "") for name in said.to_pylist()]


_VERDICT_BITS = 4


def note(offsets: Ints, verdicts: npt.NDArray[np.int8]) -> Ints:
    """Offset and verdict of a record in one number."""
    return offsets << _VERDICT_BITS | verdicts


def read_note(noted: int) -> tuple[int, Verdict]:
    return noted >> _VERDICT_BITS, Verdict(noted & (1 << _VERDICT_BITS) - 1)
