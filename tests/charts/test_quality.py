"""Quality: what holds is found to hold, and every planted fault is named."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charts import quality
from charts.head import Head
from charts.window import DAY_MS, HOUR_MS, Window

DAY = Window("day", 20_000 * DAY_MS)
HOURS = [Window("hour", DAY.start + number * HOUR_MS) for number in range(24)]
REGIONS = ("DE", "SE", "US")
HEAD = Head(0, 9, 10, 0, 0, {"counted": 7, "late": 2}, {}, at=60_000, owner="", absent=1)


def whole_day(plays: list[int]) -> dict[quality.Place, int]:
    """So many plays in each region and hour, and all their sums."""
    said: dict[quality.Place, int] = {}
    for number, count in enumerate(plays):
        region, hour = REGIONS[number % 3], HOURS[number % 24]
        for place in ((region, hour), ("global", hour), (region, DAY), ("global", DAY)):
            said[place] = said.get(place, 0) + count
    return said


def test_a_ledger_that_adds_up() -> None:
    assert quality.ledger({0: HEAD, 1: Head(1, -1, 0, 0, 0, {}, {}, 0, "")}) == []


@pytest.mark.parametrize(("ledger", "judged"), [({"counted": 8, "late": 2}, 10), ({"counted": 7}, 7)])
def test_a_record_counted_twice_or_never(ledger: dict[str, int], judged: int) -> None:
    assert quality.ledger({3: replace(HEAD, ledger=ledger)}) == [
        f"partition 3: {judged} verdicts for 9 records"
    ]


def test_a_partition_nobody_speaks_for() -> None:
    #       60 000           65 000
    # head ───┤  fresh until ───┤ stale from here on
    assert quality.freshness({0: HEAD}, 1, 65_000, 5_000) == []
    assert quality.freshness({0: HEAD}, 2, 65_001, 5_000) == [
        "partition 0: silent for 5 s",
        "partition 1: has no head",
    ]


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=80), st.data())
def test_sums_hold_until_one_number_changes(plays: list[int], data: st.DataObject) -> None:
    said = whole_day(plays)
    assert list(quality.sums(said)) == []
    place = data.draw(st.sampled_from(sorted(said)))
    said[place] += data.draw(st.sampled_from([-1, 1, 7]))
    odd = list(quality.sums(said))
    assert odd
    assert {one.place[1] for one in odd} <= {place[1], DAY}


def test_a_sum_says_where_it_is_odd() -> None:
    said = whole_day([5, 5, 5])
    said["SE", DAY] = 6
    assert [str(odd) for odd in quality.sums(said)] == [
        "global day 2024-10-04T00:00:00Z: 15 plays, the sum of regions is 16",
        "SE day 2024-10-04T00:00:00Z: 6 plays, the sum of hours is 5",
    ]


def test_a_day_that_lost_hours_is_not_compared() -> None:
    said = {place: plays for place, plays in whole_day([5] * 48).items() if place[1] != HOURS[0]}
    assert list(quality.sums(said)) != []
    assert list(quality.sums(said, is_whole=lambda day: False)) == []


def test_a_global_chart_that_is_missing() -> None:
    said = whole_day([5])
    del said["global", HOURS[0]]
    assert next(iter(quality.sums(said))).said == 0


def test_what_is_final_is_written() -> None:
    hour, day = ("DE", HOURS[3]), ("DE", DAY)
    assert quality.snapshots({hour, day}, (), lambda window: True) == []
    assert quality.snapshots({hour}, (), lambda window: window.kind == "hour") == []
    assert quality.snapshots({hour}, (), lambda window: True) == [
        "DE day 2024-10-04T00:00:00Z: its hours are in the history, the day is not"
    ]
    assert quality.snapshots({hour}, [day], lambda window: True) == [
        "DE day 2024-10-04T00:00:00Z: final, and not in the history"
    ]


def test_the_lake_counts_what_the_history_says() -> None:
    published = {HOURS[0]: 4, HOURS[1]: 5, HOURS[2]: 6}
    everything = dict(published)
    first = HOURS[0]
    assert quality.lake(published, everything, first, lambda hour: True) == []
    # ── before the lake ──┤ first curated hour ├── behind ──
    assert quality.lake(published, {HOURS[1]: 5}, HOURS[1], lambda hour: True) == [
        "2024-10-04T02:00:00Z: final, and not curated"
    ]
    assert quality.lake(published, {HOURS[1]: 5}, HOURS[1], lambda hour: hour < HOURS[2]) == []
    assert quality.lake(published, everything | {HOURS[1]: 4}, first, lambda hour: True) == [
        "2024-10-04T01:00:00Z: 4 plays in the lake, 5 in the history"
    ]
    assert quality.lake(published, {}, None, lambda hour: True) == [], "no lake at all"
    assert len(quality.lake(published, {}, first.previous, lambda hour: True)) == 3, "one that ended long ago"
