"""Weeks: summed in the history from the final days, since the stream counts hours and days only.

A week's chart adds up what its days' charts say, so a track that stayed below every day's last rank is
not in it, and `tracks` counts the tracks that charted. Provisional, therefore, where there is a lake.
"""

from collections import defaultdict

from charts.chart import Chart, Entry
from charts.window import Status, Window
from tables.postgres import Database, Row
from tables.queries import queries
from tables.rows import OURS, epoch_ms, moment

SQL = queries("history")


async def summed_week(database: Database, week: Window, status: Status, top_n: int) -> list[Chart]:
    """The week's chart of every region, from the final days there are."""
    span = (OURS, moment(week.start), moment(week.end))
    async with database.connection() as connection:
        heads = await connection.fetch(SQL["sum_days"], *span)
        rows = await connection.fetch(SQL["sum_day_entries"], *span)
    by_region: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_region[row["region"]].append(row)
    return [_chart(week, status, head, by_region[head["region"]], top_n) for head in heads]


def _chart(week: Window, status: Status, head: Row, rows: list[Row], top_n: int) -> Chart:
    plays = int(head["plays"])
    ranked = sorted(rows, key=lambda row: (-row["plays"], row["track_id"].encode()))
    entries = tuple(
        Entry(
            rank,
            row["track_id"],
            int(row["plays"]),
            row["title"],
            row["artist"],
            share=round(int(row["plays"]) / plays, 6) if plays else 0.0,
        )
        for rank, row in enumerate(ranked[:top_n], start=1)
    )
    return Chart(
        region=head["region"],
        window=week,
        status=status,
        plays=plays,
        tracks=len(rows),
        entries=entries,
        as_of=epoch_ms(head["as_of"]),
        rules=head["rules"],
    )
