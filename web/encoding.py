"""Encoding: a chart as bytes, made once for as long as it stands.

The boards hand out the same rows until something changes, and a number that grows with whatever they read.
So rows are encoded once, a live chart's head once a version, and only the freshness is new in each answer.
The ETag names everything but the freshness, and is the same on every worker: a hash of the content.
"""

import csv
import io
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

import orjson
from aiohttp.web import Request, Response

from charts.changes import head_of
from charts.chart import Chart, Entry
from charts.window import Window
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
KEPT = 1024
_Key = tuple[str, Window, str, int, str]
_Rows = tuple[tuple[Entry, ...], bytes, bytes]
_cache: OrderedDict[_Key, _Rows] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Encoded:
    """A chart as bytes: the head without its freshness, and the rows."""

    head: bytes
    rows: bytes
    etag: str
    #: The name of a CSV file of it.
    name: str

    @classmethod
    def of(cls, chart: Chart, limit: int, form: str) -> "Encoded":
        rows, digest = _rows(chart, limit, form)
        fields = head_of(chart)
        del fields["freshness_ms"]
        head = orjson.dumps(fields)
        etag = blake2b(head + digest, digest_size=12).hexdigest()
        name = f"{chart.region}-{chart.window.kind}-{chart.window.start // 1000}.csv"
        return cls(head, rows, etag, name)

    def answer(self, request: Request, form: str, freshness_ms: int | None) -> Response:
        """The answer to one caller: 304 where the caller's chart still stands."""
        headers = {"ETag": f'"{self.etag}"', "Cache-Control": "no-cache"}
        if knows(request.headers.get("If-None-Match"), self.etag):
            return Response(status=304, headers=headers)
        if form == "csv":
            headers["Content-Disposition"] = f'attachment; filename="{self.name}"'
            return Response(body=self.rows, content_type=CSV, charset="utf-8", headers=headers)
        freshness = b"null" if freshness_ms is None else b"%d" % freshness_ms
        parts = (self.head[:-1], b',"freshness_ms":', freshness, b',"entries":', self.rows, b"}")
        return Response(body=b"".join(parts), content_type=JSON, headers=headers)


def _rows(chart: Chart, limit: int, form: str) -> tuple[bytes, bytes]:
    """The rows as bytes and their hash; made anew only when the rows are others."""
    key = (chart.region, chart.window, form, limit, chart.source)
    kept = _cache.get(key)
    if kept is not None and kept[0] is chart.entries:
        _cache.move_to_end(key)
        return kept[1], kept[2]
    rows = _csv(chart.first(limit)) if form == "csv" else _json(chart.first(limit))
    digest = blake2b(rows, digest_size=12).digest()
    _cache[key] = (chart.entries, rows, digest)
    if len(_cache) > KEPT:
        _cache.popitem(last=False)
    return rows, digest


def _json(chart: Chart) -> bytes:
    return orjson.dumps([entry.as_json() for entry in chart.entries])


def _csv(chart: Chart) -> bytes:
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\r\n")
    sheet.writerow(COLUMNS)
    sheet.writerows([entry.as_json()[name] for name in COLUMNS] for entry in chart.entries)
    return text.getvalue().encode()


def knows(header: str | None, etag: str) -> bool:
    """Whether the caller's If-None-Match names this state; weak or strong is the same here."""
    if not header:
        return False
    named = {part.strip().removeprefix("W/").strip('"') for part in header.split(",")}
    return etag in named or "*" in named
