"""Analytics over HTTP: plays by region, hour and day, best ranks, share and growth."""

from typing import Any

from aiohttp.web import Request, Response
from pydantic import BaseModel, Field

from charts.errors import BadRequest, NotFound
from charts.window import DAY_MS, Kind, parse_time
from tables.analytics import Analytics, Span
from tables.catalogue import Catalogue
from web.records import Id
from web.services import services_of
from web.shapes import Time
from web.tagged import ETAG, tagged
from web.view import JSON, Answer, Asked, view

DAYS = 30
DAYS_MAX = 400


class SpanAsked(Asked):
    """From when to when; by default the last thirty days the history has."""

    from_: Time | None = Field(None, alias="from", description="windows that start then or later")
    to: Time | None = Field(None, description="windows that start before")


class PlatformAsked(SpanAsked):
    """… and how many of each list."""

    limit: int = Field(20, ge=1, le=100)


class TrackAsked(SpanAsked):
    track_id: Id


class ArtistAsked(SpanAsked):
    artist_id: Id


class RegionShare(BaseModel):
    """One region's part."""

    region: str
    plays: int
    share: float
    best_rank: int | None = None
    windows: int | None = None


class Point(BaseModel):
    """One window."""

    starts_at: Time
    plays: int
    tracks: int | None = Field(None, description="platform: distinct tracks played")
    best_rank: int | None = Field(None, description="tracks and artists: the best global rank")


class Genre(BaseModel):
    """One genre's part of what charts now."""

    genre: str
    tracks: int
    plays: int


class Best(BaseModel):
    """A record, of all time."""

    region: str
    window: Kind
    peak_rank: int
    windows_on_chart: int


class Report(BaseModel):
    """Plays over a range of days."""

    from_: Time = Field(alias="from")
    to: Time
    plays: int
    growth: float | None = Field(
        description="the last day that is over against the one before: 0.1 is a tenth more"
    )
    regions: list[RegionShare]
    days: list[Point]
    hours: list[Point] = Field(description="of the last three days")


class PlatformReport(Report):
    """Everything together."""

    popular_tracks: list[dict[str, Any]]
    popular_artists: list[dict[str, Any]]
    genres: list[Genre]


class TrackReport(Report):
    """A track, as far as it charted."""

    track_id: str
    title: str | None
    artist: str | None
    share: float = Field(description="of all plays")
    best_ranks: list[Best]


class ArtistReport(Report):
    """An artist's tracks together, as far as they charted."""

    artist_id: str
    name: str
    share: float = Field(description="of all plays")
    best_ranks: list[Best]


def _report(shape: type[Report]) -> dict[int, Answer]:
    return {200: Answer("The report.", {JSON: shape}, ETAG)}


@view(
    "GET",
    "/v1/analytics/platform",
    access="read",
    asked=PlatformAsked,
    answers=_report(PlatformReport),
    refuses=(503,),
)
async def platform(request: Request, asked: PlatformAsked) -> Response:
    """All plays by region, day and hour, and what is popular: tracks, artists, genres."""
    analytics = _analytics(request)
    return tagged(request, await analytics.platform(await _span(analytics, asked), asked.limit))


@view(
    "GET",
    "/v1/analytics/tracks/{track_id}",
    access="read",
    asked=TrackAsked,
    answers=_report(TrackReport),
    refuses=(404, 503),
)
async def track_report(request: Request, asked: TrackAsked) -> Response:
    """One track by region, day and hour, with its best ranks, share and growth."""
    analytics = _analytics(request)
    report = await analytics.track(asked.track_id, await _span(analytics, asked))
    names: dict[str, Any] = {"title": None, "artist": None}
    try:
        record = await Catalogue(services_of(request).need("database")).get("tracks", asked.track_id)
        names = {name: record[name] for name in names}
    except NotFound:
        if not report["best_ranks"]:
            raise
    return tagged(request, {"track_id": asked.track_id, **names, **report})


@view(
    "GET",
    "/v1/analytics/artists/{artist_id}",
    access="read",
    asked=ArtistAsked,
    answers=_report(ArtistReport),
    refuses=(404, 503),
)
async def artist_report(request: Request, asked: ArtistAsked) -> Response:
    """An artist's tracks together, by region, day and hour."""
    analytics = _analytics(request)
    record = await Catalogue(services_of(request).need("database")).get("artists", asked.artist_id)
    report = await analytics.artist(asked.artist_id, await _span(analytics, asked))
    return tagged(request, {"artist_id": asked.artist_id, "name": record["name"], **report})


def _analytics(request: Request) -> Analytics:
    return Analytics(services_of(request).need("database"))


async def _span(analytics: Analytics, asked: SpanAsked) -> Span:
    start = parse_time(asked.from_) if asked.from_ else None
    end = parse_time(asked.to) if asked.to else None
    span = await analytics.span(start, end, DAYS)
    if not 0 <= span.end - span.start <= DAYS_MAX * DAY_MS:
        raise BadRequest(f"from `from` to `to` is no time, or more than {DAYS_MAX} days")
    return span
