"""Landings: the plays of a run that only the duplicates check is left to judge, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from charts.identity import Hashes
from charts.intake import Intake
from charts.play import RECORD_BYTES_MAX
from charts.run import FORWARDED_HEADER
from charts.tally import Cells, Ints, count, key_of
from charts.verdict import Verdict

#: Titles and artists are shown, not kept for ever: enough for a line.
_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True, eq=False)
class Landing:
    """Rows in the order of the log."""

    offset: Ints
    hour: Ints
    region: Ints
    identity: Hashes
    #: Forwarded from another partition.
    arrived: npt.NDArray[np.bool_]
    track: pa.StringArray
    title: pa.StringArray
    artist: pa.StringArray

    def __len__(self) -> int:
        return len(self.offset)

    @classmethod
    def of(cls, intake: Intake) -> "Landing":
        rows = intake.landed
        plays = intake.plays
        arrived = np.zeros(len(intake.verdicts), np.bool_)
        arrived[list(intake.run.forwarded)] = True
        texts = [plays.fields.text(name).take(rows).arrow() for name in ("track_id", "title", "artist")]
        return cls(
            intake.run.offsets[rows],
            plays.hour[rows],
            plays.region[rows],
            intake.identities[rows],
            arrived[rows],
            *texts,
        )

    @classmethod
    def concat(cls, parts: Sequence["Landing"]) -> "Landing":
        return cls(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__[:5]),
            *(pa.concat_arrays([getattr(part, name) for part in parts]) for name in cls.__slots__[5:]),
        )

    def take(self, rows: Ints) -> "Landing":
        if len(rows) == len(self):
            return self
        picked = pa.array(rows)
        return Landing(
            *(getattr(self, name)[rows] for name in self.__slots__[:5]),
            *(getattr(self, name).take(picked) for name in self.__slots__[5:]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Keyed:
    """Plays by tally key."""

    #: Sorted.
    keys: list[bytes]
    #: The key of each play, as an index.
    key: Ints
    #: The day of each key.
    days: Ints
    landing: Landing

    def count(self, rows: npt.NDArray[np.bool_]) -> Cells:
        """The counts some of the plays make."""
        landing = self.landing
        return count(self.key[rows], landing.region[rows], landing.hour[rows] % 24)

    @classmethod
    def of(cls, landing: Landing) -> "Keyed":
        day = landing.hour // 24
        encoded = landing.track.dictionary_encode()
        order = pc.sort_indices(encoded.dictionary.cast(pa.binary())).to_numpy()
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        names = encoded.dictionary.cast(pa.binary()).take(pa.array(order)).to_pylist()
        track = rank[encoded.indices.to_numpy()]
        days, day_index = np.unique(day, return_inverse=True)
        if len(days) == 1:
            prefix = key_of(int(days[0]), b"")
            return cls([prefix + name for name in names], track, np.full(len(names), days[0]), landing)
        pair = day_index * len(names) + track
        played = np.zeros(len(days) * len(names), np.bool_)
        played[pair] = True
        pairs, key = np.flatnonzero(played), (np.cumsum(played) - 1)[pair]
        which_day, which_name = np.divmod(pairs, len(names))
        prefixes = [key_of(int(one), b"") for one in days.tolist()]
        keys = [
            prefixes[one] + names[name]
            for one, name in zip(which_day.tolist(), which_name.tolist(), strict=True)
        ]
        return cls(keys, key, days[which_day], landing)

    def names(self, keys: Sequence[int]) -> list[tuple[str | None, str | None]]:
        """Title and artist of some keys, as one of their plays said."""
        some_play = np.empty(len(self.keys), np.int64)
        some_play[self.key] = np.arange(len(self.key))
        rows = pa.array(some_play[list(keys)])
        titles, artists = self.landing.title.take(rows), self.landing.artist.take(rows)
        return list(zip(_names(titles), _names(artists), strict=True))


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


def _names(said: pa.StringArray) -> list[str | None]:
    """Names as they are kept; NUL ends one in the store, and is no text to Postgres."""
    kept = pc.utf8_slice_codeunits(said, 0, _NAME_LENGTH).to_pylist()
    return [name and name.replace("\0", "") for name in kept]


_VERDICT_BITS = 4


def note(offsets: Ints, verdicts: npt.NDArray[np.int8]) -> Ints:
    """Offset and verdict of a record in one number."""
    return offsets << _VERDICT_BITS | verdicts


def read_note(noted: int) -> tuple[int, Verdict]:
    return noted >> _VERDICT_BITS, Verdict(noted & (1 << _VERDICT_BITS) - 1)
