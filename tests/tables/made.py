"""Made charts: seeded, small, with tracks that come, go and come back."""

import random

from charts.chart import Chart, Entry
from charts.window import Kind, Status, Window
from tables.postgres import Database

LENGTH = 8


def made_chart(
    window: Window,
    region: str = "US",
    seed: int = 0,
    entries: int = LENGTH,
    status: Status = "final",
    source: str = "livecharts",
) -> Chart:
    """A chart of one window: the same arguments make the same chart."""
    rng = random.Random(f"{seed} {region} {window}")
    tracks = rng.sample([f"track-{n:03}" for n in range(entries * 3)], entries)
    plays = sorted((rng.randint(1, 1000) for _ in tracks), reverse=True)
    ranked = sorted(zip(plays, tracks, strict=True), key=lambda pair: (-pair[0], pair[1]))
    total = sum(plays) + 17
    return Chart(
        region=region,
        window=window,
        status=status,
        plays=total,
        tracks=entries + 5,
        entries=tuple(
            Entry(rank, track, count, share=round(count / total, 6))
            for rank, (count, track) in enumerate(ranked, start=1)
        ),
        as_of=window.end,
        rules="abc",
        source=source,
    )


def made_run(kind: Kind, first: int, count: int, regions: list[str], seed: int = 0) -> list[Chart]:
    """Charts of consecutive windows in several regions."""
    window = Window.at(kind, first)
    charts = []
    for _ in range(count):
        charts += [made_chart(window, region, seed) for region in regions]
        window = window.next
    return charts


def oracle(charts: list[Chart]) -> dict[tuple[str, Window], list[tuple[object, ...]]]:
    """Place → rows with trends, from all charts at once: sort everything, look back."""
    expected = {}
    for chart in charts:
        rows = []
        for entry in chart.entries:
            ranks = {
                other.window.start: found.rank
                for other in charts
                if (other.region, other.window.kind) == (chart.region, chart.window.kind)
                and other.window.start <= chart.window.start
                for found in other.entries
                if found.track_id == entry.track_id
            }
            before = ranks.get(chart.window.previous.start)
            if len(ranks) == 1:
                movement = "new"
            elif before is None:
                movement = "re-entry"
            else:
                movement = "same" if before == entry.rank else "up" if entry.rank < before else "down"
            trend = (before, movement, min(ranks.values()), len(ranks))
            rows.append((entry.rank, entry.track_id, entry.plays, *trend))
        expected[chart.region, chart.window] = rows
    return expected


def rows_of(chart: Chart) -> list[tuple[object, ...]]:
    return [
        (e.rank, e.track_id, e.plays, e.previous_rank, e.movement, e.peak_rank, e.windows_on_chart)
        for e in chart.entries
    ]


async def moment_ms(database: Database) -> int:
    """A moment after all that was written, and before all that will be."""
    then = await database.fetchval("SELECT ceil(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    await database.fetchval("SELECT pg_sleep(0.002)")
    return int(then)
