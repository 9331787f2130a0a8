"""Tallies: packed words add up like a dictionary of counters."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from charts.tally import FOLDED, Cells, day_of, fence_of, key_of, track_of, unpack

#: (index of the key, region, hour): what one play is to its tally.
Play = tuple[int, int, int]

#: The least and the greatest region, and the hours at both ends of a day.
regions = st.sampled_from([0x4141, 0x4445, 0x5A5A])
plays = st.tuples(st.integers(0, 4), regions, st.sampled_from([0, 1, 22, 23]))
batches = st.lists(st.lists(plays, max_size=12), max_size=4)
DAYS = np.array([20_000, 20_000, 20_001, 20_001, 20_002])


def cells_of(batch: list[Play]) -> Cells:
    key = np.array([key for key, _, _ in batch], np.int64)
    return Cells.of(key, np.array([region << 8 | hour for _, region, hour in batch], np.int64))


def merged(batches: list[list[Play]]) -> Cells:
    """What a key's values become, flush by flush: only the last flush's plays are `added`."""
    cells = cells_of([])
    for batch in batches:
        cells = Cells(cells.key, cells.code, cells.plays, cells.plays * 0).merge(cells_of(batch))
    return cells


def rows(cells: Cells) -> list[tuple[int, int, int, int]]:
    columns = (cells.key, cells.code, cells.plays, cells.added)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def expected(batches: list[list[Play]], settled: int = 0) -> list[tuple[int, int, int, int]]:
    """The oracle: count, then sort."""

    def cell(play: Play) -> tuple[int, int]:
        key, region, hour = play
        return key, region << 8 | (FOLDED if DAYS[key] * 24 + hour < settled else hour)

    total = Counter(cell(play) for batch in batches for play in batch)
    added = Counter(cell(play) for batch in batches[-1:] for play in batch)
    return [(key, code, total[key, code], added[key, code]) for key, code in sorted(total)]


@given(batches)
def test_merging_counts(batches: list[list[Play]]) -> None:
    assert rows(merged(batches)) == expected(batches)


@given(batches, st.integers(20_000 * 24 - 1, 20_003 * 24))
def test_folding_sums_the_hours_before(batches: list[list[Play]], settled: int) -> None:
    # day 20000        day 20001        day 20002
    # [0 1 … 22 23)    [0 1 … 22 23)    [0 1 … 22 23)
    #   settled falls before, between, on and behind all of these
    assert rows(merged(batches).fold(DAYS, settled)) == expected(batches, settled)


@given(batches, st.integers(20_000 * 24, 20_003 * 24), st.integers(0, 48))
def test_folding_twice_is_folding_once(batches: list[list[Play]], settled: int, later: int) -> None:
    twice = merged(batches).fold(DAYS, settled).fold(DAYS, settled + later)
    assert rows(twice) == rows(merged(batches).fold(DAYS, settled + later))


@given(batches, st.lists(st.integers(0, 2**62), min_size=5, max_size=5))
def test_values_are_read_as_written(batches: list[list[Play]], fences: list[int]) -> None:
    cells = merged(batches)
    values = cells.pack(5, np.array(fences, np.int64))
    read_fences, stored = unpack(values)
    assert read_fences.tolist() == fences == [fence_of(value) for value in values]
    assert rows(stored) == [(key, code, count, 0) for key, code, count, _ in expected(batches)]


@given(st.lists(batches, max_size=3))
def test_flushing_and_reading_back_loses_nothing(flushes: list[list[list[Play]]]) -> None:
    batches = [batch for flush in flushes for batch in flush]
    values = cells_of([]).pack(5, np.zeros(5, np.int64))
    for batch in batches:
        _, stored = unpack(values)
        values = stored.merge(cells_of(batch)).pack(5, np.zeros(5, np.int64))
    assert [row[:3] for row in rows(unpack(values)[1])] == [row[:3] for row in expected(batches)]


def test_a_count_may_be_huge() -> None:
    """39 bits: ten listeners for every person alive."""
    most = (1 << 39) - 1
    cells = Cells.stored(np.array([0]), np.array([most << 24 | 0x5A5A << 8 | FOLDED], np.uint64))
    _, read = unpack(cells.pack(1, np.array([7])))
    assert rows(read) == [(0, 0x5A5A << 8 | FOLDED, most, 0)]


def test_nothing_is_packed_as_nothing() -> None:
    assert cells_of([]).pack(0, np.zeros(0, np.int64)) == []
    fences, cells = unpack([])
    assert (fences.tolist(), rows(cells)) == ([], [])


@given(st.integers(0, (1 << 16) - 1), st.text())
def test_a_key_names_day_and_track(day: int, track: str) -> None:
    key = key_of(day, track.encode())
    assert (day_of(key), track_of(key)) == (day, track)


@given(st.lists(st.tuples(st.integers(0, 50_000), st.text())))
def test_keys_sort_by_day_then_track(pairs: list[tuple[int, str]]) -> None:
    in_order = sorted((day, track.encode()) for day, track in pairs)
    assert sorted(key_of(day, track.encode()) for day, track in pairs) == [key_of(*pair) for pair in in_order]


def test_the_layout_is_what_the_changelog_holds() -> None:
    """Stored values: these bytes may never change."""
    value = Cells.of(np.array([0, 0]), np.array([0x4445 << 8 | 14] * 2)).pack(1, np.array([0x0102]))
    assert value == [bytes.fromhex("02010000000000000e45440200000000")]
    assert key_of(20_000, b"track") == b"\x4e\x20track"
