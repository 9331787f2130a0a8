"""Analytics: plays by region, hour and day, best ranks, share and growth, out of the history.

What is known of a track are its entries: plays below a chart's last rank are in the chart's total and
in no track's sum.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from charts.window import DAY_MS, Kind, Window, rfc3339
from tables.postgres import Connection, Database, Row
from tables.queries import queries
from tables.rows import OURS, epoch_ms, moment

SQL = queries("analytics")
#: Tracks of one artist that are looked at, the popular first.
TRACKS_MAX = 500
#: Hours are shown for so many days at the end of the range.
HOURS_DAYS = 3


@dataclass(frozen=True, slots=True)
class Span:
    """Days: epoch milliseconds, half-open."""

    start: int
    end: int

    @property
    def as_values(self) -> tuple[str, datetime, datetime]:
        return OURS, moment(self.start), moment(self.end)

    @property
    def hours(self) -> "Span":
        return Span(max(self.start, self.end - HOURS_DAYS * DAY_MS), self.end)

    def as_json(self) -> dict[str, str]:
        return {"from": rfc3339(self.start), "to": rfc3339(self.end)}


class Analytics:
    """Questions about the past."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def span(self, start: int | None, end: int | None, days: int) -> Span:
        """The asked range; by default the last days the history has."""
        if end is None:
            latest = await self._database.fetchval(SQL["latest"], OURS)
            end = max(Window.at("day", epoch_ms(latest) if latest else 0).end, start or 0)
        return Span(start if start is not None else max(0, end - days * DAY_MS), end)

    async def platform(self, span: Span, limit: int) -> dict[str, Any]:
        """Everything together."""
        async with self._database.connection() as connection:
            days = await connection.fetch(SQL["series"], *span.as_values, "global", "day")
            hours = await connection.fetch(SQL["series"], *span.hours.as_values, "global", "hour")
            regions = await connection.fetch(SQL["regions"], *span.as_values)
            lists = {
                name: [dict(row) for row in await connection.fetch(SQL[name], limit)]
                for name in ("popular_tracks", "popular_artists", "genres")
            }
        plays = sum(row["plays"] for row in days)
        return {
            **span.as_json(),
            "plays": plays,
            "growth": _growth(days, days),
            "regions": _shared(regions),
            "days": _series(days, "tracks"),
            "hours": _series(hours, "tracks"),
            **lists,
        }

    async def track(self, track_id: str, span: Span) -> dict[str, Any]:
        """One track."""
        async with self._database.connection() as connection:
            return await _of_tracks(connection, [track_id], span)

    async def artist(self, artist_id: str, span: Span) -> dict[str, Any]:
        """All tracks of an artist together."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["artist_tracks"], artist_id, TRACKS_MAX)
            return await _of_tracks(connection, [row["track_id"] for row in rows], span)


async def _of_tracks(connection: Connection, tracks: list[str], span: Span) -> dict[str, Any]:
    async def series(kind: Kind, part: Span) -> list[Row]:
        return await connection.fetch(SQL["track_series"], *part.as_values, tracks, kind)

    days, hours = await series("day", span), await series("hour", span.hours)
    regions = await connection.fetch(SQL["track_regions"], *span.as_values, tracks)
    bests = await connection.fetch(SQL["track_bests"], OURS, tracks)
    totals = await connection.fetch(SQL["series"], *span.as_values, "global", "day")
    plays, total = sum(row["plays"] for row in days), sum(row["plays"] for row in totals)
    return {
        **span.as_json(),
        "plays": plays,
        "share": _share(plays, total),
        "growth": _growth(days, totals),
        "best_ranks": [
            {
                "region": row["region"],
                "window": row["window_kind"],
                "peak_rank": row["peak_rank"],
                "windows_on_chart": row["windows_on_chart"],
            }
            for row in bests
        ],
        "regions": _shared(regions),
        "days": _series(days, "best_rank"),
        "hours": _series(hours, "best_rank"),
    }


def _series(rows: list[Row], more: str) -> list[dict[str, Any]]:
    return [
        {"starts_at": rfc3339(epoch_ms(row["starts_at"])), "plays": row["plays"], more: row[more]}
        for row in rows
    ]


def _shared(rows: list[Row]) -> list[dict[str, Any]]:
    total = sum(row["plays"] for row in rows)
    return [{**dict(row), "share": _share(row["plays"], total)} for row in rows]


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _growth(days: list[Row], totals: list[Row]) -> float | None:
    """The last day that is over against the one before: 0.1 is a tenth more; None where one is missing."""
    last = max((row["starts_at"] for row in totals if row["status"] != "open"), default=None)
    if last is None:
        return None
    plays = {row["starts_at"]: row["plays"] for row in days}
    now, before = plays.get(last), plays.get(last - timedelta(days=1))
    return round(now / before - 1, 4) if now is not None and before else None
