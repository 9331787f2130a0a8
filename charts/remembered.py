"""Remembered plays: which identities were seen in which hour, and at which offset.

Per hour a few sorted arrays, merged as they grow alike (so a play is copied a logarithmic number of times);
12 bytes a play, and no object. An hour is forgotten whole. The same structure serves the duplicates check
(hours of event time) and the receipts of plays that did not count (hours of arrival).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from charts.compiled import HALVES, HALVES_OUT, HASHES, HASHES_OUT, compiled
from charts.identity import Hashes
from charts.tally import Ints, Narrow

#: The lower halves of some notes; those of an hour have one upper half, or few.
Halves: TypeAlias = npt.NDArray[np.uint32]
_HALF_BITS = 32

#: Arrays are merged while the older is less than this many times the newer.
_GROWTH = 4


@dataclass(slots=True)
class _Hour:
    """Sorted arrays of identities with what is noted of each, by the notes' upper half; largest first."""

    layers: dict[int, list[tuple[Hashes, Halves]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(hashes) for hashes, _ in self)

    def __iter__(self) -> Iterator[tuple[Hashes, Halves]]:
        # A copy: metrics are read while a flush adds.
        for layers in [*self.layers.values()]:
            yield from layers

    def add(self, hashes: Hashes, notes: Ints) -> None:
        """Take in sorted identities, one at least."""
        upper, halves = notes >> _HALF_BITS, notes.astype(np.uint32)
        if (upper == upper[0]).all():
            self._add(int(upper[0]), hashes, halves)
            return
        for half in np.unique(upper).tolist():
            rows = upper == half
            self._add(half, hashes[rows], halves[rows])

    def holds(self, hashes: Hashes) -> np.ndarray:
        """Which of these (sorted) identities were seen."""
        held = np.zeros(len(hashes), np.bool_)
        for layer, _ in self:
            where = np.minimum(np.searchsorted(layer, hashes), len(layer) - 1)
            held |= layer[where] == hashes
        return held

    def find(self, identity: int) -> Iterator[int]:
        """What is noted of an identity."""
        wanted = np.uint64(identity)
        for upper, layers in self.layers.items():
            for layer, halves in layers:
                first, last = np.searchsorted(layer, wanted, "left"), np.searchsorted(layer, wanted, "right")
                yield from (upper << _HALF_BITS | half for half in halves[first:last].tolist())

    def _add(self, upper: int, hashes: Hashes, halves: Halves) -> None:
        layers = self.layers.setdefault(upper, [])
        while layers and len(layers[-1][0]) < _GROWTH * len(hashes):
            hashes, halves = _merged(layers.pop(), (hashes, halves))
        layers.append((hashes, halves))


def _merged(older: tuple[Hashes, Halves], newer: tuple[Hashes, Halves]) -> tuple[Hashes, Halves]:
    """Two layers as one."""
    size = len(older[0]) + len(newer[0])
    hashes, halves = np.empty(size, np.uint64), np.empty(size, np.uint32)
    _merge(*older, *newer, hashes, halves)
    return hashes, halves


@compiled(HASHES, HALVES, HASHES, HALVES, HASHES_OUT, HALVES_OUT)
def _merge(
    older: Hashes, their_halves: Halves, newer: Hashes, halves: Halves, hashes: Hashes, merged: Halves
) -> None:
    """Two sorted layers side by side; of equal identities the older first."""
    left, right = 0, 0
    for row in range(len(hashes)):
        if right == len(newer) or (left < len(older) and older[left] <= newer[right]):
            hashes[row], merged[row] = older[left], their_halves[left]
            left += 1
        else:
            hashes[row], merged[row] = newer[right], halves[right]
            right += 1


class Remembered:
    """Identities by hour, each with a note (an offset, or an offset and a verdict)."""

    def __init__(self) -> None:
        self._hours: dict[int, _Hour] = {}

    def __len__(self) -> int:
        return sum(map(len, [*self._hours.values()]))

    @property
    def size_bytes(self) -> int:
        return 12 * len(self)

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
        self._hours[hour] = _Hour()
        self._hours[hour].add(hashes[once], notes[once])

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
