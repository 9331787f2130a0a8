"""Top lists: the exact first N tracks of every region and window, kept from the changed counts alone.

Counts within a window never fall. So a track that was passed over can only come in by being played again,
and then it is among the changes at hand: keeping N is exact. (Were counts to fall, it would not be.)
A list may grow to 2N before it is cut back; its last place is then the bar that others have to clear,
ties by track id included.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from charts.chart import GLOBAL
from charts.play import region_code, region_name
from charts.tally import ALL, DAY, DAY_BYTES, HOUR_MASK, Change, Ints
from charts.window import DAY_MS, HOUR_MS, Window


class Place(NamedTuple):
    """Which board: a day, a region (0 is global) and an hour of the day (255 is the day itself)."""

    day: int
    region: int
    hour: int

    @classmethod
    def of(cls, region: str, window: Window) -> "Place":
        day, hour = divmod(window.start // HOUR_MS, 24)
        code = ALL if region == GLOBAL else region_code(region)
        return cls(day, code, DAY if window.kind == "day" else hour)

    @property
    def window(self) -> Window:
        if self.hour == DAY:
            return Window("day", self.day * DAY_MS)
        return Window("hour", self.day * DAY_MS + self.hour * HOUR_MS)

    @property
    def packed(self) -> int:
        return self.day << 24 | self.region << 8 | self.hour

    @property
    def region_name(self) -> str:
        return GLOBAL if self.region == ALL else region_name(self.region)

    @classmethod
    def unpack(cls, packed: int) -> "Place":
        return cls(packed >> 24, packed >> 8 & 0xFFFF, packed & HOUR_MASK)


@dataclass(slots=True)
class TopList:
    """The candidates of one board and its totals."""

    plays: int = 0
    tracks: int = 0
    counts: dict[bytes, int] = field(default_factory=dict)
    #: The place to beat: (plays, track); None while there is room.
    bar: tuple[int, bytes] | None = None

    def first(self, n: int) -> list[tuple[bytes, int]]:
        """The ranking: by plays, then by track id."""
        return sorted(sorted(self.counts.items()), key=itemgetter(1), reverse=True)[:n]


class TopLists:
    """All boards of one partition."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.lists: dict[int, TopList] = {}
        #: Boards that changed since they were last taken, packed.
        self._changed: set[int] = set()
        self._barred: Ints = np.zeros(0, np.int64)
        self._bars: list[tuple[int, bytes]] = []

    def update(self, keys: Sequence[bytes], days: Ints, change: Change) -> set[int]:
        """Take in changed counts; `keys` are sorted tally keys, `days` their days.

        Tells which keys (as indices) are on some list now.
        """
        cells = change.cells
        if not len(cells.place):
            return set()
        key, plays = cells.key, cells.plays
        board = days[key] << 24 | cells.code
        self._add_totals(board, change)
        chosen = self._clears_bar(keys, key, board, plays)
        chosen = chosen[_best(self.n, board[chosen], plays[chosen], key[chosen])]
        rows = key[chosen].tolist()
        grown = set()
        for packed, row, count in zip(board[chosen].tolist(), rows, plays[chosen].tolist(), strict=True):
            counts = self.lists[packed].counts
            counts[keys[row][DAY_BYTES:]] = count
            if len(counts) > 2 * self.n:
                grown.add(packed)
        for packed in grown:
            self._cut(self.lists[packed])
        if grown:
            self._index_bars()
        return set(rows)

    def take_changed(self) -> list[Place]:
        """The boards that changed since the last call."""
        changed, self._changed = self._changed, set()
        return [Place.unpack(packed) for packed in sorted(changed)]

    def mark_changed(self, places: Iterable[Place]) -> None:
        """Have boards published again."""
        self._changed.update(place.packed for place in places if place.packed in self.lists)

    def places(self) -> Iterator[Place]:
        return (Place.unpack(packed) for packed in list(self.lists))

    def get(self, place: Place) -> TopList | None:
        return self.lists.get(place.packed)

    def drop(self, places: Iterable[Place]) -> None:
        """Forget boards."""
        for place in places:
            self.lists.pop(place.packed, None)
            self._changed.discard(place.packed)
        self._index_bars()

    def _add_totals(self, board: Ints, change: Change) -> None:
        boards, where = np.unique(board, return_inverse=True)
        added = np.bincount(where, weights=change.added).astype(np.int64)
        entered = np.bincount(where, weights=change.entered).astype(np.int64)
        for packed, more, new in zip(boards.tolist(), added.tolist(), entered.tolist(), strict=True):
            found = self.lists.get(packed)
            if found is None:
                found = self.lists[packed] = TopList()
            found.plays += more
            found.tracks += new
        self._changed.update(boards.tolist())

    def _clears_bar(self, keys: Sequence[bytes], key: Ints, board: Ints, plays: Ints) -> Ints:
        """The rows that beat their board's last place: more plays, or as many and a smaller track id."""
        if not len(self._barred) or not len(key):
            return np.arange(len(key))
        where = np.minimum(np.searchsorted(self._barred, board), len(self._barred) - 1)
        barred = self._barred[where] == board
        least = np.array([plays for plays, _ in self._bars], np.int64)[where]
        ahead = plays > least
        tied = np.flatnonzero(barred & (plays == least))
        if len(tied):
            limit = {
                bar: bisect_left(
                    keys, int(self._barred[bar] >> 24).to_bytes(DAY_BYTES, "big") + self._bars[bar][1]
                )
                for bar in np.unique(where[tied]).tolist()
            }
            ahead[tied] = [
                row < limit[bar] for row, bar in zip(key[tied].tolist(), where[tied].tolist(), strict=True)
            ]
        return np.flatnonzero(~barred | ahead)

    def _cut(self, found: TopList) -> None:
        first = found.first(self.n)
        found.counts = dict(first)
        found.bar = (first[-1][1], first[-1][0])

    def _index_bars(self) -> None:
        barred = sorted((packed, found.bar) for packed, found in self.lists.items() if found.bar is not None)
        self._barred = np.array([packed for packed, _ in barred], np.int64)
        self._bars = [bar for _, bar in barred]


def _best(n: int, board: Ints, plays: Ints, key: Ints) -> Ints:
    """The rows among the first n of their own board: no other can be on the list."""
    if len(board) <= n:
        return np.arange(len(board))
    order = np.lexsort((key, -plays, board))
    ordered = board[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return order[rank < n]
