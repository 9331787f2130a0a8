"""Tallies: packed words add up like a dictionary of counters."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from charts.tally import ALL, DAY, Cells, Change, count, days_of, fence_of, key_of, merge, unpack

#: (index of the key, region, hour): what one play is to its tally.
Play = tuple[int, int, int]

#: The least and the greatest region, and the hours at both ends of a day.
regions = st.sampled_from([0x4141, 0x4445, 0x5A5A])
plays = st.tuples(st.integers(0, 4), regions, st.sampled_from([0, 1, 22, 23]))
batches = st.lists(st.lists(plays, max_size=12), max_size=4)
DAYS = np.array([20_000, 20_000, 20_001, 20_001, 20_002])


def cells_of(batch: list[Play]) -> Cells:
    columns = zip(*batch, strict=True) if batch else [[], [], []]
    return count(*(np.array(column, np.int64) for column in columns))


def merged(batches: list[list[Play]]) -> tuple[Cells, Change]:
    """What a key's values become, flush by flush, and what the last flush changed."""
    cells, change = merge(cells_of([]), cells_of([]))
    for batch in batches:
        cells, change = merge(cells, cells_of(batch))
    return cells, change


def rows(cells: Cells) -> list[tuple[int, int, int]]:
    columns = (cells.key, cells.code, cells.plays)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def counted(batches: list[list[Play]]) -> Counter[tuple[int, int]]:
    """The oracle: every play is counted in four places."""
    return Counter(
        (key, place << 8 | when)
        for batch in batches
        for key, region, hour in batch
        for place in (region, ALL)
        for when in (hour, DAY)
    )


def expected(batches: list[list[Play]]) -> list[tuple[int, int, int]]:
    return [(key, code, plays) for (key, code), plays in sorted(counted(batches).items())]


@given(batches)
def test_merging_counts(batches: list[list[Play]]) -> None:
    assert rows(merged(batches)[0]) == expected(batches)


@given(batches)
def test_a_change_names_what_came_and_what_it_came_to(batches: list[list[Play]]) -> None:
    before, last = counted(batches[:-1]), counted(batches[-1:])
    _, change = merged(batches)
    added, entered = change.added.tolist(), change.entered.tolist()
    assert [
        (key, code, plays - more, more, new)
        for (key, code, plays), more, new in zip(rows(change.cells), added, entered, strict=True)
    ] == [(*place, before[place], more, place not in before) for place, more in sorted(last.items())]


@given(batches, st.integers(20_000 * 24 - 1, 20_003 * 24))
def test_hours_before_are_left_out_and_days_stay(batches: list[list[Play]], settled: int) -> None:
    # day 20000        day 20001        day 20002
    # [0 1 … 22 23)    [0 1 … 22 23)    [0 1 … 22 23)
    #   settled falls before, between, on and behind all of these
    assert rows(merged(batches)[0].since(DAYS, settled)) == [
        (key, code, plays)
        for key, code, plays in expected(batches)
        if code & 0xFF == DAY or DAYS[key] * 24 + (code & 0xFF) >= settled
    ]


@given(batches, st.lists(st.integers(0, 2**62), min_size=5, max_size=5))
def test_values_are_read_as_written(batches: list[list[Play]], fences: list[int]) -> None:
    values = merged(batches)[0].pack(np.array(fences, np.int64))
    read_fences, stored = unpack(values)
    assert read_fences.tolist() == fences == [fence_of(value) for value in values]
    assert rows(stored) == expected(batches)


@given(st.lists(batches, max_size=3))
def test_flushing_and_reading_back_loses_nothing(flushes: list[list[list[Play]]]) -> None:
    batches = [batch for flush in flushes for batch in flush]
    values = cells_of([]).pack(np.zeros(5, np.int64))
    for batch in batches:
        _, stored = unpack(values)
        values = merge(stored, cells_of(batch))[0].pack(np.zeros(5, np.int64))
    assert rows(unpack(values)[1]) == expected(batches)


def test_a_count_may_be_huge() -> None:
    """39 bits: ten listeners for every person alive."""
    most = (1 << 39) - 1
    cells = Cells(np.array([0x5A5A << 8 | DAY]), np.array([most]))
    _, read = unpack(cells.pack(np.array([7])))
    assert rows(read) == [(0, 0x5A5A << 8 | DAY, most)]


def test_nothing_is_packed_as_nothing() -> None:
    assert cells_of([]).pack(np.zeros(0, np.int64)) == []
    fences, cells = unpack([])
    assert (fences.tolist(), rows(cells)) == ([], [])


@given(st.lists(st.tuples(st.integers(0, 50_000), st.text())))
def test_keys_sort_by_day_then_track(pairs: list[tuple[int, str]]) -> None:
    in_order = sorted((day, track.encode()) for day, track in pairs)
    keys = [key_of(*pair) for pair in in_order]
    assert sorted(key_of(day, track.encode()) for day, track in pairs) == keys
    assert days_of(keys).tolist() == [day for day, _ in in_order]


def test_the_layout_is_what_the_changelog_holds() -> None:
    """Stored values: these bytes may never change."""
    value = cells_of([(0, 0x4445, 14)] * 2).pack(np.array([0x0102]))
    in_all, in_de = "0e00000200000000ff00000200000000", "0e45440200000000ff45440200000000"
    assert value == [bytes.fromhex("0201000000000000" + in_all + in_de)]
    assert key_of(20_000, b"track") == b"\x4e\x20track"
