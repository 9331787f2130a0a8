"""Rows: charts as Postgres holds them, and back."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from charts.chart import Chart, Entry
from charts.trend import Standing
from charts.window import Window
from tables.postgres import Row

#: The source of our own charts; external ones carry their publisher's name.
OURS = "livecharts"
#: Where a chart is: region and window.
Place = tuple[str, Window]
_PLACE = ("source", "region", "window_kind", "starts_at", "revision")
_TREND = ("previous_rank", "peak_rank", "windows_on_chart", "movement")
ENTRY_COLUMNS = (*_PLACE, "rank", "track_id", "title", "artist", "plays", *_TREND)


def moment(time_ms: int) -> datetime:
    """Epoch milliseconds as Postgres takes them."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def epoch_ms(time: datetime) -> int:
    """A time of Postgres as we count it."""
    return round(time.timestamp() * 1000)


def storable(text: str | None) -> str | None:
    """A name as Postgres can hold it: whoever plays may say anything, and NUL is no text there."""
    return text.replace("\0", "") if text else text


def snapshot_row(chart: Chart, body: str | None) -> tuple[object, ...]:
    """One snapshot, in the order its statements take."""
    return (
        chart.source,
        chart.region,
        chart.window.kind,
        moment(chart.window.start),
        chart.revision,
        chart.status,
        chart.plays,
        chart.tracks,
        moment(chart.as_of),
        chart.rules,
        body,
    )


def body_of(chart: Chart) -> str:
    """The entries of a chart that is not final, inside its snapshot."""
    rows = [
        {k: storable(v) if isinstance(v, str) else v for k, v in entry.as_json().items() if k != "share"}
        for entry in chart.entries
    ]
    return orjson.dumps(rows).decode()


def entry_rows(chart: Chart) -> Iterable[tuple[object, ...]]:
    """The entries of a final chart, in the order of ENTRY_COLUMNS."""
    place = (chart.source, chart.region, chart.window.kind, moment(chart.window.start), chart.revision)
    for e in chart.entries:
        trend = (e.previous_rank, e.peak_rank, e.windows_on_chart, e.movement)
        yield (*place, e.rank, e.track_id, storable(e.title), storable(e.artist), e.plays, *trend)


def chart_of(head: Row, rows: Sequence[Any]) -> Chart:
    """A chart from its snapshot and its entries."""
    plays = head["plays"]
    return Chart(
        region=head["region"],
        window=Window(head["window_kind"], epoch_ms(head["starts_at"])),
        status=head["status"],
        plays=plays,
        tracks=head["tracks"],
        entries=tuple(_entry(row, plays) for row in rows),
        as_of=epoch_ms(head["as_of"]),
        rules=head["rules"],
        revision=head["revision"],
        source=head["source"],
    )


def _entry(row: Row, plays: int) -> Entry:
    return Entry(
        rank=row["rank"],
        track_id=row["track_id"],
        plays=row["plays"],
        title=row["title"],
        artist=row["artist"],
        share=round(row["plays"] / plays, 6) if plays else 0.0,
        previous_rank=row["previous_rank"],
        movement=row["movement"],
        peak_rank=row["peak_rank"],
        windows_on_chart=row["windows_on_chart"],
    )


def standing_of(row: Row) -> Standing:
    """A row of chart_standings."""
    return Standing(epoch_ms(row["starts_at"]), row["rank"], row["peak_rank"], row["windows_on_chart"])
