"""Tallies: the counts of one track in one day, as one value of packed words.

    key     day (two bytes, big-endian) + track id
    value   fence, then words of  count << 24 | region << 8 | hour

The fence is the source offset the value includes: a play at or below it is in there already, whatever else
was lost. Hours that are final are folded into one word per region (hour 255), or a popular track would carry
every region's every hour to the end of the day. All words are little-endian u64, so merging thousands of
values is a handful of array operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

#: The hour of a word that holds the day's final hours.
FOLDED = 0xFF
HOUR_MASK = 0xFF
CODE_MASK = 0xFFFFFF
DAY_BYTES = 2


def key_of(day: int, track: bytes) -> bytes:
    return day.to_bytes(DAY_BYTES, "big") + track


def day_of(key: bytes) -> int:
    return int.from_bytes(key[:DAY_BYTES], "big")


def track_of(key: bytes) -> str:
    return key[DAY_BYTES:].decode()


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Counts of (key, region, hour): rows sorted by key and code, `added` being what this merge brought."""

    key: Ints
    code: Ints
    plays: Ints
    added: Ints

    @classmethod
    def of(cls, key: Ints, code: Ints) -> "Cells":
        """One play per row, in any order, grouped."""
        packed = np.sort(key << 24 | code)
        starts = _starts(packed)
        counts = np.diff(np.append(starts, len(packed)))
        packed = packed[starts]
        return cls(packed >> 24, packed & CODE_MASK, counts, counts)

    @classmethod
    def stored(cls, key: Ints, words: npt.NDArray[np.uint64]) -> "Cells":
        """What values held already."""
        cells = words.astype(np.int64)
        return cls(key, cells & CODE_MASK, cells >> 24, np.zeros(len(cells), np.int64))

    def merge(self, other: "Cells") -> "Cells":
        """The sum of both."""
        packed = np.concatenate([self.key << 24 | self.code, other.key << 24 | other.code])
        plays = np.concatenate([self.plays, other.plays])
        added = np.concatenate([self.added, other.added])
        return _sum(packed, plays, added)

    def fold(self, days: Ints, settled: int) -> "Cells":
        """Hours before `settled` (counted from 1970) move into their day's folded word."""
        hour = self.code & HOUR_MASK
        old = (hour != FOLDED) & (days[self.key] * 24 + hour < settled)
        if not old.any():
            return self
        code = np.where(old, self.code | FOLDED, self.code)
        return _sum(self.key << 24 | code, self.plays, self.added)

    def pack(self, keys: int, fences: Ints) -> list[bytes]:
        """The value of each key, in order."""
        words_per_key = np.bincount(self.key, minlength=keys) + 1
        ends = np.cumsum(words_per_key)
        starts = ends - words_per_key
        words = np.empty(len(self.key) + keys, "<u8")
        is_fence = np.zeros(len(words), np.bool_)
        is_fence[starts] = True
        words[starts] = fences
        words[~is_fence] = self.plays << 24 | self.code
        blob = words.tobytes()
        return [
            blob[start:end] for start, end in zip((starts * 8).tolist(), (ends * 8).tolist(), strict=True)
        ]


def unpack(values: Sequence[bytes]) -> tuple[Ints, Cells]:
    """The fence of each value, and all their cells (`key` counts the values)."""
    words = np.frombuffer(b"".join(values), "<u8")
    lengths = np.fromiter(map(len, values), np.int64, len(values)) // 8
    starts = np.cumsum(lengths) - lengths
    is_fence = np.zeros(len(words), np.bool_)
    is_fence[starts] = True
    key = np.repeat(np.arange(len(values)), lengths - 1)
    return words[starts].astype(np.int64), Cells.stored(key, words[~is_fence])


def fence_of(value: bytes) -> int:
    return int.from_bytes(value[:8], "little")


def _sum(packed: Ints, plays: Ints, added: Ints) -> Cells:
    order = np.argsort(packed, kind="stable")
    packed = packed[order]
    starts = _starts(packed)
    if not len(starts):
        return Cells(packed, packed, packed, packed)
    packed = packed[starts]
    return Cells(
        packed >> 24,
        packed & CODE_MASK,
        np.add.reduceat(plays[order], starts),
        np.add.reduceat(added[order], starts),
    )


def _starts(ordered: Ints) -> Ints:
    """Where each run of equal values begins."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else ordered
