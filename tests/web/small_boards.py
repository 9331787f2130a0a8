"""Boards made of Chart values: what tables/boards.py offers the views, without the topic behind it."""

import asyncio
from dataclasses import dataclass, field, replace

from charts.chart import Chart, Entry
from charts.verdict import Rulebook, Rules
from charts.window import HOUR_MS, Window

#: 2026-11-21 14:30 UTC.
NOON_MS = 1_795_271_400_000
HOUR = Window.at("hour", NOON_MS)
DAY = Window.at("day", NOON_MS)


@dataclass(frozen=True)
class SmallHead:
    """One partition's word on itself."""

    partition: int
    clock: int
    stream_time: int
    applied: int
    at: int
    ledger: dict[str, int] = field(default_factory=dict)
    forwarded: dict[int, int] = field(default_factory=dict)


def chart_of(region: str, window: Window, plays: dict[str, int], **fields: object) -> Chart:
    """A chart with these plays by track, ranked by the contract's order."""
    total = sum(plays.values())
    ranked = sorted(plays.items(), key=lambda item: (-item[1], item[0]))
    entries = tuple(
        Entry(rank, track, count, title=f"The {track}", artist="Somebody", share=round(count / total, 4))
        for rank, (track, count) in enumerate(ranked, 1)
    )
    chart = Chart(
        region=region,
        window=window,
        status=window.status(NOON_MS, 2 * HOUR_MS),
        plays=total,
        tracks=len(plays),
        entries=entries,
        as_of=NOON_MS,
        rules=Rules().version,
        freshness_ms=840,
    )
    return replace(chart, **fields)  # type: ignore[arg-type]


class SmallBoards:
    """A few charts, replaced by `put`."""

    def __init__(self, *charts: Chart) -> None:
        self.by_name = {(chart.region, chart.window): chart for chart in charts}
        self.heads = {
            partition: SmallHead(
                partition, NOON_MS, NOON_MS + 5, 100 + partition, NOON_MS, {"counted": 7, "late": 1}
            )
            for partition in range(2)
        }
        self.book = Rulebook.of({0: Rules()})
        self.clock = NOON_MS
        self.version = 1
        self.ready = True
        self.freshness_ms: int | None = 840
        self._moved = asyncio.Event()

    def chart(self, region: str, window: Window) -> Chart | None:
        return self.by_name.get((region, window))

    def charts(self) -> list[tuple[str, Window]]:
        return list(self.by_name)

    def is_final(self, window: Window) -> bool:
        return self.clock > window.end + 2 * HOUR_MS

    async def changed(self, version: int) -> int:
        while self.version <= version:
            await self._moved.wait()
        return self.version

    def put(self, *charts: Chart) -> None:
        """New charts, as a flush would bring them."""
        self.by_name |= {(chart.region, chart.window): chart for chart in charts}
        self.version += 1
        self._moved.set()
        self._moved = asyncio.Event()
