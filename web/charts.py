"""Charts: the ranking of a region in a window, live or from the history, as JSON or CSV."""

from typing import Literal

from aiohttp import web
from aiohttp.web import Request, Response
from pydantic import Field

from charts.chart import GLOBAL, Chart
from charts.errors import NotFound
from charts.finality import status
from charts.window import DAY_MS, LIVE_KINDS, Kind, Window, parse_time, rfc3339
from tables.archive import Archive
from tables.boards import Boards
from tables.rows import OURS
from web.clock import now_ms
from web.encoding import CSV, KEPT, Encoded
from web.problem import Problem
from web.services import Services, services_of
from web.shapes import ChartList, ChartShape, Region, Time
from web.view import JSON, Answer, Asked, answer, view

_ETAG = {"ETag": "names this state of the chart; send it back in If-None-Match"}


#: The present charts as bytes, by what was asked; good for one version of the boards.
Place = tuple[str, str, int, str]
ENCODED = web.AppKey("encoded", dict[Place, tuple[tuple[int, bool], Encoded]])


class ChartAsked(Asked):
    """Which chart, and how much of it."""

    region: Region
    window: Kind
    at: Time | None = Field(None, description="a time inside the window; without it, the present one")
    as_of: Time | None = Field(None, description="the chart as it stood then")
    source: str = Field(OURS, pattern=r"^[a-z0-9-]{1,32}$", description="whose chart")
    limit: int = Field(100, ge=1, le=1000, description="entries at most")
    format: Literal["json", "csv"] = "json"


@view("GET", "/v1/charts", access="read", answers=ChartList)
async def charts(request: Request) -> Response:
    """The regions and windows that have charts now."""
    boards = counted(services_of(request).boards)
    names = sorted(boards.charts(), key=lambda name: (name[0] != "global", name[0], name[1]))
    return answer(
        {
            "as_of": rfc3339(boards.as_of),
            "regions": list(dict.fromkeys(region for region, _ in names)),
            "charts": [_name(boards, region, window) for region, window in names],
        }
    )


@view(
    "GET",
    "/v1/charts/{region}/{window}",
    access="read",
    asked=ChartAsked,
    answers={
        200: Answer("The chart.", {JSON: ChartShape, CSV: str}, _ETAG),
        304: Answer("The chart you have is still right.", headers=_ETAG),
    },
    refuses=(404, 503),
    reads={"If-None-Match": "the ETag of the chart you have"},
)
async def chart(request: Request, asked: ChartAsked) -> Response:
    """One chart: now or in any past window (`at`), as it stands or as it stood (`as_of`)."""
    services = services_of(request)
    known = request.app[ENCODED]
    place = (asked.region, asked.window, asked.limit, asked.format)
    boards = services.boards
    state = (boards.version, boards.stale)
    is_now = asked.at is None and asked.as_of is None and asked.source == OURS
    kept = known.get(place) if is_now and boards.ready else None
    if kept is not None and kept[0] == state:
        return kept[1].answer(request, asked.format, boards.freshness_ms)
    live = live_chart(services, asked)
    found = live or await past_chart(services, asked)
    made = Encoded.of(found, asked.limit, asked.format)
    if live is not None and is_now:
        if len(known) >= KEPT:
            known.clear()
        known[place] = (state, made)
    return made.answer(request, asked.format, found.freshness_ms)


def live_chart(services: Services, asked: ChartAsked) -> Chart | None:
    """The chart from the boards, where they still hold the window."""
    if asked.window not in LIVE_KINDS or asked.source != OURS or asked.as_of:
        return None
    if not asked.at:
        return present_chart(services, asked.region, asked.window)
    found = counted(services.boards).chart(asked.region, Window.at(asked.window, parse_time(asked.at)))
    return services.dress(found) if found else None


def present_chart(services: Services, region: str, kind: Kind) -> Chart:
    """The chart of the present window; an empty one where nothing was played in it yet."""
    boards = counted(services.boards)
    window = Window.at(kind, boards.as_of)
    found = boards.chart(region, window)
    return services.dress(found) if found else _empty(boards, region, window)


async def past_chart(services: Services, asked: ChartAsked) -> Chart:
    """The chart from the archive."""
    archive: Archive = services.need("archive")
    as_of = parse_time(asked.as_of) if asked.as_of else None
    time_ms = parse_time(asked.at) if asked.at else as_of or now_ms()
    window: Window | None = Window.at(asked.window, time_ms)
    if not asked.at and not asked.as_of:
        window = await archive.latest(asked.region, asked.window, asked.source, time_ms)
    found = await archive.chart(asked.region, window, asked.source, as_of) if window else None
    if found is None:
        raise NotFound(f"no {asked.window} chart of {asked.region} at that time from {asked.source}")
    return found


def counted(boards: Boards) -> Boards:
    """The boards, once this worker has read them whole."""
    if not boards.ready:
        raise Problem(503, "this worker is still reading the boards")
    return boards


def _empty(boards: Boards, region: str, window: Window) -> Chart:
    """The chart of a known region in which nothing was played yet; of an unknown one there is none."""
    known = region == GLOBAL and boards.heads
    if not known and all(region != name for name, _ in boards.charts()):
        raise NotFound(f"nothing was played in {region} lately")
    return Chart(
        region=region,
        window=window,
        status=status(window, boards.clock, boards.book),
        plays=0,
        tracks=0,
        entries=(),
        as_of=boards.as_of,
        rules=boards.book.on(window.start // DAY_MS).version,
        stale=boards.stale,
        freshness_ms=boards.freshness_ms,
    )


def _name(boards: Boards, region: str, window: Window) -> dict[str, str]:
    return {
        "region": region,
        "window": window.kind,
        "starts_at": rfc3339(window.start),
        "ends_at": rfc3339(window.end),
        "status": status(window, boards.clock, boards.book),
    }
