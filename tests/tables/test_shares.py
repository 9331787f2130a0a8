"""Shares: whatever is put in comes out once, and never a track in two of them."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts.recount import COUNTS
from tables import shares
from tables.shares import Shares

Row = tuple[str, int]

tracks = st.sampled_from([f"track {number}" for number in range(30)]) | st.text(max_size=3)
batches = st.lists(st.lists(st.tuples(tracks, st.integers(0, 9)), max_size=20), max_size=6)


def table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"track_id": track, "region": "US", "hour": 7, "plays": plays} for track, plays in rows], COUNTS
    )


@settings(deadline=None)
@given(batches, st.sampled_from([0, 5, 1_000]))
def test_rows_come_out_once_and_by_track(batches: list[list[Row]], most_rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch, Shares(COUNTS, "track_id") as gathered:
        patch.setattr(shares, "MOST_ROWS", most_rows)
        for rows in batches:
            gathered.add(table(rows))
        found = list(gathered.tables())
    assert all(one.schema == COUNTS for one in found)
    seen = Counter(track for one in found for track in set(one["track_id"].to_pylist()))
    assert set(seen.values()) <= {1}
    rows = [(row["track_id"], row["plays"]) for one in found for row in one.to_pylist()]
    assert Counter(rows) == Counter(row for rows in batches for row in rows)
    if sum(map(len, batches)) <= most_rows:
        assert len(found) == 1
