"""Tallies: the counts of one track in one day, as one value of packed words.

    key     day (two bytes, big-endian) + track id
    value   fence, then words of  plays << 24 | region << 8 | hour, in the order of region and hour

A play adds to four words: its region's and all regions' (region 0), by hour and for the day (hour 255). So
every board's count stands in the value as it is, and an hour that is final is simply left out.

The fence is the source offset the value includes: a play at or below it is in there already, whatever else
was lost. All words are little-endian u64: thousands of values are read, added to and written in one go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from charts.compiled import FLAGS, INTS, INTS_OUT, compiled
from charts.errors import BrokenInvariant

Ints = npt.NDArray[np.int64]
#: Numbers that need no eight bytes: many of them wait in memory for their flush.
Narrow = npt.NDArray[np.int32]

#: The hour of a word that holds the whole day.
DAY = 0xFF
#: The region of a word that holds all regions.
ALL = 0
HOUR_MASK = 0xFF
CODE_MASK = 0xFFFFFF
DAY_BYTES = 2
#: A play adds to so many words.
_PLACES = 4
_WORD_BYTES = 8


def key_of(day: int, track: bytes) -> bytes:
    return day.to_bytes(DAY_BYTES, "big") + track


def days_of(keys: Sequence[bytes]) -> Ints:
    """The day of each key."""
    return np.frombuffer(b"".join([key[:DAY_BYTES] for key in keys]), ">u2").astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Counts by place: `key << 24 | region << 8 | hour`, each once and in order; keys are indices."""

    place: Ints
    plays: Ints

    @property
    def key(self) -> Ints:
        return self.place >> 24

    @property
    def code(self) -> Ints:
        return self.place & CODE_MASK

    def since(self, days: Ints, settled: int) -> "Cells":
        """Without the hours before `settled` (counted from 1970); days stay."""
        hour = self.place & HOUR_MASK
        kept = (hour == DAY) | (days[self.key] * 24 + hour >= settled)
        return self if kept.all() else Cells(self.place[kept], self.plays[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What plays did, place by place: the count after it, how much it added, and where there was none."""

    cells: Cells
    added: Ints
    entered: npt.NDArray[np.bool_]


class Changes:
    """The change of a flush as it comes to be, some keys after the other."""

    def __init__(self, plays: int) -> None:
        """Room for all that so many plays may change; what of it is not used is no memory."""
        self._place, self._after, self._added = np.empty((3, _PLACES * plays), np.int64)
        self._entered = np.empty(_PLACES * plays, np.bool_)
        self._count = 0

    @property
    def room(self) -> tuple[Ints, Ints, Ints, npt.NDArray[np.bool_]]:
        """Where the next ones go."""
        rest = slice(self._count, None)
        return self._place[rest], self._after[rest], self._added[rest], self._entered[rest]

    def took(self, count: int, first: int) -> None:
        """So many more are there, of keys that are counted from this one on."""
        self._place[self._count : self._count + count] += first << 24
        self._count += count

    @property
    def whole(self) -> Change:
        found = slice(self._count)
        return Change(Cells(self._place[found], self._after[found]), self._added[found], self._entered[found])


def fence_of(value: bytes) -> int:
    return int.from_bytes(value[:8], "little")


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """The values of some keys, side by side; a key that has none has no words."""

    words: Ints
    #: Where each one begins, and where the last one ends.
    bounds: Ints

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> "Stored":
        octets = np.cumsum([0, *(0 if value is None else len(value) for value in values)], dtype=np.int64)
        if (octets % _WORD_BYTES).any():
            raise BrokenInvariant("a tally's value is not made of words")
        words = np.frombuffer(b"".join([value or b"" for value in values]), "<i8")
        return cls(words, octets // _WORD_BYTES)

    @property
    def fences(self) -> Ints:
        """The fence of each key; -1 where there is none."""
        fences = np.full(len(self.bounds) - 1, -1, np.int64)
        is_there = self.bounds[1:] > self.bounds[:-1]
        fences[is_there] = self.words[self.bounds[:-1][is_there]]
        return fences

    @property
    def cells(self) -> Cells:
        """All counts."""
        sizes = np.diff(self.bounds)
        is_count = np.ones(len(self.words), np.bool_)
        is_count[self.bounds[:-1][sizes > 0]] = False
        key, words = np.repeat(np.arange(len(sizes)), np.maximum(sizes - 1, 0)), self.words[is_count]
        return Cells(key << 24 | words & CODE_MASK, words >> 24)


def played(key: Ints, region: Ints | Narrow, hour: Ints | Narrow) -> Ints:
    """Plays as places, in order: a place is `key << 24 | region << 8 | hour`; keys are indices."""
    return np.sort(key << 24 | region << 8 | hour)


def add(
    stored: Stored, plays: Ints, fences: Ints, oldest: Ints, changes: Changes, first: int = 0
) -> list[bytes]:
    """The values of the keys from the first on, with some plays added, under new fences.

    The hours before the `oldest` of a key are left out of its value; days stay.
    """
    words = np.empty(len(stored.words) + len(fences) + _PLACES * len(plays), np.int64)
    ends = np.empty(len(fences), np.int64)
    hours = np.zeros(HOUR_MASK + 1, np.int64)
    before = (stored.words, stored.bounds, plays, fences, oldest, hours)
    changes.took(_add(*before, words, ends, *changes.room), first)
    size = ends[-1] if len(ends) else 0
    blob, bounds = words[:size].astype("<i8", copy=False).tobytes(), [0, *(ends * _WORD_BYTES).tolist()]
    return [blob[start:end] for start, end in pairwise(bounds)]


@compiled()
def _places(
    key: int, plays: Ints, at: int, hours: Ints, place: Ints, added: Ints, count: int
) -> tuple[int, int]:
    """What the plays of a key add, in order: all regions by hour and day, then each region likewise.

    `hours` is full of zeros, before and after. Tells where the next key's plays begin, and how many places
    there are now.
    """
    first, end = at, at
    while end < len(plays) and plays[end] >> 24 == key:
        hours[plays[end] & HOUR_MASK] += 1
        end += 1
    if first == end:
        return end, count
    for hour in range(len(hours)):
        if hours[hour] > 0:
            place[count], added[count] = key << 24 | hour, hours[hour]
            hours[hour] = 0
            count += 1
    place[count], added[count] = key << 24 | DAY, end - first
    count += 1
    while at < end:
        start, region = at, plays[at] >> 8
        while at < end and plays[at] >> 8 == region:
            same = at
            while at < end and plays[at] == plays[same]:
                at += 1
            place[count], added[count] = plays[same], at - same
            count += 1
        place[count], added[count] = region << 8 | DAY, at - start
        count += 1
    return end, count


@compiled(
    *(INTS, INTS, INTS, INTS, INTS, INTS_OUT),
    *(INTS_OUT, INTS_OUT, INTS_OUT, INTS_OUT, INTS_OUT, FLAGS),
)
def _add(
    stored: Ints,
    bounds: Ints,
    plays: Ints,
    fences: Ints,
    oldest: Ints,
    hours: Ints,
    words: Ints,
    ends: Ints,
    place: Ints,
    after: Ints,
    added: Ints,
    entered: npt.NDArray[np.bool_],
) -> int:
    """Key by key: what its plays add, place by place, and that side by side with what is stored.

    Tells how many places changed.
    """
    at, size, count = 0, 0, 0
    for key in range(len(fences)):
        new = count
        at, count = _places(key, plays, at, hours, place, added, count)
        words[size] = fences[key]
        size += 1
        old = bounds[key] + 1
        while old < bounds[key + 1] or new < count:
            old_code = stored[old] & CODE_MASK if old < bounds[key + 1] else CODE_MASK + 1
            new_code = place[new] & CODE_MASK if new < count else CODE_MASK + 1
            code, total = min(old_code, new_code), 0
            if old_code == code:
                total = stored[old] >> 24
                old += 1
            if new_code == code:
                total += added[new]
                after[new], entered[new] = total, old_code != code
                new += 1
            if code & HOUR_MASK == DAY or code & HOUR_MASK >= oldest[key]:
                words[size] = total << 24 | code
                size += 1
        ends[key] = size
    return count


def all_new(cells: Cells) -> Change:
    """Cells as the change that brought them from nothing."""
    return Change(cells, cells.plays, np.ones(len(cells.plays), np.bool_))
