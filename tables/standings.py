"""Standings in memory: what live charts are compared with, also while Postgres is away.

The charts of a region come one after another: those in the history, then the live ones in the order of
their windows. A live chart's past is the standings the history holds, overlaid by what each live chart
before it leaves. Both change rarely, so a dressed chart is kept until one of them does.
"""

from collections import ChainMap, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from charts.chart import Chart, Entry
from charts.trend import Past, Standing, standings, with_trends
from charts.window import Kind, Window
from tables.rows import Place

#: More layers than this would make look-ups slow: then they are made one.
LAYERS_MAX = 50


class Live(Protocol):
    """The part of the boards that is needed here."""

    @property
    def ready(self) -> bool: ...
    @property
    def clock(self) -> int: ...
    def chart(self, region: str, window: Window) -> Chart | None: ...
    def charts(self) -> list[Place]: ...
    def is_final(self, window: Window) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Step:
    """The entries of one live chart with their trends, and the past of the chart after it."""

    entries: tuple[Entry, ...]
    before: Past
    dressed: tuple[Entry, ...]
    after: Past


class Standings:
    """What is known of every charted track."""

    def __init__(self, boards: Live) -> None:
        self._boards = boards
        self._known: dict[tuple[str, Kind], dict[str, Standing | None]] = defaultdict(dict)
        #: Places whose final chart is in the history.
        self.written: set[Place] = set()
        #: Whether a track that is not known never charted; not before the history was read.
        self.whole = False
        self._steps: dict[Place, _Step] = {}
        self._places: list[Place] = []
        self._windows: dict[tuple[str, Kind], list[Window]] = {}

    def learn(self, rows: Iterable[tuple[str, Kind, str, Standing]]) -> None:
        """Take in standings of the history: (region, kind, track, standing)."""
        for region, kind, track_id, standing in rows:
            self._known[region, kind][track_id] = standing
        self._steps.clear()

    def forget(self) -> None:
        """Start over, before everything is read again."""
        self._known.clear()
        self._steps.clear()

    def follow(self, chart: Chart) -> Chart:
        """A live chart with its trends."""
        past: Past = self._known[chart.region, chart.window.kind]
        for window in self._live(chart.region, chart.window.kind):
            if window.start >= chart.window.start:
                break
            if (chart.region, window) in self.written:
                continue
            earlier = self._boards.chart(chart.region, window)
            if earlier is not None:
                past = self._step(earlier, past).after
        return replace(chart, entries=self._step(chart, past).dressed)

    def __len__(self) -> int:
        return sum(map(len, self._known.values()))

    def _step(self, chart: Chart, before: Past) -> _Step:
        place = (chart.region, chart.window)
        step = self._steps.get(place)
        if step is None or step.entries is not chart.entries or step.before is not before:
            dressed = with_trends(chart, before, self.whole)
            step = _Step(chart.entries, before, dressed.entries, _overlaid(before, standings(dressed)))
            self._steps[place] = step
        return step

    def _live(self, region: str, kind: Kind) -> list[Window]:
        places = self._boards.charts()
        if places != self._places:
            windows: dict[tuple[str, Kind], list[Window]] = defaultdict(list)
            for name, window in sorted(places):
                windows[name, window.kind].append(window)
            self._windows, self._places = windows, places
            # Let go of charts whose boards are gone.
            self._steps = {place: self._steps[place] for place in places if place in self._steps}
        return self._windows.get((region, kind), [])


def _overlaid(below: Past, above: Mapping[str, Standing | None]) -> Past:
    layers: list[Any] = below.maps if isinstance(below, ChainMap) else [below]
    if len(layers) >= LAYERS_MAX:
        layers = [dict(below)]
    return ChainMap(dict(above), *layers)
