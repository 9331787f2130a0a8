"""Tallies: packed words add up like a dictionary of counters."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charts.errors import BrokenInvariant
from charts.tally import (
    ALL,
    DAY,
    Cells,
    Change,
    Changes,
    Ints,
    Stored,
    add,
    days_of,
    fence_of,
    key_of,
    played,
)

#: (index of the key, region, hour): what one play is to its tally.
Play = tuple[int, int, int]
Rows = list[tuple[int, int, int]]

#: The least and the greatest region, and the hours at both ends of a day.
regions = st.sampled_from([0x4141, 0x4445, 0x5A5A])
plays = st.tuples(st.integers(0, 4), regions, st.sampled_from([0, 1, 22, 23]))
batches = st.lists(st.lists(plays, max_size=12), max_size=4)
DAYS = np.array([20_000, 20_000, 20_001, 20_001, 20_002])
NO_FENCES = np.full(5, -1)
#: Before every hour there is.
EVER = np.zeros(5, np.int64)


def places(batch: list[Play]) -> Ints:
    columns = zip(*batch, strict=True) if batch else [[], [], []]
    key, region, hour = (np.array(column, np.int64) for column in columns)
    return played(key, region, hour)


def one_flush(stored: Stored, plays: Ints, fences: Ints, oldest: Ints) -> tuple[list[bytes], Change]:
    changes = Changes(len(plays))
    values = add(stored, plays, fences, oldest, changes)
    return values, changes.whole


def added(
    batches: list[list[Play]], fences: Ints = NO_FENCES, oldest: Ints = EVER
) -> tuple[list[bytes], Change]:
    """What five keys' values become, flush by flush, and what the last flush changed."""
    values: list[bytes] = []
    change = None
    for batch in batches or [[]]:
        values, change = one_flush(Stored.of(values or [None] * 5), places(batch), fences, oldest)
    assert change is not None
    return values, change


def rows(cells: Cells) -> Rows:
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


def expected(batches: list[list[Play]]) -> Rows:
    return [(key, code, plays) for (key, code), plays in sorted(counted(batches).items())]


@given(batches)
def test_adding_counts(batches: list[list[Play]]) -> None:
    assert rows(Stored.of(added(batches)[0]).cells) == expected(batches)


@given(batches)
def test_a_change_names_what_came_and_what_it_came_to(batches: list[list[Play]]) -> None:
    before, last = counted(batches[:-1]), counted(batches[-1:])
    _, change = added(batches)
    more, entered = change.added.tolist(), change.entered.tolist()
    assert [
        (key, code, plays - more, more, new)
        for (key, code, plays), more, new in zip(rows(change.cells), more, entered, strict=True)
    ] == [(*place, before[place], more, place not in before) for place, more in sorted(last.items())]


@given(st.lists(plays), st.lists(plays))
def test_keys_in_pieces_are_as_all_at_once(one: list[Play], other: list[Play]) -> None:
    """Two pieces of five keys each, and what they changed in one."""
    changes, in_pieces = Changes(len(one) + len(other)), []
    for first, batch in ((0, one), (5, other)):
        in_pieces += add(Stored.of([None] * 5), places(batch), NO_FENCES, EVER, changes, first)
    change = changes.whole
    both = [*one, *((key + 5, region, hour) for key, region, hour in other)]
    values, whole = one_flush(Stored.of([None] * 10), places(both), np.full(10, -1), np.zeros(10, np.int64))
    assert in_pieces == values
    assert rows(change.cells) == rows(whole.cells)
    assert change.added.tolist() == whole.added.tolist()
    assert change.entered.tolist() == whole.entered.tolist()


@given(batches, st.integers(20_000 * 24 - 1, 20_003 * 24))
def test_hours_before_are_left_out_and_days_stay(batches: list[list[Play]], settled: int) -> None:
    # day 20000        day 20001        day 20002
    # [0 1 … 22 23)    [0 1 … 22 23)    [0 1 … 22 23)
    #   settled falls before, between, on and behind all of these
    left = [
        (key, code, plays)
        for key, code, plays in expected(batches)
        if code & 0xFF == DAY or DAYS[key] * 24 + (code & 0xFF) >= settled
    ]
    values, _ = added(batches)
    stored = Stored.of(values)
    assert rows(stored.cells.since(DAYS, settled)) == left
    again, change = one_flush(stored, places([]), stored.fences, settled - DAYS * 24)
    assert rows(Stored.of(again).cells) == left
    assert not len(change.added)


@given(batches, st.lists(st.integers(0, 2**62), min_size=5, max_size=5))
def test_values_are_read_as_written(batches: list[list[Play]], fences: list[int]) -> None:
    values, _ = added(batches, np.array(fences, np.int64))
    stored = Stored.of(values)
    assert stored.fences.tolist() == fences == [fence_of(value) for value in values]
    assert rows(stored.cells) == expected(batches)


@given(st.lists(st.booleans()))
def test_a_key_without_a_value_has_no_fence(stored: list[bool]) -> None:
    found = Stored.of([(7).to_bytes(8, "little") if is_there else None for is_there in stored])
    assert found.fences.tolist() == [7 if is_there else -1 for is_there in stored]


@pytest.mark.parametrize("values", [[b"1234567"], [None, b"x" * 12, b"x" * 12], [b"x" * 12, b"x" * 4]])
def test_a_torn_value_is_no_value(values: list[bytes | None]) -> None:
    """Else the tracks behind it would be read from the wrong place."""
    with pytest.raises(BrokenInvariant):
        Stored.of(values)


def test_a_count_may_be_huge() -> None:
    """39 bits: ten listeners for every person alive."""
    most, code = (1 << 39) - 1, 0x5A5A << 8 | DAY
    value = b"".join(word.to_bytes(8, "little") for word in (7, (most - 1) << 24 | code))
    (value,), _ = one_flush(
        Stored.of([value]), places([(0, 0x5A5A, 3)]), np.array([8]), np.zeros(1, np.int64)
    )
    assert (0, code, most) in rows(Stored.of([value]).cells)


def test_nothing_is_added_to_nothing() -> None:
    nothing = np.zeros(0, np.int64)
    values, change = one_flush(Stored.of([]), nothing, nothing, nothing)
    assert (values, rows(change.cells)) == ([], [])
    assert (Stored.of([]).fences.tolist(), rows(Stored.of([]).cells)) == ([], [])


@given(st.lists(st.tuples(st.integers(0, 50_000), st.text())))
def test_keys_sort_by_day_then_track(pairs: list[tuple[int, str]]) -> None:
    in_order = sorted((day, track.encode()) for day, track in pairs)
    keys = [key_of(*pair) for pair in in_order]
    assert sorted(key_of(day, track.encode()) for day, track in pairs) == keys
    assert days_of(keys).tolist() == [day for day, _ in in_order]


def test_the_layout_is_what_the_changelog_holds() -> None:
    """Stored values: these bytes may never change."""
    value, _ = one_flush(Stored.of([None]), places([(0, 0x4445, 14)] * 2), np.array([0x0102]), np.array([0]))
    in_all, in_de = "0e00000200000000ff00000200000000", "0e45440200000000ff45440200000000"
    assert value == [bytes.fromhex("0201000000000000" + in_all + in_de)]
    assert key_of(20_000, b"track") == b"\x4e\x20track"
