"""Boards whose time moves: charts of made plays that open, close and become final as the clock says."""

import random
from dataclasses import replace

from charts.chart import Chart, Entry
from charts.verdict import Rulebook, Rules
from charts.window import HOUR_MS, Window
from tables.rows import Place
from tests.tables.made import made_chart

LATENESS_MS = 2 * HOUR_MS


class MovingBoards:
    """What tables/boards.py offers: every hour and day of every region until its board is dropped."""

    def __init__(self, start: int, regions: list[str], seed: int) -> None:
        self.start = start
        self.clock = start
        self.regions = regions
        self.seed = seed
        self.version = 1
        self.ready = True
        self.heads: dict[int, object] = {}
        self.book = Rulebook.of({0: Rules()})
        self.freshness_ms = 0
        self.dropped: set[Place] = set()
        self._rows: dict[Place, tuple[Entry, ...]] = {}

    def move(self, clock: int) -> None:
        self.clock = clock
        self.version += 1

    def is_final(self, window: Window) -> bool:
        return self.clock > window.end + LATENESS_MS

    def charts(self) -> list[Place]:
        windows = []
        for kind in ("hour", "day"):
            window = Window.at(kind, self.start)
            while window.start <= self.clock:
                windows.append(window)
                window = window.next
        places = [(region, window) for window in windows for region in self.regions]
        return [place for place in places if place not in self.dropped]

    def chart(self, region: str, window: Window) -> Chart | None:
        """A new chart each time, with the same rows for as long as they say the same."""
        if (region, window) not in self.charts():
            return None
        made = self.truth(region, window)
        rows = self._rows.get((region, window))
        if rows != made.entries:
            rows = self._rows[region, window] = made.entries
        return replace(made, entries=rows)

    def truth(self, region: str, window: Window, final: bool = False) -> Chart:
        """A chart grows while its window is open: the final one is all of it."""
        whole = made_chart(window, region, self.seed, entries=12)
        status = "final" if final else window.status(self.clock, LATENESS_MS)
        elapsed = 1.0 if final else min(1.0, (self.clock - window.start) / (window.end - window.start))
        rng = random.Random(f"{self.seed}{region}{window}")
        plays = {e.track_id: int(e.plays * min(1.0, elapsed * rng.uniform(1, 2))) for e in whole.entries}
        ranked = sorted(((n, t) for t, n in plays.items() if n), key=lambda pair: (-pair[0], pair[1]))
        total = sum(plays.values()) + 1
        entries = tuple(
            Entry(rank, track, count, title=f"said {track}", share=round(count / total, 6))
            for rank, (count, track) in enumerate(ranked[:8], start=1)
        )
        return replace(whole, status=status, plays=total, tracks=12, entries=entries, as_of=self.clock)

    def drop(self, place: Place) -> None:
        """The owner's tombstones."""
        self.dropped.add(place)
        self.version += 1
