"""Curation: final hours from the raw zone into the curated one, and weeks out of them.

One worker at a time, the one that holds an advisory lock of Postgres; two at once would do no harm, for
whoever writes an hour writes the same. An hour's turn comes when the heads say that it is final and the raw
zone has passed the offsets they named: then everything that counts in it is there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

import pyarrow as pa

from charts.chart import Chart
from charts.errors import BrokenInvariant, NotFound, Unreachable
from charts.selection import Basis
from charts.window import DAY_MS, HOUR_MS, Window, rfc3339
from tables import replay
from tables.curated import Curated
from tables.history import History
from tables.hours import Hours
from tables.jobs import Job, Jobs
from tables.late import LateIndex
from tables.postgres import Database
from tables.replay import Plan, Replay
from tables.store import Store
from tables.weekly import counted_week
from tables.weeks import summed_week
from tables.zone import Zone

log = logging.getLogger(__name__)

LOCK = 0x63757261
TRY_LOCK = "SELECT pg_try_advisory_lock($1)"
#: How often a worker that does not curate tries to, and one that does looks for final hours.
GLANCE_S = 2.0
#: When late plays are taken in, after midnight UTC, and how many days of theirs a night at most.
NIGHT_MS = 4 * HOUR_MS
LATE_DAYS = 400
#: What went wrong is tried again after this long.
RETRY_S = 30.0
#: A file that is damaged, or no room beside; Arrow says OSError of both.
UNREADABLE = (BrokenInvariant, pa.ArrowException, OSError)


class Heads(replay.Heads, Protocol):
    """What curation asks of the boards (tables/boards.py): what a replay asks, and whether they are read."""

    @property
    def ready(self) -> bool: ...


class Curator:
    """Curates hours as they become final, and sums the weeks they belong to."""

    def __init__(self, store: Store, database: Database, heads: Heads, *, log_id: str, top_n: int) -> None:
        self._store = store
        self._database = database
        self._heads = heads
        self._log_id = log_id
        self._top_n = top_n
        self._zone = Zone(store, log_id)
        self.jobs = Jobs(database)
        self._curated = Curated(store, self.jobs.tracks)
        #: Hours seen final, and the offsets the raw zone must have reached by then.
        self._awaited: dict[int, dict[int, int]] = {}
        #: The first hour (counted from 1970) that is not curated, as far as is known.
        self._from: int | None = None
        #: What failed, and when.
        self._failed: dict[str, float] = {}
        self._late = LateIndex(store, database)
        self._night = -1
        self.curating = False
        #: Final hours that are not curated, when last looked.
        self.waiting = 0

    async def run(self) -> None:
        """Curate whenever nobody else does; for ever."""
        while True:
            try:
                async with self._database.session() as session:
                    while not await session.fetchval(TRY_LOCK, LOCK):  # noqa: ASYNC110
                        await asyncio.sleep(GLANCE_S)
                    await self._hold(session)
            except Unreachable as error:
                log.warning("no curation: %s", error)
            finally:
                self.curating = False
            await asyncio.sleep(GLANCE_S)

    async def _hold(self, session: Any) -> None:
        """Curate as long as the session, and with it the lock, lives."""
        self.curating = True
        log.info("this worker curates the lake")
        while True:
            await session.execute("SELECT 1")
            if self._heads.ready:
                await self._look()
            await asyncio.sleep(GLANCE_S)

    async def _look(self) -> None:
        """One look for what is due; a tail that became a full file meanwhile is found by the next."""
        try:
            await self.curate_due()
        except NotFound as error:
            log.info("looking again: %s", error)
        except UNREADABLE as error:
            # The raw zone goes on being written by this very process: curation alone waits.
            log.error("no curation: %s", error)
            await asyncio.sleep(RETRY_S)

    async def curate_due(self) -> list[int]:
        """Curate every hour whose turn has come, oldest first, then the weeks they changed."""
        done = []
        due = await self.due()
        self.waiting = len(due)
        for hour in due:
            if not await self._has_everything(hour):
                break
            if await self._try(f"hour {rfc3339(hour * HOUR_MS)}", lambda hour=hour: self.curate_hour(hour)):
                done.append(hour)
                self.waiting -= 1
                self._awaited.pop(hour, None)
        if done:
            await self._try("the index of late plays", self._late.search)
        await self._at_night()
        await self.curate_weeks()
        return done

    async def due(self) -> list[int]:
        """The final hours (counted from 1970) that are not curated."""
        if self._from is None:
            first = await self._zone.first_hour()
            if first is None:
                return []
            # Plays of the hours before came late, but in time.
            self._from = first - self._heads.book.on(first // 24).lateness_ms // HOUR_MS - 1
        last = max((head.clock for head in self._heads.heads.values()), default=0) // HOUR_MS
        hours = range(self._from, last + 1)
        curated = await self.jobs.curated(hours)
        open_ = [hour for hour in hours if hour not in curated]
        # All before is done for good: there is no need to ask for it again.
        self._from = min(open_, default=max(self._from, last + 1))
        return [hour for hour in open_ if self._heads.is_final(Window("hour", hour * HOUR_MS))]

    async def curate_hour(self, hour: int) -> Job:
        """Write one hour: as the stream counted it, or once more on the basis it stands on."""
        hours = Hours(self._store, self._heads.book)
        basis = await self.jobs.basis(hour) or Basis(self._log_id)
        if basis.rules is None and not basis.late:
            basis = replace(basis, through=await hours.through(basis.log, self._heads.partitions))
        late = await self._late.files(hour // 24) if basis.late else []
        async with self.jobs.job("curate", hour * HOUR_MS, basis) as job:
            revisions = await self.jobs.revisions(hour)
            await self._curated.write(hour, hours.plays(hour, basis, late), revisions, job)
            job.rows_in = hours.rows_read
        log.info("hour %s curated: %d plays", rfc3339(hour * HOUR_MS), job.rows_out)
        return job

    async def curate_weeks(self) -> list[Window]:
        """Finish the final weeks that have hours newer than their own chart, and no hour to wait for."""
        weeks = [week for week in await self.jobs.stale_weeks() if self._heads.is_final(week)]
        due = await self.due() if weeks else []
        for week in weeks:
            if not any(hour * HOUR_MS in week for hour in due):
                await self._try(f"week {rfc3339(week.start)}", lambda week=week: self.curate_week(week))
        return weeks

    async def curate_week(self, week: Window) -> None:
        """Count one week from its curated hours; one the lake has not all of stays the sum of its days."""
        whole = await self.jobs.has_whole(week)
        if not whole and not await self.jobs.is_summed(week):
            return
        how = "counted from the lake" if whole else "summed from its days, for the lake has not all of it"
        async with self.jobs.job("week", week.start, Basis(self._log_id), how) as job:
            if whole:
                book, top_n = self._heads.book, self._top_n
                charts = await counted_week(self._curated, self.jobs, week, book=book, top_n=top_n, job=job)
            else:
                charts = await summed_week(self._database, week, "closing", self._top_n)
            written = await History(self._database).revise(charts, how)
            job.rows_out = sum(len(chart.entries) for chart in written)
        log.info("week %s %s: %d charts written", rfc3339(week.start), how, len(written))

    async def take_late(self) -> list[Chart]:
        """Revise the days that late plays touch; days without final charts stay as they are."""
        through = await self._late.search()
        again = Replay(self._store, self._database, self._heads, log_id=self._log_id, top_n=self._top_n)
        written: list[Chart] = []
        for day in await self._late.days(LATE_DAYS):
            hours = range(day * 24, day * 24 + 24)
            written += (await again.run(hours, Plan("late plays", late=through))).charts
        if written:
            log.info("late plays: %d charts revised", len(written))
        return written

    async def _at_night(self) -> None:
        """Once a day of event time, and when a worker takes over; hours that wait come first."""
        if self.waiting:
            return
        night = (max((head.clock for head in self._heads.heads.values()), default=0) - NIGHT_MS) // DAY_MS
        if night != self._night and await self._try("late plays", self.take_late):
            self._night = night

    async def _has_everything(self, hour: int) -> bool:
        """Whether the raw zone has passed what the heads had applied when the hour was seen final."""
        awaited = self._awaited.setdefault(
            hour, {partition: head.applied + 1 for partition, head in self._heads.heads.items()}
        )
        for partition, offset in list(awaited.items()):
            if await self._zone.reach(partition) < offset:
                return False
            del awaited[partition]
        return True

    async def _try(self, what: str, work: Callable[[], Awaitable[object]]) -> bool:
        """What fails is in the journal; the others go on, and this one is tried again after a while."""
        now = asyncio.get_running_loop().time()
        if self._failed.get(what, -RETRY_S) + RETRY_S > now:
            return False
        try:
            await work()
        except NotFound as error:
            # A tail became a full file while we read: the next look finds it.
            log.info("%s: %s, again", what, error)
            return False
        except UNREADABLE as error:
            log.error("%s: %s", what, error)
            self._failed[what] = now
            return False
        return True
