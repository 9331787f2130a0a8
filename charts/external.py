"""External charts: what others publish, read into charts of ours.

    apple     the "most played" feed of Apple's marketing tools, JSON: ranks, no plays
    spotify   the CSV of Spotify's charts: rank, uri, artist_names, track_name, source, peak_rank,
              previous_rank, days_on_chart (or weeks_on_chart), streams

A publisher's peak and time on chart are kept as said; where none are said, they follow from the charts
of that source that we have.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import orjson

from charts.chart import GLOBAL, Chart, Entry, Movement
from charts.errors import BadRequest
from charts.window import Kind, Window

Format = Literal["apple", "spotify"]
FORMATS: tuple[Format, ...] = get_args(Format)
#: More rows than any publisher's chart has: then it is something else.
ROWS_MAX = 1000
#: Their rules are not ours, and nobody tells them.
RULES = ""

_REGION = re.compile(r"[A-Z]{2}|global")
_SPOTIFY_TRACK = re.compile(r"spotify:track:([A-Za-z0-9]{22})")
_RANK, _COUNT = re.compile(r"[0-9]{1,9}"), re.compile(r"[0-9]{1,15}")


def read_chart(content: bytes, form: Format, region: str, window: Window, source: str) -> Chart:
    """The chart in a document; BadRequest in one line where it is not one."""
    if not _REGION.fullmatch(region):
        raise BadRequest(f"a region is two capitals or {GLOBAL}, not {region!r}")
    entries = _apple(content) if form == "apple" else _spotify(content, window.kind)
    if not 0 < len(entries) <= ROWS_MAX:
        raise BadRequest(f"{len(entries)} entries: no chart")
    if [entry.rank for entry in entries] != list(range(1, len(entries) + 1)):
        raise BadRequest("the ranks are not 1, 2, 3, …")
    if len({entry.track_id for entry in entries}) != len(entries):
        raise BadRequest("a track is on the chart twice")
    return Chart(
        region=region,
        window=window,
        status="final",
        plays=sum(entry.plays for entry in entries),
        tracks=len(entries),
        entries=tuple(entries),
        as_of=window.end,
        rules=RULES,
        source=source,
    )


def guess_format(content: bytes) -> Format:
    """What a document looks like."""
    return "apple" if content.lstrip()[:1] == b"{" else "spotify"


def apple_region(content: bytes) -> str | None:
    """The region an Apple feed says it is of."""
    country = _feed(content).get("country")
    return country.upper() if isinstance(country, str) else None


def _feed(content: bytes) -> Mapping[str, Any]:
    try:
        feed = orjson.loads(content)["feed"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise BadRequest("not an Apple feed: no JSON object with a `feed`") from None
    if not isinstance(feed, dict) or not isinstance(feed.get("results"), list):
        raise BadRequest("not an Apple feed: `feed` has no `results`")
    return feed


def _apple(content: bytes) -> list[Entry]:
    entries = []
    for rank, result in enumerate(_feed(content)["results"], start=1):
        if not isinstance(result, dict) or not result.get("id") or not result.get("name"):
            raise BadRequest(f"result {rank} has no id or no name")
        title, artist = _text(result["name"]), _text(result.get("artistName"))
        entries.append(Entry(rank, f"apple:{_text(result['id'], 100)}", 0, title, artist))
    return entries


def _spotify(content: bytes, kind: Kind) -> list[Entry]:
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(f"not a Spotify chart: {error}") from None
    wanted = {"rank", "uri", "artist_names", "track_name", "streams"}
    missing = wanted - set(rows[0] if rows else ())
    if missing:
        raise BadRequest(f"not a Spotify chart: no column {', '.join(sorted(missing))}")
    entries = [_spotify_entry(row, line, kind) for line, row in enumerate(rows, start=2)]
    total = sum(entry.plays for entry in entries)
    ranked = sorted(entries, key=lambda entry: entry.rank)
    return [replace(entry, share=round(entry.plays / total, 6) if total else 0.0) for entry in ranked]


def _spotify_entry(row: Mapping[str, Any], line: int, kind: Kind) -> Entry:
    def count(name: str, shape: re.Pattern[str] = _RANK) -> int | None:
        text = (row.get(name) or "").strip()
        if text in ("", "-1"):
            return None
        if not shape.fullmatch(text):
            raise BadRequest(f"line {line}: {name} is no number: {text[:40]!r}")
        return int(text)

    rank, streams = count("rank"), count("streams", _COUNT)
    track = _SPOTIFY_TRACK.fullmatch((row.get("uri") or "").strip())
    if rank is None or track is None:
        raise BadRequest(f"line {line}: no rank, or no spotify:track: uri")
    previous, peak = count("previous_rank"), count("peak_rank")
    windows = count("weeks_on_chart" if kind == "week" else "days_on_chart")
    names = (_text(row.get("track_name")), _text(row.get("artist_names")))
    entry = Entry(rank, f"spotify:{track[1]}", streams or 0, *names)
    if peak is None or windows is None:
        return entry
    return replace(
        entry,
        previous_rank=previous or None,
        movement=_movement(rank, previous or None, windows),
        peak_rank=peak,
        windows_on_chart=windows,
    )


def _movement(rank: int, previous: int | None, windows: int) -> Movement:
    if previous is None:
        return "new" if windows <= 1 else "re-entry"
    return "same" if previous == rank else "up" if rank < previous else "down"


def _text(value: Any, most: int = 512) -> str | None:
    """A text of somebody else's, without control characters and of bounded length."""
    if value is None:
        return None
    return re.sub(r"[\x00-\x1f\x7f]+", " ", str(value)).strip()[:most] or None
