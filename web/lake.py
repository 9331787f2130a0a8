"""The lake: what curation did."""

from typing import Annotated, Literal

from aiohttp.web import Request, Response
from pydantic import BaseModel, Field

from charts.window import rfc3339
from tables.jobs import Jobs
from tables.postgres import Row
from tables.rows import epoch_ms
from web.services import services_of
from web.shapes import Time
from web.view import Asked, answer, view


class JobsAsked(Asked):
    """Which jobs, newest first."""

    kind: Literal["curate", "replay", "week"] | None = None
    status: Literal["running", "done", "failed"] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class JobShape(BaseModel):
    """One job: an hour curated or replayed, or a week counted."""

    kind: str
    starts_at: Time
    status: str
    late: bool = Field(description="with the plays that came too late")
    rows_in: int | None
    rows_out: int | None
    files: int | None
    bytes: int | None
    seconds: float | None
    reason: str | None
    started_at: Time
    finished_at: Time | None


class JobsShape(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobShape]


@view("GET", "/v1/lake/jobs", access="read", asked=JobsAsked, answers=JobsShape, refuses=(503,))
async def lake_jobs(request: Request, asked: JobsAsked) -> Response:
    """What curation, replays and the weekly count did to the lake."""
    jobs = Jobs(services_of(request).need("database"))
    rows = await jobs.recent(asked.kind, asked.status, asked.limit)
    return answer({"jobs": [_told(row) for row in rows]})


def _told(row: Row) -> dict[str, object]:
    same = ("kind", "status", "late", "rows_in", "rows_out", "files", "bytes", "seconds", "reason")
    times = ("starts_at", "started_at", "finished_at")
    return {name: row[name] for name in same} | {
        name: None if row[name] is None else rfc3339(epoch_ms(row[name])) for name in times
    }
