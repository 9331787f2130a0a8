"""Jobs: what was done to the lake, and on which basis every curated hour stands."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import orjson

from charts.selection import Basis
from charts.verdict import Rules
from charts.window import HOUR_MS, Window
from tables.postgres import Database, Row
from tables.queries import queries
from tables.rows import epoch_ms, moment

SQL = queries("lake")
Kind = Literal["curate", "replay", "week"]


@dataclass(slots=True)
class Job:
    """One job while it runs: what it has read and written."""

    rows_in: int = 0
    rows_out: int = 0
    files: int = 0
    bytes: int = 0


class Jobs:
    """The journal of the lake, in Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def job(
        self, kind: Kind, starts_at: int, basis: Basis, reason: str | None = None
    ) -> AsyncIterator[Job]:
        """A job from its start to its end, done or failed; what failed is raised again."""
        started = time.monotonic()
        values = (basis.log, _rules_text(basis.rules), basis.late, _through_text(basis), reason)
        number = await self._database.fetchval(SQL["start_job"], kind, moment(starts_at), *values)
        job = Job()
        try:
            yield job
        except Exception as error:
            seconds = time.monotonic() - started
            await self._database.execute(SQL["fail_job"], number, f"{error}"[:500] or repr(error), seconds)
            raise
        done = (job.rows_in, job.rows_out, job.files, job.bytes, time.monotonic() - started)
        await self._database.execute(SQL["finish_job"], number, *done)

    async def basis(self, hour: int) -> Basis | None:
        """What an hour (counted from 1970) stands on, or None before it was curated."""
        row = await self._database.fetchrow(SQL["get_hour"], moment(hour * HOUR_MS))
        return None if row is None else _basis(row)

    async def curated(self, hours: range) -> set[int]:
        """Which of these hours are curated."""
        if not hours:
            return set()
        span = moment(hours.start * HOUR_MS), moment(hours.stop * HOUR_MS)
        rows = await self._database.fetch(SQL["get_hours"], *span)
        return {epoch_ms(row["starts_at"]) // HOUR_MS for row in rows}

    async def stale_weeks(self) -> list[Window]:
        """Weeks never counted, or with an hour that was curated since."""
        rows = await self._database.fetch(SQL["get_stale_weeks"])
        return [Window("week", epoch_ms(row["starts_at"])) for row in rows]

    async def has_whole(self, week: Window) -> bool:
        """Whether every hour of the week that has a final chart is curated."""
        span = moment(week.start), moment(week.end)
        charted = await self._database.fetch(SQL["get_charted_hours"], *span)
        curated = await self._database.fetch(SQL["get_hours"], *span)
        return {row["starts_at"] for row in charted} <= {row["starts_at"] for row in curated}

    async def is_summed(self, week: Window) -> bool:
        """Whether the history's own sum of the week has all its days."""
        return bool(await self._database.fetchval(SQL["is_week_summed"], moment(week.start)))

    async def revisions(self, hour: int) -> dict[str, int]:
        """The revision each region's chart of an hour stands at."""
        rows = await self._database.fetch(SQL["get_revisions"], moment(hour * HOUR_MS))
        return {row["region"]: row["revision"] for row in rows}

    async def tracks(self, track_ids: Iterable[str]) -> list[Mapping[str, Any]]:
        """What the catalogue knows of some tracks: title, artist, album, genre."""
        return [dict(row) for row in await self._database.fetch(SQL["get_tracks"], list(track_ids))]

    async def recent(self, kind: str | None, status: str | None, limit: int) -> list[Row]:
        """The last jobs, newest first."""
        return await self._database.fetch(SQL["get_jobs"], kind, status, limit)


def _basis(row: Row) -> Basis:
    through = orjson.loads(row["through"]) if row["through"] else None
    return Basis(
        row["log_id"],
        Rules(**orjson.loads(row["rules"])) if row["rules"] else None,
        row["late"],
        through
        and {
            log: {int(partition): offset for partition, offset in offsets.items()}
            for log, offsets in through.items()
        },
    )


def _rules_text(rules: Rules | None) -> str | None:
    return None if rules is None else orjson.dumps(asdict(rules)).decode()


def _through_text(basis: Basis) -> str | None:
    if basis.through is None:
        return None
    return orjson.dumps(basis.through, option=orjson.OPT_NON_STR_KEYS).decode()
