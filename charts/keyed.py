"""Plays by tally key: what a flush adds to each track and day.

It is added some thousand keys at a time, so that what is worked on fits in the processor's cache, and is
never there for all of them at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from charts.distinct import distinct
from charts.landing import Landing, Tracks
from charts.slices import Slices
from charts.tally import Ints, key_of, played

#: More of them need no less time, and more memory.
PIECE_KEYS = 16_384
#: Times as many numbers as there are plays: some days.
_ROOM = 4


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some keys that follow each other, and their plays."""

    #: Where they begin among all.
    first: int
    keys: list[bytes]
    days: Ints
    #: The key of each play, as an index among these.
    key: Ints
    landing: Landing

    def fresh(self, fences: Ints) -> Ints:
        """The plays behind the fence of their key, as a tally adds them."""
        rows = self.landing.offset > fences[self.key]
        return played(self.key[rows], self.landing.region[rows], self.landing.hour[rows] % 24)


@dataclass(frozen=True, slots=True, eq=False)
class Keyed:
    """Plays by tally key."""

    #: Sorted.
    keys: list[bytes]
    #: The day of each key, and where its names are said, among the landing's tracks.
    days: Ints
    said: Ints
    #: The key of each play, as an index.
    key: Ints
    landing: Landing

    @classmethod
    def of(cls, landing: Landing) -> "Keyed":
        ids, said, rank = _in_order(landing.tracks)
        day = landing.hour // 24
        days = np.unique(day)
        # Days before tracks, as in the keys; not every track was played on every day.
        pairs, key = _numbered(np.searchsorted(days, day) * len(said) + rank[landing.track])
        which_day, which_track = np.divmod(pairs, len(said))
        keys = [
            prefix + track
            for number, prefix in enumerate(key_of(int(one), b"") for one in days)
            for track in ids.take(which_track[which_day == number]).objects()
        ]
        return cls(keys, days[which_day].astype(np.int64), said[which_track], key, landing)

    def pieces(self) -> Iterator[Piece]:
        """All of it, in the order of the keys."""
        for first in range(0, len(self.keys), PIECE_KEYS):
            end = first + PIECE_KEYS
            rows = np.flatnonzero((self.key >= first) & (self.key < end))
            columns = (self.keys[first:end], self.days[first:end], self.key[rows] - first)
            yield Piece(first, *columns, self.landing.take(rows))

    def names(self, keys: Sequence[int]) -> list[tuple[str | None, str | None]]:
        """Title and artist of some keys, as one of their plays said."""
        return self.landing.tracks.names(self.said[list(keys)])


def _in_order(tracks: Tracks) -> tuple[Slices, Ints, Ints]:
    """The distinct ids in order, which of the tracks says each first, and the place of each track's id."""
    ids = tracks.id.cast(pa.binary())
    said, which = distinct(Slices.of_arrow(ids))
    order = pc.sort_indices(ids.take(pa.array(said))).to_numpy()
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    said = said[order]
    return Slices.of_arrow(ids.take(pa.array(said))), said, place[which]


def _numbered(numbers: Ints) -> tuple[Ints, Ints]:
    """The distinct numbers in order, and which of them each one is; by a table, if that is not too long."""
    room = int(numbers.max(initial=-1)) + 1
    if room > _ROOM * len(numbers):
        found, which = np.unique(numbers, return_inverse=True)
        return found, which
    is_there = np.zeros(room, np.bool_)
    is_there[numbers] = True
    return np.flatnonzero(is_there), (np.cumsum(is_there) - 1)[numbers]
