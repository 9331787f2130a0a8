"""Remembered plays: which identities were seen in which hour, and at which offset.

Per hour a few sorted arrays, merged as they grow alike (so a play is copied a logarithmic number of times);
16 bytes a play, and no object. An hour is forgotten whole. The same structure serves the duplicates check
(hours of event time) and the receipts of plays that did not count (hours of arrival).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from charts.compiled import HASHES, HASHES_OUT, INTS, INTS_OUT, compiled
from charts.identity import Hashes
from charts.tally import Ints, Narrow

#: Arrays are merged while the older is less than this many times the newer.
_GROWTH = 4


@dataclass(slots=True)
class _Hour:
    """Sorted arrays of identities with what is noted of each, oldest and largest first."""

    layers: list[tuple[Hashes, Ints]] = field(default_factory=list)

    def add(self, hashes: Hashes, notes: Ints) -> None:
        while self.layers and len(self.layers[-1][0]) < _GROWTH * len(hashes):
            hashes, notes = _merged(self.layers.pop(), (hashes, notes))
        self.layers.append((hashes, notes))

    def holds(self, hashes: Hashes) -> np.ndarray:
        """Which of these (sorted) identities were seen."""
        held = np.zeros(len(hashes), np.bool_)
        for layer, _ in self.layers:
            where = np.minimum(np.searchsorted(layer, hashes), len(layer) - 1)
            held |= layer[where] == hashes
        return held

    def find(self, identity: int) -> Iterator[int]:
        wanted = np.uint64(identity)
        for layer, notes in self.layers:
            first, last = np.searchsorted(layer, wanted, "left"), np.searchsorted(layer, wanted, "right")
            yield from notes[first:last].tolist()


def _merged(older: tuple[Hashes, Ints], newer: tuple[Hashes, Ints]) -> tuple[Hashes, Ints]:
    """Two layers as one."""
    size = len(older[0]) + len(newer[0])
    hashes, notes = np.empty(size, np.uint64), np.empty(size, np.int64)
    _merge(*older, *newer, hashes, notes)
    return hashes, notes


@compiled(HASHES, INTS, HASHES, INTS, HASHES_OUT, INTS_OUT)
def _merge(
    older: Hashes, their_notes: Ints, newer: Hashes, notes: Ints, hashes: Hashes, merged: Ints
) -> None:
    """Two sorted layers side by side; of equal identities the older first."""
    left, right = 0, 0
    for row in range(len(hashes)):
        if right == len(newer) or (left < len(older) and older[left] <= newer[right]):
            hashes[row], merged[row] = older[left], their_notes[left]
            left += 1
        else:
            hashes[row], merged[row] = newer[right], notes[right]
            right += 1


class Remembered:
    """Identities by hour, each with a note (an offset, or an offset and a verdict)."""

    def __init__(self) -> None:
        self._hours: dict[int, _Hour] = {}

    def __len__(self) -> int:
        return sum(len(layer) for hour in self._hours.values() for layer, _ in hour.layers)

    @property
    def size_bytes(self) -> int:
        return 16 * len(self)

    def admit(self, hours: Ints | Narrow, hashes: Hashes, notes: Ints) -> np.ndarray:
        """Remember what is new; tells which rows were: of equal identities, the first row."""
        new = np.zeros(len(hashes), np.bool_)
        for hour in np.unique(hours).tolist():
            rows = np.flatnonzero(hours == hour)
            new[rows[self._admit(hour, hashes[rows], notes[rows])]] = True
        return new

    def note(self, hour: int, hashes: Hashes, notes: Ints) -> None:
        """Remember rows as they are, repeated identities too."""
        if len(hashes):
            order = np.argsort(hashes, kind="stable")
            self._hours.setdefault(hour, _Hour()).add(hashes[order], notes[order])

    def load(self, hour: int, hashes: Hashes, notes: Ints) -> None:
        """Take in what was stored: pieces written twice, across a crash, are one."""
        if not len(hashes):
            # All of them lay past the marker.
            return
        order = np.lexsort((notes, hashes))
        hashes, notes = hashes[order], notes[order]
        once = np.append(True, (hashes[1:] != hashes[:-1]) | (notes[1:] != notes[:-1]))
        self._hours[hour] = _Hour([(hashes[once], notes[once])])

    def find(self, identity: int) -> list[tuple[int, int]]:
        """(hour, note) of everything remembered of this identity."""
        return [(hour, note) for hour, kept in self._hours.items() for note in kept.find(identity)]

    def forget(self, before: int) -> None:
        """Forget the hours before this one."""
        for hour in [hour for hour in self._hours if hour < before]:
            del self._hours[hour]

    def _admit(self, hour: int, hashes: Hashes, notes: Ints) -> Ints:
        kept = self._hours.setdefault(hour, _Hour())
        order = np.argsort(hashes)
        ordered = hashes[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        # Sorting does not keep equal identities in order: the first of each is the least row.
        first = order if len(starts) == len(order) else np.minimum.reduceat(order, starts)
        fresh = ~kept.holds(ordered[starts])
        first = first[fresh]
        if len(first):
            kept.add(ordered[starts][fresh], notes[first])
        return first
