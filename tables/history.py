"""The history: charts written once they are final, open ones as they stand, and both read back.

Every write is one transaction per batch of charts and may be repeated: a chart that is final stays as
it is, whoever comes second, so a leader that died halfway, or two at once, leave one complete chart.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

import orjson

from charts.chart import Chart
from charts.trend import Past, Standing, with_trends
from charts.window import Kind, Window, rfc3339
from tables.partitions import drop_months, ensure_months
from tables.postgres import Connection, Database
from tables.queries import queries
from tables.rows import (
    ENTRY_COLUMNS,
    OURS,
    Place,
    body_of,
    chart_of,
    entry_rows,
    epoch_ms,
    moment,
    snapshot_row,
    standing_of,
)

log = logging.getLogger(__name__)
SQL = queries("history")

#: Charts per transaction: a few thousand rows, some ten milliseconds, no long pause for the others.
BATCH = 32
#: Writers of final charts take turns, so that each sees what the one before left.
LOCK = 0x66696E61


class History:
    """Writes charts into Postgres; tables/archive.py reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write_open(self, charts: Sequence[Chart]) -> None:
        """Store charts as they stand, one row each; one that is final already is left alone."""
        for batch in _batches([chart for chart in charts if chart.status != "final"]):
            rows = [snapshot_row(chart, body_of(chart)) for chart in batch]
            async with self._database.transaction() as connection:
                await ensure_months(connection, (chart.window.start for chart in batch))
                await connection.execute(SQL["put_open"], *zip(*rows, strict=True))

    async def write_final(self, charts: Iterable[Chart]) -> list[Chart]:
        """Store final charts with their trends, earlier windows first; returns those that were new."""
        written: list[Chart] = []
        for _, same in _by_window(charts):
            for batch in _batches(list(same)):
                async with self._database.transaction() as connection:
                    written += await self._write_final(connection, batch)
        return written

    async def revise(self, charts: Iterable[Chart], reason: str) -> list[Chart]:
        """Store new revisions of charts that differ from what stands; trends are made anew inside the range.

        Charts after the range keep what they said. A chart that is not there yet is stored as revision 0.
        """
        written: list[Chart] = []
        for _, same in _by_window(charts):
            for batch in _batches(list(same)):
                async with self._database.transaction() as connection:
                    written += await self._revise(connection, batch, reason)
        return written

    async def finals(self, windows: Iterable[Window], source: str = OURS) -> set[Place]:
        """Which charts of these windows are written and final."""
        found: set[Place] = set()
        for window in windows:
            rows = await self._database.fetch(SQL["get_finals"], source, window.kind, moment(window.start))
            found |= {(row["region"], window) for row in rows}
        return found

    async def last_final(self, kind: Kind, source: str = OURS) -> Window | None:
        """The last final window of a kind."""
        start = await self._database.fetchval(SQL["get_last_final"], source, kind)
        return Window(kind, epoch_ms(start)) if start else None

    async def open_weeks(self, since: int) -> list[Window]:
        """The weeks whose charts are not final, or not there though a day since then is; oldest first."""
        rows = await self._database.fetch(SQL["get_open_weeks"], OURS, moment(since))
        return [Window("week", epoch_ms(row["starts_at"])) for row in rows]

    async def forget_before(self, time_ms: int) -> list[str]:
        """Drop the months that ended before a time."""
        async with self._database.transaction() as connection:
            return await drop_months(connection, time_ms)

    async def _write_final(self, connection: Connection, charts: Sequence[Chart]) -> list[Chart]:
        """One batch of one window."""
        window, source = charts[0].window, charts[0].source
        await ensure_months(connection, [window.start])
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        rows = await connection.fetch(SQL["get_finals"], source, window.kind, moment(window.start))
        done = {row["region"] for row in rows}
        new = [chart for chart in charts if chart.region not in done]
        if not new:
            return []
        past = await _past(connection, new)
        finished = [_finished(chart, past[chart.region]) for chart in new]
        await _put(connection, finished, None)
        await connection.execute(SQL["raise_standings"])
        await connection.execute(SQL["collect_unknown"])
        return finished

    async def _revise(self, connection: Connection, charts: Sequence[Chart], reason: str) -> list[Chart]:
        window, source = charts[0].window, charts[0].source
        await ensure_months(connection, [window.start])
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        past = await _past(connection, charts)
        finished: list[Chart] = []
        for chart in charts:
            place = (chart.region, window.kind, moment(window.start), source)
            head = await connection.fetchrow(SQL["get_snapshot"], *place, None)
            final = head is not None and head["status"] == "final"
            revised = _finished(chart, past[chart.region])
            if head is not None and final:
                rows = await connection.fetch(SQL["get_entries"], *place, head["revision"])
                if _says(chart_of(head, rows)) == _says(revised):
                    continue
            revision = head["revision"] + 1 if head is not None and final else 0
            finished.append(replace(revised, revision=revision))
        if not finished:
            return []
        await _put(connection, finished, reason)
        regions = [chart.region for chart in finished]
        await connection.execute(SQL["remake_standings"], source, window.kind, moment(window.start), regions)
        for chart in finished:
            name = f"{chart.region} {window.kind} {rfc3339(window.start)}"
            log.info("revision %d of %s: %s", chart.revision, name, reason)
        return finished


async def _past(connection: Connection, charts: Sequence[Chart]) -> dict[str, dict[str, Standing | None]]:
    """Region → track → its last entry before these charts' window."""
    window, source = charts[0].window, charts[0].source
    pairs = [(chart.region, entry.track_id) for chart in charts for entry in chart.entries]
    past: dict[str, dict[str, Standing | None]] = {chart.region: {} for chart in charts}
    if not pairs:
        return past
    wanted = tuple(zip(*pairs, strict=True))
    rows = await connection.fetch(SQL["get_standings"], source, window.kind, *wanted)
    beyond = [row for row in rows if epoch_ms(row["starts_at"]) >= window.start]
    for row in rows:
        past[row["region"]][row["track_id"]] = standing_of(row)
    if beyond:
        # A chart of the past is written again: what the tracks did since does not count.
        for row in beyond:
            del past[row["region"]][row["track_id"]]
        wanted = tuple(zip(*((row["region"], row["track_id"]) for row in beyond), strict=True))
        for row in await connection.fetch(
            SQL["get_earlier_standings"], source, window.kind, *wanted, moment(window.start)
        ):
            past[row["region"]][row["track_id"]] = standing_of(row)
    return past


async def _put(connection: Connection, charts: Sequence[Chart], reason: str | None) -> None:
    """Snapshots and entries through the staging table; what is final already wins."""
    await connection.execute(SQL["make_staging"])
    rows = [row for chart in charts for row in entry_rows(chart)]
    await connection.copy_records_to_table("staged_entries", records=rows, columns=ENTRY_COLUMNS)
    heads = [(*snapshot_row(chart, None), reason) for chart in charts]
    await connection.execute(SQL["put_final"], *zip(*heads, strict=True))
    await connection.execute(SQL["put_entries"])
    window = charts[0].window
    told = {
        "source": charts[0].source,
        "kind": window.kind,
        "start": window.start,
        "revised": reason is not None,
    }
    await connection.execute("SELECT pg_notify('history', $1)", orjson.dumps(told).decode())


def _finished(chart: Chart, past: Past) -> Chart:
    """The chart as it is kept; another publisher's trends are theirs where they say any."""
    final = replace(chart, status="final")
    if chart.source != OURS and all(entry.movement for entry in chart.entries):
        return final
    return with_trends(final, past)


def _says(chart: Chart) -> tuple[object, ...]:
    """What makes a revision differ: the counts and the trends, not the names."""
    rows = tuple(replace(entry, title=None, artist=None, share=0.0) for entry in chart.entries)
    return chart.plays, chart.tracks, rows


def _by_window(charts: Iterable[Chart]) -> Iterable[tuple[object, Iterable[Chart]]]:
    """The oldest first; hours before the day they end, so that whoever finds a day finds its hours."""

    def key(chart: Chart) -> tuple[str, int, int, str]:
        return chart.source, chart.window.end, -chart.window.start, chart.window.kind

    return groupby(sorted(charts, key=key), key=key)


def _batches(charts: Sequence[Chart]) -> Iterable[Sequence[Chart]]:
    return (charts[first : first + BATCH] for first in range(0, len(charts), BATCH))
