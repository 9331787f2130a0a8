"""Tallies: the counts of one track in one day, as one value of packed words.

    key     day (two bytes, big-endian) + track id
    value   fence, then words of  plays << 24 | region << 8 | hour, in the order of region and hour

A play adds to four words: its region's and all regions' (region 0), by hour and for the day (hour 255). So
every board's count stands in the value as it is, and an hour that is final is simply left out.

The fence is the source offset the value includes: a play at or below it is in there already, whatever else
was lost. All words are little-endian u64, so merging thousands of values is a handful of array operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charts.compiled import FLAGS, INTS, INTS_OUT, compiled

Ints = npt.NDArray[np.int64]

#: The hour of a word that holds the whole day.
DAY = 0xFF
#: The region of a word that holds all regions.
ALL = 0
HOUR_MASK = 0xFF
CODE_MASK = 0xFFFFFF
DAY_BYTES = 2


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

    def pack(self, fences: Ints) -> list[bytes]:
        """The value of each key, in order."""
        words_per_key = np.bincount(self.key, minlength=len(fences)) + 1
        ends = np.cumsum(words_per_key)
        starts = ends - words_per_key
        words = np.empty(len(self.place) + len(fences), "<u8")
        is_fence = np.zeros(len(words), np.bool_)
        is_fence[starts] = True
        words[starts] = fences
        words[~is_fence] = self.plays << 24 | self.code
        blob = words.tobytes()
        return [
            blob[start:end] for start, end in zip((starts * 8).tolist(), (ends * 8).tolist(), strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What a merge did, place by place: the count after it, how much it added, and where there was none."""

    cells: Cells
    added: Ints
    entered: npt.NDArray[np.bool_]


def unpack(values: Sequence[bytes]) -> tuple[Ints, Cells]:
    """The fence of each value, and all their cells (keys count the values)."""
    words = np.frombuffer(b"".join(values), "<u8").astype(np.int64)
    lengths = np.fromiter(map(len, values), np.int64, len(values)) // 8
    starts = np.cumsum(lengths) - lengths
    is_fence = np.zeros(len(words), np.bool_)
    is_fence[starts] = True
    key = np.repeat(np.arange(len(values)), lengths - 1)
    words_only = words[~is_fence]
    return words[starts], Cells(key << 24 | words_only & CODE_MASK, words_only >> 24)


def fence_of(value: bytes) -> int:
    return int.from_bytes(value[:8], "little")


def count(key: Ints, region: Ints, hour: Ints) -> Cells:
    """One play per row, in any order, as cells: by region and in all, by hour and for the day."""
    place, plays = _grouped(np.sort(key << 24 | region << 8 | hour))
    by_day, day_plays = _grouped(place | DAY, plays)
    everywhere = (place >> 24 << 24) | place & HOUR_MASK
    order = np.argsort(everywhere, kind="stable")
    by_hour, hour_plays = _grouped(everywhere[order], plays[order])
    in_all, all_plays = _grouped(by_hour | DAY, hour_plays)
    places = np.concatenate([place, by_day, by_hour, in_all])
    order = np.argsort(places, kind="stable")
    return Cells(places[order], np.concatenate([plays, day_plays, hour_plays, all_plays])[order])


def merge(stored: Cells, new: Cells) -> tuple[Cells, Change]:
    """The sum of what was stored and what is new, and what that changed."""
    place, plays = np.empty((2, len(stored.place) + len(new.place)), np.int64)
    after, entered = new.plays.copy(), np.ones(len(new.place), np.bool_)
    count = _merge(stored.place, stored.plays, new.place, place, plays, after, entered)
    return Cells(place[:count], plays[:count]), Change(Cells(new.place, after), new.plays, entered)


@compiled(INTS, INTS, INTS, INTS_OUT, INTS_OUT, INTS_OUT, FLAGS)
def _merge(
    stored: Ints,
    stored_plays: Ints,
    new: Ints,
    place: Ints,
    plays: Ints,
    after: Ints,
    entered: npt.NDArray[np.bool_],
) -> int:
    """Both in order, side by side; `after` grows by what was stored. Tells how many places there are."""
    left, right, count = 0, 0, 0
    while left < len(stored) or right < len(new):
        if right == len(new) or (left < len(stored) and stored[left] < new[right]):
            place[count], plays[count] = stored[left], stored_plays[left]
            left += 1
        else:
            if left < len(stored) and stored[left] == new[right]:
                after[right] += stored_plays[left]
                entered[right] = False
                left += 1
            place[count], plays[count] = new[right], after[right]
            right += 1
        count += 1
    return count


def all_new(cells: Cells) -> Change:
    """Cells as the change that brought them from nothing."""
    return Change(cells, cells.plays, np.ones(len(cells.plays), np.bool_))


def _grouped(ordered: Ints, plays: Ints | None = None) -> tuple[Ints, Ints]:
    """Equal neighbours as one, with the sum of their plays (one each, if nothing is said)."""
    if not len(ordered):
        return ordered, ordered
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    if plays is None:
        return ordered[starts], np.diff(np.append(starts, len(ordered)))
    return ordered[starts], np.add.reduceat(plays, starts)
