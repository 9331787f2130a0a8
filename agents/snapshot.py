"""Snapshots: the leader writes charts into the history.

One worker leads, the one that holds an advisory lock of Postgres; it loses the lock with the connection.
Two at once would do no harm, for every write may be repeated. While Postgres is away nothing is lost:
the boards stay until a chart is in the history, and the leader starts from what is not there yet.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from charts.chart import Chart
from charts.errors import Unreachable
from charts.window import DAY_MS, MINUTE_MS, Window
from tables import meters
from tables.external import import_due
from tables.history import History
from tables.memory import Memory
from tables.popularity import refresh_popularity
from tables.postgres import Database
from tables.rows import Place
from tables.standings import Live
from tables.weeks import summed_week

log = logging.getLogger(__name__)

#: The lock of the leader.
LOCK = 0x6C656164
TRY_TO_LEAD = "SELECT pg_try_advisory_lock($1)"
#: How often a worker that does not lead tries to.
ELECTION_S = 2.0
#: How often the leader looks for charts that have become final.
GLANCE_S = 1.0
#: Open charts written at once: who reads meanwhile waits for no more.
OPEN_CHARTS = 8
#: A leader that died before it had noted the week of a day it wrote: so far back that is looked for.
WEEKS_MS = 35 * DAY_MS
#: How often the search's idea of what is popular is brought up to date, event time.
POPULAR_MS = 5 * MINUTE_MS
#: How often the leader looks for external charts that are due.
IMPORTS_S = 60.0


class Snapshots:
    """Writes final charts once and open ones every `interval` seconds."""

    def __init__(
        self,
        database: Database,
        boards: Live,
        memory: Memory,
        *,
        interval: float,
        days_kept: int,
        top_n: int,
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
        lake: bool = False,
    ) -> None:
        self._database = database
        self._boards = boards
        self._memory = memory
        self._history = History(database)
        self._interval = interval
        self._days_kept = days_kept
        self._top_n = top_n
        #: Whether there is a lake: it counts the weeks exactly, and ours stay provisional.
        self._lake = lake
        #: What of each open chart was written last.
        self._stored: dict[Place, Chart] = {}
        #: What else the leader does, for ever, as long as it leads.
        self._beside = (self._import_charts, *beside)
        self._popular_at = 0
        #: Whether weeks may be over that are not closed.
        self._weeks_due = False
        self.leading = False
        #: Final charts that are not in the history yet.
        self.backlog = 0

    async def run(self) -> None:
        """Lead whenever nobody else does; for ever."""
        while True:
            try:
                async with self._database.session() as session:
                    # Asking again and again also notices a connection that died in silence.
                    while not await session.fetchval(TRY_TO_LEAD, LOCK):  # noqa: ASYNC110
                        await asyncio.sleep(ELECTION_S)
                    await self._lead(lambda: session.execute("SELECT 1"))
            except Unreachable as error:
                log.warning("no snapshots: %s", error)
            finally:
                self.leading = False
                meters.LEADING.set(0)
            self.backlog = len(self._memory.unwritten())
            await asyncio.sleep(GLANCE_S)

    async def _lead(self, still_leading: Callable[[], Awaitable[object]]) -> None:
        self.leading = True
        meters.LEADING.set(1)
        self._stored.clear()
        log.info("this worker writes the snapshots")
        clock = asyncio.get_running_loop().time
        due = clock()
        # The leader before may have died between a day and its week.
        self._weeks_due = True
        day = await self._history.last_final("day")
        if day is not None:
            await self._close_day(day)
        beside = [asyncio.create_task(work(), name=work.__qualname__) for work in self._beside]
        try:
            while True:
                await still_leading()
                for task in beside:
                    if task.done():
                        await task
                if self._boards.ready:
                    await self.take_final()
                    if clock() >= due:
                        await self.take_open()
                        due = clock() + self._interval
                await asyncio.sleep(GLANCE_S)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _import_charts(self) -> None:
        """Charts of others, as they are scheduled; by the wall clock, which is theirs."""
        while True:
            try:
                await import_due(self._database, time.time_ns() // 1_000_000)
            except Unreachable as error:
                log.warning("no external charts: %s", error)
            await asyncio.sleep(IMPORTS_S)

    async def take_final(self) -> list[Chart]:
        """Write the charts that became final; returns those that were new in the history."""
        await self._memory.loaded.wait()
        places = self._memory.unwritten()
        self.backlog = len(places)
        found = [self._boards.chart(region, window) for region, window in places]
        charts = [self._memory.names.name(chart) for chart in found if chart is not None]
        written = await self._history.write_final(charts)
        if charts:
            await self._memory.learn_written({window for _, window in places})
            self.backlog = len(self._memory.unwritten())
        for window in sorted({chart.window for chart in written}):
            log.info("%s is in the history", window)
            self._weeks_due = True
            if window.kind == "day":
                await self._close_day(window)
        if self._weeks_due and not self.backlog:
            await self._close_weeks()
        return written

    async def take_open(self) -> list[Chart]:
        """Write the charts that are not final and changed since they were last written."""
        charts = []
        for region, window in self._boards.charts():
            chart = self._boards.chart(region, window)
            if chart is None or chart.status == "final" or self._is_stored(chart):
                continue
            charts.append(chart)
            # Merging a chart takes a millisecond or two: who reads meanwhile waits for one, not for all.
            await asyncio.sleep(0)
        for first in range(0, len(charts), OPEN_CHARTS):
            some = charts[first : first + OPEN_CHARTS]
            await self._history.write_open([self._memory.dress(chart) for chart in some])
        live = set(self._boards.charts())
        stored = self._stored | {(chart.region, chart.window): chart for chart in charts}
        self._stored = {place: chart for place, chart in stored.items() if place in live}
        if self._boards.clock >= self._popular_at:
            await refresh_popularity(self._database)
            self._popular_at = self._boards.clock + POPULAR_MS
        return charts

    def _is_stored(self, chart: Chart) -> bool:
        """Whether what was written last still says it: the counts, not the clock."""
        stored = self._stored.get((chart.region, chart.window))
        return (
            stored is not None
            and (stored.status, stored.plays) == (chart.status, chart.plays)
            and stored.entries == chart.entries
        )

    async def _close_day(self, day: Window) -> None:
        """A day is final: its week as it stands now, and the months that are too old."""
        week = Window.at("week", day.start)
        await self._history.write_open(await summed_week(self._database, week, "open", self._top_n))
        if self._days_kept:
            for table in await self._history.forget_before(day.start - self._days_kept * DAY_MS):
                log.info("%s was too old and is dropped", table)

    async def _close_weeks(self) -> None:
        """Weeks that are over, once all their days are in the history: final, or for the lake to count."""
        self._weeks_due = False
        for week in await self._history.open_weeks(self._boards.clock - WEEKS_MS):
            if not self._boards.is_final(week):
                continue
            # The clock of the boards may have passed the week's end since its days were last looked at.
            if any(window.start in week for _, window in self._memory.unwritten()):
                self._weeks_due = True
                continue
            charts = await summed_week(self._database, week, "closing", self._top_n)
            await (self._history.write_open if self._lake else self._history.write_final)(charts)
