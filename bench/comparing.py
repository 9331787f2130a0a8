"""Our answers beside the truth: every chart over HTTP, every count in RocksDB.

The truth, of millions of cells, is put in order once per data set; each worker's counts are compared with it
as arrays. A count is known by one number: its track's place among all, its hour or day, its region.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import rocksdict

from bench.dataset import TOP, Census
from charts.errors import ChartsError
from charts.tally import ALL, DAY, DAY_BYTES, HOUR_MASK, Ints, Stored, days_of
from charts.window import DAY_MS, HOUR_MS, rfc3339
from tables.tally_keys import MARKER, META

_OFFSET_KEY = b"__faust\0offset__"
#: Bits of a region's code, and of hours (or days) since 1970.
_REGION_BITS, _PERIOD_BITS = 16, 20


class Wrong(ChartsError):
    """Raised when a contender's answer is not the truth, or it gave none."""


def compare_charts(census: Census, ask: Callable[[str], Any], since_hour: int = 0) -> int:
    """Every chart that is served now, in full order, with the truth; how many.

    Of a whole day the first hours are final and gone: `since_hour` (counted from 1970) is not.
    """
    compared = 0
    for (region, kind, number), (best, plays, tracks) in census.tops.items():
        if (number if kind == "hour" else number * 24 + 23) < since_hour:
            continue
        starts_at = rfc3339(number * (HOUR_MS if kind == "hour" else DAY_MS))
        chart = ask(f"/v1/charts/{region}/{kind}?limit={TOP}&at={starts_at}")
        if chart is None:
            raise Wrong(f"no chart for {region} {kind} {starts_at}")
        if [(entry["track_id"], entry["plays"]) for entry in chart["entries"]] != best:
            raise Wrong(f"the chart of {region} {kind} {starts_at} is not the truth's")
        if (chart["plays"], chart["tracks"]) != (plays, tracks):
            raise Wrong(f"the totals of {region} {kind} {starts_at} are not the truth's")
        compared += 1
    return compared


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Counts in the order of their places, each once: `track << 36 | hour or day << 16 | region`."""

    place: Ints
    plays: Ints

    @classmethod
    def joined(cls, parts: Sequence[tuple[Ints, Ints]]) -> "Counts":
        """Parts in any order; places that come twice are added."""
        place, plays = (np.concatenate(column) for column in zip(*parts, strict=True))
        places, where = np.unique(place, return_inverse=True)
        return cls(places, np.bincount(where, plays, len(places)).astype(np.int64))

    def since(self, period: int) -> "Counts":
        kept = (self.place >> _REGION_BITS) & ((1 << _PERIOD_BITS) - 1) >= period
        return Counts(self.place[kept], self.plays[kept])

    def unlike(self, other: "Counts") -> int:
        """How many of these the other has not, or not with this count."""
        at = np.searchsorted(other.place, self.place)
        at[at == len(other.place)] = 0
        same = (
            (other.place[at] == self.place) & (other.plays[at] == self.plays) if len(other.place) else at < 0
        )
        return int(np.count_nonzero(~same))


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What every hour and every day must hold, of each region and of all."""

    tracks: dict[bytes, int]
    hours: Counts
    days: Counts

    @classmethod
    def of(cls, census: Census) -> "Truth":
        tracks: dict[bytes, int] = {}
        rows = np.fromiter(
            (
                number
                for (region, hour, track), plays in census.cells.items()
                for number in (tracks.setdefault(track.encode(), len(tracks)), hour, _code(region), plays)
            ),
            np.int64,
            4 * len(census.cells),
        )
        track, hour, code, plays = rows.reshape(-1, 4).T
        everywhere = np.full_like(code, ALL)
        hours, days = (
            Counts.joined([(_place(track, period, each), plays) for each in (code, everywhere)])
            for period in (hour, hour // 24)
        )
        return cls(tracks, hours, days)


def _code(region: str) -> int:
    return int.from_bytes(region.encode(), "big")


def _place(track: Ints, period: Ints, code: Ints) -> Ints:
    return track << (_REGION_BITS + _PERIOD_BITS) | period << _REGION_BITS | code


def compare_tallies(census: Census, folder: Path) -> None:
    """Every count in the stores below a folder with the truth; days and hours that are final may be gone."""
    truth = census.once("truth", Truth.of)
    stored, settled = _stored(folder, truth.tracks)
    for what, found, true, first in (
        ("days", stored.days, truth.days, settled // 24),
        ("open hours", stored.hours.since(settled), truth.hours, settled),
    ):
        if wrong := found.unlike(true) or true.since(first).unlike(found):
            raise Wrong(f"{wrong:,} counts of {what} in RocksDB are not the truth's")


def _stored(folder: Path, tracks: dict[bytes, int]) -> tuple[Truth, int]:
    """What the stores of all partitions hold, and the hour below which one of them is final."""
    places: dict[bool, list[tuple[Ints, Ints]]] = {True: [], False: []}
    settled = 0
    for path in sorted(folder.rglob("tally-*.db")):
        held = _read(path)
        settled = max(settled, orjson.loads(held.get(MARKER, b'{"settled": 0}'))["settled"])
        keys = [key for key in held if key < META and key != _OFFSET_KEY]
        # A track that the truth does not know has a place that the truth does not have.
        track = np.fromiter((tracks.get(key[DAY_BYTES:], len(tracks)) for key in keys), np.int64, len(keys))
        cells = Stored.of([held[key] for key in keys]).cells
        row, hour = cells.key, cells.code & HOUR_MASK
        day, is_day = days_of(keys)[row], hour == DAY
        place = _place(track[row], np.where(is_day, day, day * 24 + hour), cells.code >> 8)
        for kind, parts in places.items():
            parts.append((place[is_day == kind], cells.plays[is_day == kind]))
    days, hours = (Counts.joined(places[kind]) for kind in (True, False))
    return Truth(tracks, hours, days), settled


def _read(path: Path) -> dict[bytes, bytes]:
    options = rocksdict.Options(raw_mode=True)
    db = rocksdict.Rdict(str(path), options=options, access_type=rocksdict.AccessType.read_only())
    try:
        return dict(db.items())
    finally:
        db.close()
