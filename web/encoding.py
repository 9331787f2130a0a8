"""Encoding: a chart as bytes, made once for as long as it stands.

The boards hand out the same Chart object until something changes, so its rows are encoded once and only
the freshness is new in each answer. The ETag names everything but the freshness, and is the same on
every worker: a hash of the content.
"""

import csv
import io
from collections import OrderedDict
from hashlib import blake2b

import orjson
from aiohttp.web import Request, Response

from charts.chart import Chart
from web.view import JSON

CSV = "text/csv"
COLUMNS = (
    "rank",
    "track_id",
    "title",
    "artist",
    "plays",
    "share",
    "previous_rank",
    "movement",
    "peak_rank",
    "windows_on_chart",
)
#: How many encoded charts a worker keeps: about 200 regions, two windows, a few limits; 20 MB at most.
_KEPT = 1024
_Key = tuple[str, str, str, int, str, int, int, str]
_cache: OrderedDict[_Key, tuple[Chart, bytes, str]] = OrderedDict()


def encoded(request: Request, chart: Chart, limit: int, form: str) -> Response:
    """The answer to one caller: 304 where the caller's chart still stands."""
    rows, etag = _encoded(chart, limit, form)
    headers = {"ETag": f'"{etag}"', "Cache-Control": "no-cache"}
    if _knows(request.headers.get("If-None-Match"), etag):
        return Response(status=304, headers=headers)
    if form == "csv":
        name = f"{chart.region}-{chart.window.kind}-{chart.window.start // 1000}.csv"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return Response(body=rows, content_type=CSV, charset="utf-8", headers=headers)
    head = chart.first(0).as_json()
    head["entries"] = orjson.Fragment(rows)
    return Response(body=orjson.dumps(head), content_type=JSON, headers=headers)


def _encoded(chart: Chart, limit: int, form: str) -> tuple[bytes, str]:
    window = chart.window
    key = (chart.region, window.kind, form, limit, chart.source, window.start, chart.revision, chart.status)
    kept = _cache.get(key)
    if kept is not None and kept[0] is chart:
        _cache.move_to_end(key)
        return kept[1], kept[2]
    rows = _csv(chart.first(limit)) if form == "csv" else _json(chart.first(limit))
    etag = _etag(chart, rows)
    _cache[key] = (chart, rows, etag)
    if len(_cache) > _KEPT:
        _cache.popitem(last=False)
    return rows, etag


def _json(chart: Chart) -> bytes:
    return orjson.dumps([entry.as_json() for entry in chart.entries])


def _csv(chart: Chart) -> bytes:
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\r\n")
    sheet.writerow(COLUMNS)
    sheet.writerows([entry.as_json()[name] for name in COLUMNS] for entry in chart.entries)
    return text.getvalue().encode()


def _etag(chart: Chart, rows: bytes) -> str:
    head = chart.first(0).as_json()
    del head["freshness_ms"]
    return blake2b(orjson.dumps(head) + rows, digest_size=12).hexdigest()


def _knows(header: str | None, etag: str) -> bool:
    """Whether the caller's If-None-Match names this state; weak or strong is the same here."""
    if not header:
        return False
    named = {part.strip().removeprefix("W/").strip('"') for part in header.split(",")}
    return etag in named or "*" in named
