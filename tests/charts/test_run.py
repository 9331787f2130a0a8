"""Runs: cut where the reader already was, with every row's story kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charts.run import Run, stream_times
from charts.window import TIME_END


def run_of(offsets: list[int], start: int, end: int) -> Run:
    """A run whose values, timestamps and origins tell their offset."""
    return Run(
        partition=3,
        start=start,
        next=end,
        values=[str(offset).encode() for offset in offsets],
        offsets=np.array(offsets, np.int64),
        timestamps=np.array(offsets, np.int64) * 10,
        forwarded={row: (1, offset) for row, offset in enumerate(offsets) if offset % 2},
        ticks=frozenset(row for row, offset in enumerate(offsets) if offset % 5 == 0),
    )


@given(st.sets(st.integers(10, 40)), st.integers(0, 50))
def test_the_rest_of_a_run_is_a_run_of_the_rest(offsets: set[int], cut: int) -> None:
    # [10 ... gaps ... 40) cut before, within, in a gap, behind
    rest = run_of(sorted(offsets), 10, 41).after(cut)
    expected = run_of([offset for offset in sorted(offsets) if offset >= cut], max(10, cut), 41)
    assert (rest.partition, rest.start, rest.next) == (expected.partition, expected.start, expected.next)
    assert list(rest.values) == list(expected.values)
    assert rest.offsets.tolist() == expected.offsets.tolist()
    assert rest.timestamps.tolist() == expected.timestamps.tolist()
    assert (rest.forwarded, rest.ticks, len(rest)) == (expected.forwarded, expected.ticks, len(expected))


@given(st.lists(st.integers(0, 99)), st.integers(0, 99))
def test_stream_time_is_the_greatest_so_far(timestamps: list[int], before: int) -> None:
    expected = [max([before, *timestamps[: row + 1]]) for row in range(len(timestamps))]
    assert stream_times(np.array(timestamps, np.int64), before).tolist() == expected


@pytest.mark.parametrize("odd", [-1, -(1 << 63), TIME_END, 1_760_000_000_000_000, (1 << 63) - 1])
def test_a_timestamp_that_is_no_time_moves_none(odd: int) -> None:
    assert stream_times(np.array([odd, 9, odd], np.int64), 7).tolist() == [7, 9, 9]


@pytest.mark.parametrize(("timestamps", "times"), [([5, 3, 9], [7, 7, 9]), ([8], [8]), ([7], [7]), ([], [])])
def test_stream_time_never_falls(timestamps: list[int], times: list[int]) -> None:
    assert stream_times(np.array(timestamps, np.int64), 7).tolist() == times
