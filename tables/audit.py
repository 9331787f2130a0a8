"""The audit: do the published charts say what the lake says?

Every final chart is counted again from the raw zone, on the basis its hours stand on, and compared row by
row: with the history, with the curated zone, days with their hours, `global` with its regions. The raw
files themselves must follow on each other and hold every record once.
"""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from charts import quality
from charts.chart import GLOBAL
from charts.recount import COUNTS, Ranking, counts_of, rank_days, rank_week
from charts.selection import Basis
from charts.verdict import Rulebook
from charts.window import DAY_MS, HOUR_MS, Kind, Window, rfc3339
from tables.chain import faults_of
from tables.curated import Curated, Sorted
from tables.hours import Hours
from tables.jobs import Jobs
from tables.late import LateIndex
from tables.postgres import Database
from tables.published import published
from tables.rows import Place
from tables.shares import Shares
from tables.store import Store

#: Offsets named behind a difference.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two sides do not agree, and what each says."""

    region: str
    window: Window
    what: str
    published: str
    lake: str
    #: Some of the records behind it: `log/partition:offset`.
    offsets: tuple[str, ...] = ()

    @property
    def row(self) -> tuple[str, ...]:
        where = f"{self.region} {self.window.kind} {rfc3339(self.window.start)}"
        return where, self.what, self.published, self.lake, " ".join(self.offsets)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which charts to look at; everything, where nothing is said."""

    start: int
    end: int
    region: str | None = None
    kind: Kind | None = None

    def covers(self, place: Place) -> bool:
        region, window = place
        return (
            self.start <= window.start < self.end
            and self.region in (None, region)
            and self.kind in (None, window.kind)
        )


class Audit:
    """Compares what was published with what the lake holds."""

    def __init__(self, store: Store, database: Database, book: Rulebook, *, log_id: str) -> None:
        self._store = store
        self._database = database
        self._book = book
        self._log_id = log_id
        self._jobs = Jobs(database)
        self._curated = Curated(store, self._jobs.tracks)
        self._late = LateIndex(store, database)
        #: Charts compared so far.
        self.charts = 0

    async def day(self, day: int, asked: Asked) -> list[Difference]:
        """The hours and the day's charts of one UTC day (counted from 1970)."""
        start = day * DAY_MS
        said = await published(self._database, ["hour", "day"], start, start + DAY_MS)
        wanted = {place for place in said if asked.covers(place)}
        added = quality.sums({place: ranking.plays for place, ranking in said.items()})
        found = [
            Difference(*odd.place, odd.what, str(odd.said), str(odd.summed))
            for odd in added
            if odd.place in wanted
        ]
        if not wanted:
            return found
        with tempfile.TemporaryDirectory(prefix="charts-audit-") as folder:
            plays = {hour: await self._gather(hour, Path(folder)) for hour in _hours_of(wanted)}
            with Shares(COUNTS, "track_id") as counts:
                for gathered in plays.values():
                    for region in gathered.names:
                        counts.add(counts_of(gathered.read(region)))
                ranked = rank_days(counts.tables(), max(len(ranking.first) for ranking in said.values()) + 1)
            for place in sorted(wanted, key=lambda place: (place[1], place[0])):
                self.charts += 1
                found += _compared(place, said[place], ranked.get(place, Ranking(0, 0, ())), plays)
            for hour in sorted({window.start // HOUR_MS for _, window in wanted if window.kind == "hour"}):
                found += await self._curated_hour(hour, plays[hour], asked)
            found += await self._raw(min(plays), max(plays))
        return found

    async def week(self, week: Window, asked: Asked) -> list[Difference]:
        """A week's charts, counted again from all its plays."""
        said = await published(self._database, ["week"], week.start, week.start + 1)
        wanted = {place for place in said if asked.covers(place)}
        if not wanted:
            return []
        counts = COUNTS.empty_table()
        for hour in range(week.start // HOUR_MS, week.end // HOUR_MS):
            parts = [counts_of(plays) async for plays in self._plays(hour)]
            counts = pa.concat_tables([counts, *parts])
        ranked = rank_week([counts], week, max(len(ranking.first) for ranking in said.values()) + 1)
        self.charts += len(wanted)
        return [
            difference
            for place in sorted(wanted)
            for difference in _compared(place, said[place], ranked.get(place, Ranking(0, 0, ())), {})
        ]

    async def _plays(self, hour: int) -> AsyncIterator[pa.Table]:
        """The plays an hour's charts count, on the basis the hour stands on."""
        basis = await self._jobs.basis(hour) or Basis(self._log_id)
        late = await self._late.files(hour // 24) if basis.late else []
        async for plays in Hours(self._store, self._book).plays(hour, basis, late):
            yield plays

    async def _gather(self, hour: int, folder: Path) -> Sorted:
        (folder / str(hour)).mkdir()
        gathered = Sorted(folder / str(hour))
        async for plays in self._plays(hour):
            if len(plays):
                gathered.add(plays)
        gathered.close()
        return gathered

    async def _curated_hour(self, hour: int, plays: Sorted, asked: Asked) -> list[Difference]:
        """Whether the curated zone holds these very records, each once."""
        if await self._jobs.basis(hour) is None:
            return []
        window = Window("hour", hour * HOUR_MS)
        there = [region for region, _ in await self._curated.places(range(hour, hour + 1))]
        found = []
        for region in sorted({*there, *plays.names}):
            if asked.region not in (None, region, GLOBAL):
                continue
            rows = await self._curated.read(region, hour, ["log", "partition", "offset"])
            held = Counter(_places_of(rows)) if rows is not None else Counter()
            counted = Counter(_places_of(plays.read(region)) if region in plays.names else ())
            missing, spare = counted - held, held - counted
            if missing or spare:
                what = "curated zone" if rows is not None else "curated file is missing"
                some = tuple(sorted(missing + spare)[:_NAMED])
                sizes = f"{held.total()} rows", f"{counted.total()} plays"
                found.append(Difference(region, window, what, *sizes, some))
        return found

    async def _raw(self, first: int, last: int) -> list[Difference]:
        """Whether the raw files behind these hours are all there, each record in them once."""
        basis = await self._jobs.basis(first) or Basis(self._log_id)
        hours = Hours(self._store, self._book)
        folders = range(hours.folders(first, basis).start, hours.folders(last, basis).stop)
        window = Window("hour", first * HOUR_MS)
        return [
            Difference(GLOBAL, window, "raw zone", "", fault)
            for fault in await faults_of(self._store, basis.log, folders)
        ]


def _hours_of(places: Iterable[Place]) -> list[int]:
    """Every hour that these charts are made of."""
    return sorted(
        {hour for _, w in places for hour in range(w.start // HOUR_MS, w.end // HOUR_MS)},
    )


def _compared(place: Place, said: Ranking, lake: Ranking, plays: dict[int, Sorted]) -> Iterator[Difference]:
    """One chart, row by row."""
    region, window = place
    for what, mine, theirs in (("plays", said.plays, lake.plays), ("tracks", said.tracks, lake.tracks)):
        if mine != theirs:
            yield Difference(region, window, what, str(mine), str(theirs))
    size = len(said.first)
    if size < min(lake.tracks, len(lake.first) - 1):
        yield Difference(region, window, "rows", str(size), f"at least {len(lake.first)}")
    for rank, (ours, counted) in enumerate(zip_longest(said.first, lake.first[:size]), start=1):
        if ours != counted:
            tracks = {row[0] for row in (ours, counted) if row}
            some = _behind(region, window, tracks, plays)
            yield Difference(region, window, f"rank {rank}", _text(ours), _text(counted), some)


def _text(row: tuple[str, int] | None) -> str:
    return "nothing" if row is None else f"{row[0]} ×{row[1]}"


def _behind(region: str, window: Window, tracks: set[str], plays: dict[int, Sorted]) -> tuple[str, ...]:
    """Some of the records that these tracks' counts are made of."""
    found: list[str] = []
    for hour in sorted(hour for hour in plays if hour * HOUR_MS in window):
        for name in plays[hour].names if region == GLOBAL else [region]:
            if name in plays[hour].names and len(found) < _NAMED:
                rows = plays[hour].read(name)
                found += _places_of(rows.filter(pc.is_in(rows["track_id"], pa.array(sorted(tracks)))))
    return tuple(found[:_NAMED])


def _places_of(rows: pa.Table) -> list[str]:
    """`log/partition:offset` of each row."""
    columns = (rows[name].cast(pa.string()) for name in ("log", "partition", "offset"))
    log, partition, offset = columns
    return pc.binary_join_element_wise(
        pc.binary_join_element_wise(log, partition, "/"), offset, ":"
    ).to_pylist()
