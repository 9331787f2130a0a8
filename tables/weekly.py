"""Weeks: counted exactly, from seven curated days.

The stream keeps hours and days only, and their charts only the first tracks; the lake has every play.
"""

from collections.abc import Mapping

import pyarrow as pa

from charts.chart import Chart
from charts.recount import COUNTS, counts_of, rank_week, summed
from charts.verdict import Rulebook
from charts.window import HOUR_MS, Window
from tables.curated import Curated
from tables.jobs import Job, Jobs


async def counted_week(
    curated: Curated, jobs: Jobs, week: Window, *, book: Rulebook, top_n: int, job: Job
) -> list[Chart]:
    """The week's charts of every region and all together."""
    counts = COUNTS.empty_table()
    first = week.start // HOUR_MS
    for day in range(first, week.end // HOUR_MS, 24):
        parts = [counts]
        for region, hour in await curated.places(range(day, day + 24)):
            rows = await curated.read(region, hour, ["track_id"])
            if rows is not None:
                job.rows_in += len(rows)
                parts.append(_counts(rows, region, first))
        counts = summed(pa.concat_tables(parts))
    ranked = rank_week([counts], week, top_n)
    tracks = sorted({track for ranking in ranked.values() for track, _ in ranking.first})
    named = await names(jobs, tracks)
    return [ranking.chart(region, week, book, named) for (region, _), ranking in sorted(ranked.items())]


async def names(jobs: Jobs, tracks: list[str]) -> Mapping[str, tuple[str | None, str | None]]:
    """What the catalogue calls some tracks."""
    return {row["track_id"]: (row["title"], row["artist"]) for row in await jobs.tracks(tracks)}


def _counts(rows: pa.Table, region: str, hour: int) -> pa.Table:
    """A region's plays per track, all as of the week's first hour."""
    size = len(rows)
    columns = {
        "track_id": rows["track_id"],
        "region": pa.array([region]).take(pa.array([0] * size, pa.int32())),
        "played_at": pa.array([hour * HOUR_MS]).take(pa.array([0] * size, pa.int32())),
    }
    return counts_of(pa.table(columns))
