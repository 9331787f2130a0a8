"""History: how a track fared window by window, and who climbs."""

from typing import Any

from aiohttp.web import Request, Response
from pydantic import BaseModel, Field

from charts.chart import GLOBAL, Movement
from charts.errors import BadRequest, NotFound
from charts.play import ID_LENGTH
from charts.trend import movers as climbers
from charts.window import TIME_END, Kind, parse_time, rfc3339
from tables.archive import Archive
from tables.rows import OURS, epoch_ms
from web.charts import ChartAsked, live_chart, past_chart
from web.services import services_of
from web.shapes import ChartShape, Region, Time
from web.tagged import ETAG, tagged
from web.view import JSON, Answer, Asked, view

#: Windows of one answer: six weeks of hours, three years of days.
WINDOWS_MAX = 1000


class MoversAsked(ChartAsked):
    """Of which chart, and how many."""

    limit: int = Field(20, ge=1, le=1000, description="climbers at most")


class TrackAsked(Asked):
    """Which track, where, and from when to when."""

    track_id: str = Field(min_length=1, max_length=ID_LENGTH, pattern=r"^[^\x00-\x1f]+$")
    region: Region = GLOBAL
    window: Kind = "hour"
    from_: Time | None = Field(None, alias="from", description="windows that start then or later")
    to: Time | None = Field(None, description="windows that start before")
    source: str = Field(OURS, pattern=r"^[a-z0-9-]{1,32}$")
    limit: int = Field(WINDOWS_MAX, ge=1, le=WINDOWS_MAX, description="windows at most, the latest")


class PointShape(BaseModel):
    """A track in one window."""

    starts_at: Time
    rank: int
    plays: int
    previous_rank: int | None
    movement: Movement | None
    peak_rank: int | None
    windows_on_chart: int | None


class TrackHistoryShape(BaseModel):
    """A track over the windows it charted in, oldest first."""

    track_id: str
    region: str
    window: Kind
    source: str
    entries: list[PointShape]


@view(
    "GET",
    "/v1/movers/{region}/{window}",
    access="read",
    asked=MoversAsked,
    answers={200: Answer("The chart with its climbers alone, fastest first.", {JSON: ChartShape}, ETAG)},
    refuses=(404, 503),
)
async def movers(request: Request, asked: MoversAsked) -> Response:
    """The fastest climbers against the window before."""
    services = services_of(request)
    chart = live_chart(services, asked) or await past_chart(services, asked)
    rows = tuple(climbers(chart.entries, asked.limit))
    return tagged(request, {**chart.first(0).as_json(), "entries": [entry.as_json() for entry in rows]})


@view(
    "GET",
    "/v1/tracks/{track_id}/history",
    access="read",
    asked=TrackAsked,
    answers={200: Answer("Rank and plays over windows, for plotting.", {JSON: TrackHistoryShape}, ETAG)},
    refuses=(404, 503),
)
async def track_history(request: Request, asked: TrackAsked) -> Response:
    """A track's rank and plays over the windows it charted in."""
    services = services_of(request)
    archive: Archive = services.need("archive")
    start = parse_time(asked.from_) if asked.from_ else 0
    end = parse_time(asked.to) if asked.to else TIME_END - 1
    if start > end:
        raise BadRequest("`from` lies after `to`")
    rows = await archive.track(
        asked.track_id,
        asked.region,
        asked.window,
        start=start,
        end=end,
        limit=asked.limit,
        source=asked.source,
    )
    if not rows and not await archive.knows(asked.region):
        raise NotFound(f"no chart of {asked.region} in the history")
    names = ("rank", "plays", "previous_rank", "movement", "peak_rank", "windows_on_chart")
    entries: list[dict[str, Any]] = [
        {"starts_at": rfc3339(epoch_ms(row["starts_at"])), **{name: row[name] for name in names}}
        for row in rows
    ]
    head = {name: getattr(asked, name) for name in ("track_id", "region", "window", "source")}
    return tagged(request, {**head, "entries": entries})
