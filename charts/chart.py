"""Charts: the ranking people see, whether merged from the boards or read from the history."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from charts.window import Status, Window, rfc3339

Movement = Literal["up", "down", "same", "new", "re-entry"]
GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a chart."""

    rank: int
    track_id: str
    plays: int
    title: str | None = None
    artist: str | None = None
    share: float = 0.0
    previous_rank: int | None = None
    movement: Movement | None = None
    peak_rank: int | None = None
    windows_on_chart: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "rank": self.rank,
            "track_id": self.track_id,
            "title": self.title,
            "artist": self.artist,
            "plays": self.plays,
            "share": self.share,
            "previous_rank": self.previous_rank,
            "movement": self.movement,
            "peak_rank": self.peak_rank,
            "windows_on_chart": self.windows_on_chart,
        }


@dataclass(frozen=True, slots=True)
class Chart:
    """One region's ranking in one window, with its totals and how much of it is settled."""

    region: str
    window: Window
    status: Status
    plays: int
    tracks: int
    entries: tuple[Entry, ...]
    #: Event time up to which every partition has counted, epoch milliseconds.
    as_of: int
    rules: str
    stale: bool = False
    #: Age of the oldest head when the chart was asked for; none for a chart from the history.
    freshness_ms: int | None = None
    revision: int = 0
    source: str = "livecharts"

    def first(self, limit: int) -> "Chart":
        """The chart with only its first rows."""
        return replace(self, entries=self.entries[:limit])

    def as_json(self) -> dict[str, Any]:
        return {
            "region": self.region,
            "window": self.window.kind,
            "starts_at": rfc3339(self.window.start),
            "ends_at": rfc3339(self.window.end),
            "status": self.status,
            "as_of": rfc3339(self.as_of),
            "stale": self.stale,
            "freshness_ms": self.freshness_ms,
            "revision": self.revision,
            "rules": self.rules,
            "source": self.source,
            "plays": self.plays,
            "tracks": self.tracks,
            "entries": [entry.as_json() for entry in self.entries],
        }
