"""Trends: what a chart says about the charts before it, looking backward only.

An entry needs one thing of the past: the track's last entry before it (its standing), which itself
carries the peak and the number of windows up to there. So an old chart never changes because of a new
one, and the next chart costs one look-up per row, however long the history.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from charts.chart import Chart, Entry, Movement
from charts.window import Window


@dataclass(frozen=True, slots=True)
class Standing:
    """A track's last entry in one region and kind of window: where it was, and its record up to there."""

    start: int
    rank: int
    peak: int
    windows: int


#: By track; a track that never charted is absent. None says that nobody can tell at present.
Past = Mapping[str, Standing | None]


def with_trends(chart: Chart, past: Past, whole: bool = True) -> Chart:
    """The chart with every entry's trend.

    In a past that is not `whole` a track's absence means nothing: it is unknown, not new. And what `past`
    holds from the chart's own window or later says nothing about what was before it.
    """
    entries = tuple(_with_trend(entry, chart.window, past, whole) for entry in chart.entries)
    return replace(chart, entries=entries)


def standings(chart: Chart) -> dict[str, Standing]:
    """What this chart leaves for those after it; the chart carries its trends."""
    return {
        entry.track_id: Standing(chart.window.start, entry.rank, entry.peak_rank, entry.windows_on_chart)
        for entry in chart.entries
        if entry.peak_rank is not None and entry.windows_on_chart is not None
    }


def movers(entries: Iterable[Entry], limit: int) -> list[Entry]:
    """The fastest climbers: those that gained most ranks, then the higher placed."""
    climbers = [entry for entry in entries if entry.movement == "up"]
    return sorted(climbers, key=lambda entry: (entry.rank - (entry.previous_rank or 0), entry.rank))[:limit]


def movement_of(window: Window, rank: int, standing: Standing | None) -> tuple[int | None, Movement]:
    """The rank in the window before, if any, and which way the track went."""
    if standing is None:
        return None, "new"
    if standing.start != window.previous.start:
        return None, "re-entry"
    if rank == standing.rank:
        return standing.rank, "same"
    return standing.rank, "up" if rank < standing.rank else "down"


def _with_trend(entry: Entry, window: Window, past: Past, whole: bool) -> Entry:
    if not _speaks_of(entry.track_id, window, past, whole):
        return replace(entry, previous_rank=None, movement=None, peak_rank=None, windows_on_chart=None)
    standing = past.get(entry.track_id)
    previous, movement = movement_of(window, entry.rank, standing)
    return replace(
        entry,
        previous_rank=previous,
        movement=movement,
        peak_rank=min(standing.peak, entry.rank) if standing else entry.rank,
        windows_on_chart=standing.windows + 1 if standing else 1,
    )


def _speaks_of(track_id: str, window: Window, past: Past, whole: bool) -> bool:
    """Whether the past says where the track was, or that it never charted."""
    standing = past.get(track_id)
    if standing is None:
        return whole and track_id not in past
    return standing.start < window.start
