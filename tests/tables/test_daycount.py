"""A day's count: as on one's fingers, however few rows memory may have; hours join it added up."""

from collections.abc import AsyncIterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts.window import DAY_MS, HOUR_MS
from tables import shares
from tables.daycount import DayCount
from tests.charts.test_recount import a_table, obvious

DAY = 20_000
Row = tuple[str, str, int]

rows = st.tuples(
    st.sampled_from(["a", "b", "ä", *map(str, range(30))]), st.sampled_from(["US", "DE"]), st.just(0)
)
#: Hours of tables.
days = st.lists(st.lists(st.lists(rows, max_size=15), max_size=4), min_size=1, max_size=4)


def of_hour(hour: int, tables: list[list[Row]]) -> list[list[Row]]:
    start = DAY * DAY_MS + hour * HOUR_MS
    return [[(track, region, start + number) for number, (track, region, _) in enumerate(t)] for t in tables]


def said(table: list[Row]) -> pa.Table:
    """With a title that half of a track's plays lack."""
    titles = [f"Title {track}" if time % 2 else None for track, _, time in table]
    nothing = pa.nulls(len(table), pa.string())
    return (
        a_table(table).append_column("title", pa.array(titles, pa.string())).append_column("artist", nothing)
    )


async def as_read(tables: list[list[Row]]) -> AsyncIterator[pa.Table]:
    for table in tables:
        yield said(table)


@pytest.mark.parametrize("most_rows", [0, 5, 1_000])
@given(days)
@settings(deadline=None, max_examples=50)
async def test_a_day_is_counted_as_on_ones_fingers(most_rows: int, day: list[list[list[Row]]]) -> None:
    hours = [of_hour(hour, tables) for hour, tables in enumerate(day)]
    every = [row for tables in hours for table in tables for row in table]
    with pytest.MonkeyPatch.context() as patch, DayCount() as count:
        patch.setattr(shares, "MOST_ROWS", most_rows)
        for tables in hours:
            await count.add(as_read(tables))
        ranked = {place: (r.plays, r.tracks, r.first) for place, r in count.ranked(3).items()}
        names = count.names(["a", "b", "nobody"])
    assert ranked == obvious(every, ["hour", "day"], 3)
    titled = {track for track, _, time in every if time % 2}
    assert names == {track: (f"Title {track}", None) for track in titled & {"a", "b"}}


async def test_what_an_hour_joins_with_is_a_row_a_track_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "MOST_ROWS", 5)
    joined: list[int] = []
    with DayCount() as count:
        add = count._counts.add
        monkeypatch.setattr(count._counts, "add", lambda rows: (joined.append(len(rows)), add(rows)))
        await count.add(as_read(of_hour(0, [[("a", "US", 0), ("b", "US", 0), ("a", "DE", 0)]] * 10)))
    assert sum(joined) == 3
