"""The catalogue over HTTP: reading for everybody who may read, editing for editors.

An answer's ETag is the record's revision: send it back in If-Match to change or delete the record, and
lose with a 412 where somebody else was faster. Without it the change is refused (428), so that nobody
overwrites what they have not seen.
"""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from aiohttp.web import Request, Response
from pydantic import Field

from charts.errors import BadRequest, Conflict, NotFound
from charts.window import Window, rfc3339
from tables.catalogue import KEYS, Catalogue, Page, Table
from web.problem import Problem
from web.records import (
    After,
    Album,
    AlbumKept,
    Artist,
    ArtistKept,
    Body,
    Id,
    Pages,
    Track,
    TrackKept,
    TrackNow,
)
from web.services import Services, services_of
from web.view import JSON, Answer, Asked, answer, view

_ETAG = {"ETag": "the record's revision; send it back in If-Match"}


class PageAsked(Asked):
    """Which page."""

    after: After = Field("", description="the cursor of the page before")
    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class TracksAsked(PageAsked):
    """Which page of which tracks."""

    unknown: bool = Field(False, description="tracks that charted and are not in the catalogue")
    artist_id: Id | None = None


class AlbumsAsked(PageAsked):
    """Which page of which albums."""

    artist_id: Id | None = None


class TrackAsked(Asked):
    track_id: Id


class ArtistAsked(Asked):
    artist_id: Id


class AlbumAsked(Asked):
    album_id: Id


class OfArtistAsked(PageAsked):
    artist_id: Id


def _kept(shape: Any, status: int = 200) -> Mapping[int, Answer]:
    return {status: Answer("The record.", {JSON: shape}, _ETAG)}


_PAGE = {200: Answer("A page, in the order of the ids.", {JSON: Pages})}
_CHANGES = (404, 409, 412, 428, 503)


@view("GET", "/v1/tracks", access="read", asked=TracksAsked, answers=_PAGE, refuses=(503,))
async def tracks(request: Request, asked: TracksAsked) -> Response:
    """Tracks of the catalogue, or those that charted without being in it."""
    if asked.unknown:
        return _page(await _catalogue(request).unknown(asked.after, asked.limit))
    return _page(await _catalogue(request).page("tracks", asked.after, asked.limit, asked.artist_id))


@view("GET", "/v1/artists", access="read", asked=PageAsked, answers=_PAGE, refuses=(503,))
async def artists(request: Request, asked: PageAsked) -> Response:
    """Artists of the catalogue."""
    return _page(await _catalogue(request).page("artists", asked.after, asked.limit))


@view("GET", "/v1/albums", access="read", asked=AlbumsAsked, answers=_PAGE, refuses=(503,))
async def albums(request: Request, asked: AlbumsAsked) -> Response:
    """Albums of the catalogue."""
    return _page(await _catalogue(request).page("albums", asked.after, asked.limit, asked.artist_id))


@view(
    "GET",
    "/v1/artists/{artist_id}/tracks",
    access="read",
    asked=OfArtistAsked,
    answers=_PAGE,
    refuses=(404, 503),
)
async def artist_tracks(request: Request, asked: OfArtistAsked) -> Response:
    """An artist's tracks."""
    await _catalogue(request).get("artists", asked.artist_id)
    return _page(await _catalogue(request).page("tracks", asked.after, asked.limit, asked.artist_id))


@view(
    "GET",
    "/v1/artists/{artist_id}/albums",
    access="read",
    asked=OfArtistAsked,
    answers=_PAGE,
    refuses=(404, 503),
)
async def artist_albums(request: Request, asked: OfArtistAsked) -> Response:
    """An artist's albums."""
    await _catalogue(request).get("artists", asked.artist_id)
    return _page(await _catalogue(request).page("albums", asked.after, asked.limit, asked.artist_id))


@view(
    "GET",
    "/v1/tracks/{track_id}",
    access="read",
    asked=TrackAsked,
    answers=_kept(TrackNow),
    refuses=(404, 503),
)
async def track(request: Request, asked: TrackAsked) -> Response:
    """A track and where it stands now; one that charts, or ever did, need not be in the catalogue."""
    services = services_of(request)
    charts = _present(services, asked.track_id)
    try:
        record = await _catalogue(request).get("tracks", asked.track_id)
    except NotFound:
        named = charts[0] if charts else await _catalogue(request).charted(asked.track_id)
        if named is None:
            raise
        said = {name: named[name] for name in ("track_id", "title", "artist")}
        return answer({**said, "charts": charts})
    return _record({**record, "charts": charts})


@view(
    "GET",
    "/v1/artists/{artist_id}",
    access="read",
    asked=ArtistAsked,
    answers=_kept(ArtistKept),
    refuses=(404, 503),
)
async def artist(request: Request, asked: ArtistAsked) -> Response:
    """An artist."""
    return _record(await _catalogue(request).get("artists", asked.artist_id))


@view(
    "GET",
    "/v1/albums/{album_id}",
    access="read",
    asked=AlbumAsked,
    answers=_kept(AlbumKept),
    refuses=(404, 503),
)
async def album(request: Request, asked: AlbumAsked) -> Response:
    """An album."""
    return _record(await _catalogue(request).get("albums", asked.album_id))


@view(
    "POST",
    "/v1/tracks",
    access="editor",
    body=Track,
    answers=_kept(TrackKept, 201),
    refuses=(409, 503),
)
async def create_track(request: Request, body: Track) -> Response:
    """A new track."""
    return await _create(request, "tracks", body)


@view(
    "POST",
    "/v1/artists",
    access="editor",
    body=Artist,
    answers=_kept(ArtistKept, 201),
    refuses=(409, 503),
)
async def create_artist(request: Request, body: Artist) -> Response:
    """A new artist."""
    return await _create(request, "artists", body)


@view(
    "POST",
    "/v1/albums",
    access="editor",
    body=Album,
    answers=_kept(AlbumKept, 201),
    refuses=(409, 503),
)
async def create_album(request: Request, body: Album) -> Response:
    """A new album."""
    return await _create(request, "albums", body)


@view(
    "PUT",
    "/v1/tracks/{track_id}",
    access="editor",
    asked=TrackAsked,
    body=Track,
    answers=_kept(TrackKept),
    refuses=_CHANGES,
)
async def put_track(request: Request, asked: TrackAsked, body: Track) -> Response:
    """Replaces a track."""
    return await _replace(request, "tracks", asked.track_id, body)


@view(
    "PUT",
    "/v1/artists/{artist_id}",
    access="editor",
    asked=ArtistAsked,
    body=Artist,
    answers=_kept(ArtistKept),
    refuses=_CHANGES,
)
async def put_artist(request: Request, asked: ArtistAsked, body: Artist) -> Response:
    """Replaces an artist; their tracks and albums are found by the new name."""
    return await _replace(request, "artists", asked.artist_id, body)


@view(
    "PUT",
    "/v1/albums/{album_id}",
    access="editor",
    asked=AlbumAsked,
    body=Album,
    answers=_kept(AlbumKept),
    refuses=_CHANGES,
)
async def put_album(request: Request, asked: AlbumAsked, body: Album) -> Response:
    """Replaces an album."""
    return await _replace(request, "albums", asked.album_id, body)


_GONE = {204: Answer("It is gone.")}


@view(
    "DELETE",
    "/v1/tracks/{track_id}",
    access="editor",
    asked=TrackAsked,
    answers=_GONE,
    refuses=_CHANGES,
)
async def delete_track(request: Request, asked: TrackAsked) -> Response:
    """Deletes a track; its charts stay."""
    return await _delete(request, "tracks", asked.track_id)


@view(
    "DELETE",
    "/v1/artists/{artist_id}",
    access="editor",
    asked=ArtistAsked,
    answers=_GONE,
    refuses=_CHANGES,
)
async def delete_artist(request: Request, asked: ArtistAsked) -> Response:
    """Deletes an artist; their tracks and albums stay, without one."""
    return await _delete(request, "artists", asked.artist_id)


@view(
    "DELETE",
    "/v1/albums/{album_id}",
    access="editor",
    asked=AlbumAsked,
    answers=_GONE,
    refuses=_CHANGES,
)
async def delete_album(request: Request, asked: AlbumAsked) -> Response:
    """Deletes an album; its tracks stay, without one."""
    return await _delete(request, "albums", asked.album_id)


def _catalogue(request: Request) -> Catalogue:
    return Catalogue(services_of(request).need("database"))


async def _create(request: Request, table: Table, body: Body) -> Response:
    record = await _catalogue(request).create(table, body.model_dump())
    made = _record(record, 201)
    made.headers["Location"] = f"/v1/{table}/{quote(record[KEYS[table]], safe='')}"
    return made


async def _replace(request: Request, table: Table, key: str, body: Body) -> Response:
    values = body.model_dump()
    if values.get(KEYS[table]) not in (None, key):
        raise BadRequest(f"{KEYS[table]} in the body is not the one in the path")
    revision = _revision(request)
    try:
        return _record(await _catalogue(request).update(table, key, values, revision))
    except Conflict as error:
        raise Problem(412, str(error)) from None


async def _delete(request: Request, table: Table, key: str) -> Response:
    revision = _revision(request)
    try:
        await _catalogue(request).delete(table, key, revision)
    except Conflict as error:
        raise Problem(412, str(error)) from None
    return Response(status=204)


def _revision(request: Request) -> int | None:
    """The revision the caller saw; None where any will do (`*`)."""
    header = request.headers.get("If-Match", "").strip()
    if not header:
        raise Problem(428, "send If-Match with the record's ETag, or * to overwrite whatever is there")
    if header == "*":
        return None
    tag = header.removeprefix("W/").strip('"')
    if not tag.isdecimal() or len(tag) > 9:
        raise Problem(412, "If-Match is no revision of this record")
    return int(tag)


def _present(services: Services, track_id: str) -> list[dict[str, Any]]:
    """The track's rows in the charts of the present windows."""
    boards = services.boards
    present = {Window.at(kind, boards.as_of) for kind in ("hour", "day")}
    found = []
    for region, window in boards.charts():
        chart = boards.chart(region, window) if window in present else None
        if chart is None or all(entry.track_id != track_id for entry in chart.entries):
            continue
        entry = next(entry for entry in services.dress(chart).entries if entry.track_id == track_id)
        place = {"region": region, "window": window.kind, "starts_at": rfc3339(window.start)}
        found.append({**place, **entry.as_json()})
    return sorted(found, key=lambda place: (place["window"], place["region"] != "global", place["region"]))


def _page(page: Page) -> Response:
    return _json({"items": page.items, "next": page.next})


def _record(record: Mapping[str, Any], status: int = 200) -> Response:
    return _json(record, status, {"ETag": f'"{record["revision"]}"'})


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Times as everywhere here, in UTC with a Z."""
    options = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
    return Response(
        body=orjson.dumps(value, option=options), status=status, content_type=JSON, headers=headers
    )
