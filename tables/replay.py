"""Replays: the charts of past windows built anew from the lake, as new revisions in the history.

For a rule that changed, for plays that came too late, or only to see that nothing moves. The stream is not
touched. The history writes a revision only where a chart says something else; the curated zone follows it,
and the journal then says on which basis each hour stands. Every step may be repeated: a replay that died
halfway is run again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from charts.chart import Chart
from charts.errors import Unreachable
from charts.head import Head
from charts.recount import Ranking
from charts.selection import Basis, Through
from charts.verdict import Rulebook, Rules
from charts.window import DAY_MS, HOUR_MS, Window, rfc3339
from tables.curated import Curated
from tables.daycount import DayCount
from tables.history import History
from tables.hours import Hours
from tables.jobs import Jobs
from tables.late import LateFile, LateIndex
from tables.postgres import Database
from tables.published import published
from tables.store import Store
from tables.weekly import names
from tables.zone import Zone

log = logging.getLogger(__name__)

#: Replays of a day take turns: each takes in what the one before left.
LOCK = 0x7265706C
TRY_LOCK = "SELECT pg_try_advisory_lock($1, $2)"
#: Who waits longer comes again: nothing else may wait behind a replay that hangs.
TURN_S = 60.0
_LOOK_S = 0.5
#: What the log has may be on its way to the store for so long.
RAW_S = 120.0


class Heads(Protocol):
    """What a replay asks of the boards."""

    @property
    def partitions(self) -> int: ...
    @property
    def heads(self) -> Mapping[int, Head]: ...
    @property
    def book(self) -> Rulebook: ...
    def is_final(self, window: Window) -> bool: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What is different this time; nothing, where nothing is said."""

    reason: str
    rules: Rules | None = None
    #: Take in the late plays, as far as the logs were looked through for them (tables/late.py).
    late: Through | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A row that a replay changes: its rank and plays, before and after."""

    region: str
    window: Window
    track_id: str
    before: tuple[int, int] | None
    after: tuple[int, int] | None


@dataclass(slots=True)
class Day:
    """One day, recounted."""

    #: What each hour will stand on.
    hours: dict[int, Basis]
    charts: list[Chart]
    moves: list[Move]
    late: list[LateFile]
    #: Whether the lake has all of it.
    whole: bool = True


@dataclass(slots=True)
class Outcome:
    """What a replay changed, row by row and chart by chart."""

    moves: list[Move] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)


class Replay:
    """Builds past charts anew."""

    def __init__(self, store: Store, database: Database, heads: Heads, *, log_id: str, top_n: int) -> None:
        self._store = store
        self._database = database
        self._heads = heads
        self._log_id = log_id
        self._top_n = top_n
        self.jobs = Jobs(database)
        self._curated = Curated(store, self.jobs.tracks)
        self._late = LateIndex(store, database)

    async def look(self, hours: Iterable[int], plan: Plan) -> list[Move]:
        """What a replay of these hours (counted from 1970) would change."""
        moves: list[Move] = []
        for day, wanted in _by_day(hours):
            moves += (await self._recount(day, wanted, plan)).moves
        return moves

    async def run(self, hours: Iterable[int], plan: Plan) -> Outcome:
        """Replay these hours and the days they are in."""
        outcome = Outcome()
        for day, wanted in _by_day(hours):
            async with self._alone(day) as still_alone:
                recounted = await self._recount(day, wanted, plan)
                await still_alone()
                outcome.moves += recounted.moves
                outcome.charts += await History(self._database).revise(recounted.charts, plan.reason)
                for hour, basis in recounted.hours.items():
                    await self._settle(hour, basis, recounted.late, plan)
                if plan.late is not None and recounted.whole:
                    known = [file for file in recounted.late if file.is_within(plan.late)]
                    await self._late.taken(day, known)
        return outcome

    @asynccontextmanager
    async def _alone(self, day: int) -> AsyncIterator[Callable[[], Awaitable[object]]]:
        """Nobody else replays this day meanwhile; yields a question that fails where that is no longer so."""
        async with self._database.session() as session:
            until = asyncio.get_running_loop().time() + TURN_S
            while not await session.fetchval(TRY_LOCK, LOCK, day):
                if asyncio.get_running_loop().time() > until:
                    raise Unreachable(f"{_date(day)} is being replayed by somebody else: try again later")
                await asyncio.sleep(_LOOK_S)
            yield lambda: session.execute("SELECT 1")

    async def _settle(self, hour: int, basis: Basis, late: list[LateFile], plan: Plan) -> None:
        """Bring the curated zone, and the journal, to where the history is.

        The hour is gathered once more: a whole day's plays are more than a disk should have to hold for it.
        """
        hours = Hours(self._store, self._heads.book)
        async with self.jobs.job("replay", hour * HOUR_MS, basis, plan.reason) as job:
            revisions = await self.jobs.revisions(hour)
            await self._curated.write(hour, hours.plays(hour, basis, late), revisions, job)
            job.rows_in = hours.rows_read

    async def _recount(self, day: int, wanted: set[int], plan: Plan) -> Day:
        """Count a whole day: the wanted hours by the plan, the others as they stand."""
        late = await self._late.files(day)
        before = await published(self._database, ["hour", "day"], day * DAY_MS, (day + 1) * DAY_MS)
        charted = {window.start // HOUR_MS for _, window in before if window.kind == "hour"}
        found = Day({}, [], [], late)
        bases = {hour: await self.jobs.basis(hour) for hour in range(day * 24, day * 24 + 24)}
        beyond = await self._beyond({hour for hour, basis in bases.items() if basis is None}, charted)
        found.whole = not beyond
        if plan.late is not None and beyond:
            # Its hours would take in what the day cannot.
            log.info("late plays of %s stay out: the lake has not all of that day", _date(day))
            return found
        with DayCount() as count:
            for hour in sorted(bases.keys() - beyond):
                basis = bases[hour] or Basis(self._log_id)
                hours = Hours(self._store, self._heads.book)
                if hour in wanted:
                    basis = found.hours[hour] = await self._planned(basis, hours, plan)
                await count.add(hours.plays(hour, basis, late))
            ranked = await asyncio.to_thread(count.ranked, self._top_n)
            tracks = sorted({track for ranking in ranked.values() for track, _ in ranking.first})
            known = await asyncio.to_thread(count.names, tracks)
        known |= await names(self.jobs, tracks)
        windows = {Window("hour", hour * HOUR_MS) for hour in found.hours}
        if found.whole and self._heads.is_final(Window("day", day * DAY_MS)):
            windows.add(Window("day", day * DAY_MS))
        places = sorted(
            (place for place in {*ranked, *before} if place[1] in windows),
            key=lambda place: (place[1].start, place[1].kind, place[0]),
        )
        for region, window in places:
            # A chart may lose its last play to a new rule: it stays, empty.
            ranking = ranked.get((region, window), Ranking(0, 0, ()))
            found.charts.append(ranking.chart(region, window, self._heads.book, known))
            found.moves += _moves(region, window, before.get((region, window)), ranking)
        return found

    async def _beyond(self, uncurated: set[int], charted: set[int]) -> set[int]:
        """Those of some hours that the lake may not hold, and must not overrule.

        An hour that was published comes later, when it is curated. One that is final and not published either
        is empty, or about to be written: the lake has all of it once it has what the heads speak of.
        """
        final = {hour for hour in uncurated if self._heads.is_final(Window("hour", hour * HOUR_MS))}
        beyond = uncurated & charted | uncurated - final
        if uncurated - beyond and not await self._raw_is_there():
            return uncurated
        return beyond

    async def _raw_is_there(self) -> bool:
        """Whether the raw zone reaches what the heads speak of now, at last."""
        zone = Zone(self._store, self._log_id)
        awaited = {partition: head.applied + 1 for partition, head in self._heads.heads.items()}
        until = asyncio.get_running_loop().time() + RAW_S
        while awaited := {p: offset for p, offset in awaited.items() if await zone.reach(p) < offset}:
            if asyncio.get_running_loop().time() > until:
                log.info("the lake has not reached %s yet", awaited)
                return False
            await asyncio.sleep(_LOOK_S)
        return True

    async def _planned(self, standing: Basis, hours: Hours, plan: Plan) -> Basis:
        """What an hour will stand on; late plays once taken in stay, as far as they were."""
        rules = plan.rules or standing.rules
        if plan.late is not None:
            return Basis(standing.log, rules, late=True, through=plan.late)
        if standing.late:
            return replace(standing, rules=rules)
        through = await hours.through(standing.log, self._heads.partitions)
        return Basis(standing.log, rules, through=through)


def _by_day(hours: Iterable[int]) -> Iterator[tuple[int, set[int]]]:
    wanted = set(hours)
    for day in sorted({hour // 24 for hour in wanted}):
        yield day, {hour for hour in wanted if hour // 24 == day}


def _date(day: int) -> str:
    return rfc3339(day * DAY_MS)[:10]


def _moves(region: str, window: Window, before: Ranking | None, after: Ranking) -> Iterator[Move]:
    """The rows that differ."""
    old = _places(before) if before else {}
    new = _places(after)
    for track in sorted({*old, *new}, key=lambda track: (new.get(track, (1 << 30, 0)), track)):
        if old.get(track) != new.get(track):
            yield Move(region, window, track, old.get(track), new.get(track))


def _places(ranking: Ranking) -> dict[str, tuple[int, int]]:
    return {track: (rank, plays) for rank, (track, plays) in enumerate(ranking.first, start=1)}
