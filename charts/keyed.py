"""Plays by tally key: what a flush adds to each track and day.

It is added some thousand keys at a time, so that what is worked on fits in the processor's cache, and memory
never holds all of it at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from charts.distinct import distinct
from charts.landing import Landing
from charts.slices import Slices
from charts.tally import Ints, key_of, played

#: More of them need no less time, and more memory.
PIECE_KEYS = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some keys that follow each other, and their plays."""

    #: Where they begin among all.
    first: int
    keys: list[bytes]
    days: Ints
    #: The key of each play, as an index among all; and the play's columns.
    key: Ints
    landing: Landing

    def fresh(self, fences: Ints) -> Ints:
        """The plays behind the fence of their key, as a tally adds them."""
        rows = self.landing.offset > fences[self.key - self.first]
        return played(self.key[rows], self.landing.region[rows], self.landing.hour[rows] % 24)


@dataclass(frozen=True, slots=True, eq=False)
class Keyed:
    """Plays by tally key."""

    #: Sorted.
    keys: list[bytes]
    #: The day of each key, and which of the landing's tracks it is of.
    days: Ints
    named: Ints
    #: The key of each play, as an index.
    key: Ints
    landing: Landing

    @classmethod
    def of(cls, landing: Landing) -> "Keyed":
        ids = landing.tracks.id.cast(pa.binary())
        # Of those that several runs have, the first.
        named, track = distinct(Slices.of_arrow(ids))
        order = pc.sort_indices(ids.take(pa.array(named))).to_numpy()
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        named = named[order]
        day = landing.hour // 24
        days = np.unique(day)
        # Days before tracks, as in the keys; not every track was played on every day.
        pair = np.searchsorted(days, day) * len(named) + rank[track][landing.track]
        is_played = np.zeros(len(days) * len(named), np.bool_)
        is_played[pair] = True
        which_day, which_track = np.divmod(np.flatnonzero(is_played), len(named))
        names = Slices.of_arrow(ids.take(pa.array(named)))
        keys = [
            prefix + name
            for number, prefix in enumerate(key_of(int(one), b"") for one in days)
            for name in names.take(which_track[which_day == number]).objects()
        ]
        key = (np.cumsum(is_played) - 1)[pair]
        return cls(keys, days[which_day].astype(np.int64), named[which_track], key, landing)

    def pieces(self) -> Iterator[Piece]:
        """All of it, in the order of the keys."""
        for first in range(0, len(self.keys), PIECE_KEYS):
            end = first + PIECE_KEYS
            rows = np.flatnonzero((self.key >= first) & (self.key < end))
            yield Piece(
                first, self.keys[first:end], self.days[first:end], self.key[rows], self.landing.take(rows)
            )

    def names(self, keys: Sequence[int]) -> list[tuple[str | None, str | None]]:
        """Title and artist of some keys, as one of their plays said."""
        return self.landing.tracks.names(self.named[list(keys)])
