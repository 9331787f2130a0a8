"""The memory of a worker: everything of Postgres that a chart is shown with.

Live charts get their trends and names from here at once, whether Postgres answers or not; charts of the
past are read from it and kept. Every worker has one: the leader's writing is told to all.
"""

import asyncio
import contextlib
import time
from collections.abc import Container, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Self

import orjson

from charts.chart import Chart, Entry
from charts.trend import Standing
from charts.window import Kind, Window
from tables.archive import Archive
from tables.listening import Told, listen
from tables.names import Names
from tables.postgres import Database, Row
from tables.queries import queries
from tables.rows import OURS, Place, moment, standing_of
from tables.standings import Live, Standings

SQL = queries("history")
#: Standings kept in memory, the latest first; beyond them a track that comes back counts as unknown.
STANDINGS_MAX = 1_000_000
#: How soon a name first asked for is read.
NAMES_S = 1.0
#: Live charts whose names are kept, and past charts; about 20 kB each.
CHARTS_MAX = 2_000

#: How often final charts that are not known to be written are asked for.
UNSURE_S = 10.0

_Rows = tuple[Entry, ...]


class Memory:
    """Dresses live charts and remembers past ones."""

    def __init__(self, database: Database, boards: Live) -> None:
        self._database = database
        self._boards = boards
        #: Past charts; forgets them when they are revised.
        self.archive = Archive(database, charts_kept=CHARTS_MAX)
        self.standings = Standings(boards)
        self.names = Names(database)
        #: Whether the history's standings were read since the start.
        self.loaded = asyncio.Event()
        #: Charts the history has and the boards still hold.
        self._final: dict[Place, Chart] = {}
        self._ask_again = 0.0
        self._named: dict[Place, tuple[_Rows, int, _Rows]] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        listening = listen(self._database, ("history", "names"), self._start, self._hear, NAMES_S)
        self._task = asyncio.create_task(listening, name="memory")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def dress(self, chart: Chart) -> Chart:
        """A live chart with trends and names; the entries are the same object until something changes."""
        place = (chart.region, chart.window)
        final = self._final.get(place)
        if final is not None:
            # The window is in the history: that is what everybody is shown from now on.
            return final
        followed = self.standings.follow(chart)
        named = self._named.get(place)
        if named is None or named[0] is not followed.entries or named[1] != self.names.version:
            if len(self._named) > CHARTS_MAX:
                self._named.clear()
            named = (followed.entries, self.names.version, self.names.name(followed).entries)
            self._named[place] = named
        return replace(followed, entries=named[2])

    def is_written(self, region: str, window: Window) -> bool:
        """Whether a chart is final in the history, so that its boards are no longer needed."""
        return (region, window) in self._final

    def unwritten(self) -> list[Place]:
        """Final charts that the history does not have yet."""
        places = [place for place in self._boards.charts() if place not in self._final]
        finals = {window for _, window in places if self._boards.is_final(window)}
        return [place for place in places if place[1] in finals]

    async def learn_written(self, windows: Iterable[Window]) -> None:
        """Read what the history has of these windows."""
        for window in sorted(windows):
            span = (OURS, moment(window.start), window.kind)
            rows = await self._database.fetch(SQL["get_window_standings"], *span)
            self._learn(rows, await self._read_finals({window}, known=self._final))

    async def _start(self) -> None:
        """Read everything again: who knows what was told meanwhile."""
        rows = await self._database.fetch(SQL["get_recent_standings"], OURS, moment(0), STANDINGS_MAX)
        self.archive.forget()
        finals = await self._read_finals({window for _, window in self._boards.charts()}, known=())
        self._final.clear()
        self.standings.forget()
        self.standings.whole = len(rows) < STANDINGS_MAX
        self._learn(rows, finals)
        await self.names.refresh(everything=True)
        self.loaded.set()

    async def _hear(self, told: Iterable[Told]) -> None:
        messages = [orjson.loads(payload) for channel, payload in told if channel == "history"]
        revised = {message["source"] for message in messages if message["revised"]}
        if OURS in revised:
            await self._start()
            return
        if revised:
            # What others' charts say concerns no standing of ours.
            self.archive.forget()
        windows = {
            Window(message["kind"], message["start"]) for message in messages if message["source"] == OURS
        }
        for window in sorted(windows | self._unsure()):
            rows = await self._database.fetch(
                SQL["get_window_standings"], OURS, moment(window.start), window.kind
            )
            self._learn(rows, await self._read_finals({window}, known=self._final))
        await self.names.refresh(everything=any(channel == "names" for channel, _ in told))

    def _unsure(self) -> set[Window]:
        """Final windows whose charts are not known to be written; asked for now and then."""
        now = time.monotonic()
        if now < self._ask_again:
            return set()
        self._ask_again = now + UNSURE_S
        written = self.standings.written
        return {
            w
            for region, w in self._boards.charts()
            if self._boards.is_final(w) and (region, w) not in written
        }

    async def _read_finals(self, windows: Iterable[Window], known: Container[Place]) -> dict[Place, Chart]:
        """The final charts of these windows that the boards still hold, but for those that are known."""
        finals: dict[Place, Chart] = {}
        for window in windows:
            rows = await self._database.fetch(SQL["get_finals"], OURS, window.kind, moment(window.start))
            regions = {row["region"] for row in rows}
            for region, live in self._boards.charts():
                if live == window and region in regions and (region, window) not in known:
                    chart = await self.archive.chart(region, window)
                    if chart is not None:
                        finals[region, window] = chart
        return finals

    def _learn(self, rows: Iterable[Row], finals: dict[Place, Chart]) -> None:
        """Take in what was read, all at once: a chart is never seen between live and past."""
        live = set(self._boards.charts())
        self._final = {place: chart for place, chart in (self._final | finals).items() if place in live}
        self.standings.written = set(self._final)
        self.standings.learn(map(_learned, rows))


def _learned(row: Row) -> tuple[str, Kind, str, Standing]:
    return row["region"], row["window_kind"], row["track_id"], standing_of(row)
