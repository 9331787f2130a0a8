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
import numpy.typing as npt

from charts.chart import GLOBAL
from charts.compiled import FLAGS, INT_ROWS, INTS, INTS_OUT, compiled
from charts.play import region_code, region_name
from charts.tally import ALL, CODE_MASK, DAY, DAY_BYTES, HOUR_MASK, Change, Ints
from charts.window import DAY_MS, HOUR_MS, Window

#: A flush seldom touches more boards: some of sixty regions and three hours. A power of two.
_BOARDS = 1 << 12
#: Counts from here on are told apart only once they are on a list.
_LEVELS = 64


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

    def update(self, keys: Sequence[bytes], days: Ints, change: Change) -> dict[bytes, int]:
        """Take in changed counts; `keys` are sorted tally keys, `days` their days.

        Tells which tracks are on some list now, each with one of its keys (as an index).
        """
        place, plays = change.cells.place, change.cells.plays
        boards, where, totals = _numbered(days, change)
        self._add_totals(boards, totals)
        least, limit = self._bars(boards, keys)
        levels, cut = np.zeros((len(boards), _LEVELS), np.int64), np.zeros(len(boards), np.int64)
        room, rows = np.full(len(boards), self.n, np.int64), np.empty(len(place), np.int64)
        chosen = rows[: _choose(where, place, plays, least, limit, levels, cut, room, rows)]
        return self._add_counts(keys, boards[where[chosen]], place[chosen] >> 24, plays[chosen])

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

    def _add_totals(self, boards: Ints, totals: Ints) -> None:
        for packed, (plays, tracks) in zip(boards.tolist(), totals.T.tolist(), strict=True):
            found = self.lists.get(packed)
            if found is None:
                found = self.lists[packed] = TopList()
            found.plays += plays
            found.tracks += tracks
        self._changed.update(boards.tolist())

    def _bars(self, boards: Ints, keys: Sequence[bytes]) -> tuple[Ints, Ints]:
        """What a count on each board must beat: more plays, or as many and a key before this one."""
        least, limit = np.zeros((2, len(boards)), np.int64)
        for number, packed in enumerate(boards.tolist()):
            if (bar := self.lists[packed].bar) is not None:
                least[number] = bar[0]
                limit[number] = bisect_left(keys, (packed >> 24).to_bytes(DAY_BYTES, "big") + bar[1])
        return least, limit

    def _add_counts(self, keys: Sequence[bytes], board: Ints, key: Ints, plays: Ints) -> dict[bytes, int]:
        told: dict[bytes, int] = {}
        grown = set()
        for packed, row, count in zip(board.tolist(), key.tolist(), plays.tolist(), strict=True):
            counts, track = self.lists[packed].counts, keys[row][DAY_BYTES:]
            counts[track], told[track] = count, row
            if len(counts) > 2 * self.n:
                grown.add(packed)
        for packed in grown:
            self._cut(self.lists[packed])
        return told

    def _cut(self, found: TopList) -> None:
        first = found.first(self.n)
        found.counts = dict(first)
        found.bar = (first[-1][1], first[-1][0])


def _numbered(days: Ints, change: Change) -> tuple[Ints, Ints, Ints]:
    """The boards that changed, which of them each row is, and how many plays and tracks each got."""
    room = _BOARDS
    where = np.empty(len(change.added), np.int64)
    while True:
        boards, totals, slots = np.empty(room, np.int64), np.zeros((2, room), np.int64), np.full(4 * room, -1)
        count = _number(change.cells.place, days, change.added, change.entered, boards, totals, where, slots)
        if count >= 0:
            return boards[:count], where, totals[:, :count]
        room *= 4


@compiled(INTS, INTS, INTS, FLAGS, INTS_OUT, INT_ROWS, INTS_OUT, INTS_OUT)
def _number(
    place: Ints,
    days: Ints,
    added: Ints,
    entered: npt.NDArray[np.bool_],
    boards: Ints,
    totals: Ints,
    where: Ints,
    slots: Ints,
) -> int:
    """Number the boards as they come, by a table of a power of two slots; -1 if there are too many."""
    count = 0
    for row in range(len(place)):
        board = days[place[row] >> 24] << 24 | place[row] & CODE_MASK
        slot = (board ^ board >> 12 ^ board >> 24) & (len(slots) - 1)
        while slots[slot] >= 0 and boards[slots[slot]] != board:
            slot = (slot + 1) & (len(slots) - 1)
        if slots[slot] < 0:
            if count == len(boards):
                return -1
            boards[count], slots[slot] = board, count
            count += 1
        where[row] = slots[slot]
        totals[0, where[row]] += added[row]
        totals[1, where[row]] += entered[row]
    return count


@compiled()
def _clears(row: int, where: Ints, place: Ints, plays: Ints, least: Ints, limit: Ints) -> bool:
    board = where[row]
    return plays[row] > least[board] or (plays[row] == least[board] and place[row] >> 24 < limit[board])


@compiled(INTS, INTS, INTS, INTS, INTS, INT_ROWS, INTS_OUT, INTS_OUT, INTS_OUT)
def _choose(
    where: Ints,
    place: Ints,
    plays: Ints,
    least: Ints,
    limit: Ints,
    levels: Ints,
    cut: Ints,
    room: Ints,
    chosen: Ints,
) -> int:
    """Choose the rows that clear the bar and may be among the first of their boards, `room` each.

    They are counted by their plays, up to a level. So it is known at how few plays there is still room, and
    of the rows that have just so many the first ones get it: they come by track. Tells how many are chosen.
    """
    for row in range(len(where)):
        if _clears(row, where, place, plays, least, limit):
            levels[where[row], min(plays[row], _LEVELS - 1)] += 1
    for board in range(len(cut)):
        level = _LEVELS - 1
        # Those of the highest level are not told apart.
        room[board] = max(room[board], levels[board, level])
        while level > 1 and levels[board, level] < room[board]:
            room[board] -= levels[board, level]
            level -= 1
        cut[board] = level
    count = 0
    for row in range(len(where)):
        board, level = where[row], min(plays[row], _LEVELS - 1)
        if level < cut[board] or not _clears(row, where, place, plays, least, limit):
            continue
        if level == cut[board]:
            if room[board] == 0:
                continue
            room[board] -= 1
        chosen[count] = row
        count += 1
    return count
