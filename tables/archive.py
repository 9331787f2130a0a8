"""The archive: charts of the past, read back in the shape of the live ones."""

from collections import OrderedDict

import orjson

from charts.chart import Chart
from charts.window import Kind, Window
from tables.postgres import Database, Row
from tables.queries import queries
from tables.rows import OURS, Place, chart_of, epoch_ms, moment

SQL = queries("history")
_Asked = tuple[str, Window, str, int | None]


class Archive:
    """Reads charts from Postgres.

    Whoever is told of revisions may have final charts kept: they change in no other way.
    """

    def __init__(self, database: Database, charts_kept: int = 0) -> None:
        self._database = database
        self._charts_kept = charts_kept
        self._kept: OrderedDict[_Asked, Chart] = OrderedDict()
        #: Counts what was forgotten: a chart read before that is not kept after it.
        self._forgotten = 0

    async def chart(
        self, region: str, window: Window, source: str = OURS, as_of: int | None = None
    ) -> Chart | None:
        """A chart as it stands, or as it stood at a time (by when each revision was taken)."""
        asked = (region, window, source, as_of)
        kept = self._kept.get(asked)
        if kept is not None:
            self._kept.move_to_end(asked)
            return kept
        forgotten = self._forgotten
        chart = await self._read(region, window, source, as_of)
        if chart is not None and chart.status == "final" and forgotten == self._forgotten:
            self._kept[asked] = chart
            if len(self._kept) > self._charts_kept:
                self._kept.popitem(last=False)
        return chart

    def forget(self) -> None:
        """Read everything anew: something was revised, or may have been."""
        self._kept.clear()
        self._forgotten += 1

    async def _read(self, region: str, window: Window, source: str, as_of: int | None) -> Chart | None:
        place = (region, window.kind, moment(window.start), source)
        async with self._database.connection() as connection:
            head = await connection.fetchrow(
                SQL["get_snapshot"], *place, None if as_of is None else moment(as_of)
            )
            if head is None:
                return None
            if head["entries"] is not None:
                return chart_of(head, orjson.loads(head["entries"]))
            rows = await connection.fetch(SQL["get_entries"], *place, head["revision"])
        return chart_of(head, rows)

    async def latest(self, region: str, kind: Kind, source: str, time_ms: int) -> Window | None:
        """The last window at or before a time that a source has a chart of."""
        start = await self._database.fetchval(SQL["get_latest"], region, kind, source, moment(time_ms))
        return Window(kind, epoch_ms(start)) if start else None

    async def places(self, source: str) -> list[Place]:
        """The last chart of every region and kind of window a source has."""
        rows = await self._database.fetch(SQL["get_places"], source)
        return [(row["region"], Window(row["window_kind"], epoch_ms(row["starts_at"]))) for row in rows]

    async def knows(self, region: str) -> bool:
        """Whether the region ever had a chart."""
        return bool(await self._database.fetchval(SQL["knows_region"], region))

    async def track(
        self, track_id: str, region: str, kind: Kind, *, start: int, end: int, limit: int, source: str = OURS
    ) -> list[Row]:
        """A track's last entries in the windows that start in `[start, end)`, oldest first."""
        bounds = (moment(start), moment(end))
        place = (track_id, region, kind, source)
        rows = await self._database.fetch(SQL["get_track"], *place, *bounds, limit)
        return rows[::-1]
