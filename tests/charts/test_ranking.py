"""Top lists: kept from the changes alone, they are what sorting everything would give."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from charts import ranking
from charts.chart import GLOBAL
from charts.play import region_code
from charts.ranking import Place, TopLists
from charts.tally import DAY as ALL_DAY
from charts.tally import DAY_BYTES, Changes, Stored, add, all_new, days_of, key_of, played
from charts.window import DAY_MS, HOUR_MS, Window

#: (day, track, region, hour)
Play = tuple[int, bytes, int, int]
DAY = 20_000

#: Few tracks, so that ties and cut-offs are everywhere; one id is another's prefix, one sorts last in UTF-8.
tracks = st.sampled_from([b"a", b"a0", b"b", b"c", b"d", b"e", b"f", b"g", "ü".encode()])
#: The edges of a day, and a second day.
hours = st.sampled_from([0, 1, 23])
regions = st.sampled_from([region_code("DE"), region_code("SE"), region_code("AA")])
plays = st.tuples(st.sampled_from([DAY, DAY + 1]), tracks, regions, hours)
flushes = st.lists(st.lists(plays, max_size=25), max_size=8)
sizes = st.sampled_from([1, 2, 3, 5, 100])


class Store:
    """Tallies in a dictionary, and top lists fed as a flush feeds them."""

    def __init__(self, n: int) -> None:
        self.values: dict[bytes, bytes] = {}
        self.lists = TopLists(n)

    def flush(self, plays: list[Play], settled: int = 0) -> set[bytes]:
        """Count plays; tells the tracks that are on a list now."""
        keys = sorted({key_of(day, track) for day, track, _, _ in plays})
        key, region, hour = (
            np.array(column, np.int64)
            for column in (
                [keys.index(key_of(day, track)) for day, track, _, _ in plays],
                [region for _, _, region, _ in plays],
                [hour for _, _, _, hour in plays],
            )
        )
        stored = Stored.of([self.values.get(key) for key in keys])
        oldest, changes = settled - days_of(keys) * 24, Changes(len(plays))
        values = add(stored, played(key, region, hour), np.zeros(len(keys), np.int64), oldest, changes)
        self.values.update(zip(keys, values, strict=True))
        told = self.lists.update(keys, days_of(keys), changes.whole)
        assert all(keys[row][DAY_BYTES:] == track for track, row in told.items())
        return set(told)

    def reloaded(self, settled: int = 0) -> TopLists:
        """The lists as a restart builds them: from the stored values, all at once."""
        lists, keys = TopLists(self.lists.n), sorted(self.values)
        cells = Stored.of([self.values[key] for key in keys]).cells
        lists.update(keys, days_of(keys), all_new(cells.since(days_of(keys), settled)))
        return lists


def sort_everything(plays: Iterable[Play]) -> dict[Place, Counter[bytes]]:
    """The oracle: every play counts on four boards."""
    boards: dict[Place, Counter[bytes]] = {}
    for day, track, region, hour in plays:
        for place in (
            Place(day, region, hour),
            Place(day, region, ALL_DAY),
            Place(day, 0, hour),
            Place(day, 0, ALL_DAY),
        ):
            boards.setdefault(place, Counter())[track] += 1
    return boards


def ranked(counts: Counter[bytes], n: int) -> list[tuple[bytes, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n]


def seen(lists: TopLists) -> dict[Place, tuple[int, int, list[tuple[bytes, int]]]]:
    return {
        place: (found.plays, found.tracks, found.first(lists.n))
        for place in lists.places()
        if (found := lists.get(place)) is not None
    }


def wanted(plays: Iterable[Play], n: int) -> dict[Place, tuple[int, int, list[tuple[bytes, int]]]]:
    return {
        place: (counts.total(), len(counts), ranked(counts, n))
        for place, counts in sort_everything(plays).items()
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flushes, sizes, st.sampled_from([1, 2, 4096]))
def test_lists_are_what_sorting_everything_gives(
    monkeypatch: pytest.MonkeyPatch, flushes: list[list[Play]], n: int, boards: int
) -> None:
    """Also where a flush touches more boards than there was room for."""
    monkeypatch.setattr(ranking, "_BOARDS", boards)
    store, counted = Store(n), []
    for flush in flushes:
        store.flush(flush)
        counted += flush
        assert seen(store.lists) == wanted(counted, n)
    if any(found.bar for found in store.lists.lists.values()):
        event("a list was cut")


@settings(max_examples=30, deadline=None)
@given(flushes, sizes)
def test_a_restart_builds_the_same_lists(flushes: list[list[Play]], n: int) -> None:
    store = Store(n)
    for flush in flushes:
        store.flush(flush)
    assert seen(store.reloaded()) == seen(store.lists)


@settings(max_examples=30, deadline=None)
@given(flushes, flushes, sizes)
def test_counting_goes_on_after_a_restart(before: list[list[Play]], after: list[list[Play]], n: int) -> None:
    store = Store(n)
    for flush in before:
        store.flush(flush)
    store.lists = store.reloaded()
    for flush in after:
        store.flush(flush)
    assert seen(store.lists) == wanted([play for flush in before + after for play in flush], n)


@settings(max_examples=30, deadline=None)
@given(flushes, flushes, sizes, st.integers(DAY * 24, DAY * 24 + 47))
def test_final_hours_still_count_for_their_day(
    early: list[list[Play]], late: list[list[Play]], n: int, settled: int
) -> None:
    """What comes after an hour is final is of later hours; the day's boards hold both."""
    late = [[play for play in flush if play[0] * 24 + play[3] >= settled] for flush in late]
    store = Store(n)
    for flush in early:
        store.flush(flush)
    for flush in late:
        store.flush(flush, settled)
    everything = wanted([play for flush in early + late for play in flush], n)
    assert seen(store.lists) == everything
    open_places = {place for place in everything if place.window.end > settled * HOUR_MS}
    assert {p: board for p, board in seen(store.reloaded(settled)).items() if p in open_places} == {
        p: board for p, board in everything.items() if p in open_places
    }


@settings(max_examples=30, deadline=None)
@given(flushes, sizes)
def test_a_board_changed_if_it_was_played(flushes: list[list[Play]], n: int) -> None:
    store = Store(n)
    for flush in flushes:
        store.flush(flush)
        assert set(store.lists.take_changed()) == set(sort_everything(flush))
    assert store.lists.take_changed() == []


@settings(max_examples=30, deadline=None)
@given(flushes, sizes)
def test_every_track_on_a_chart_was_told(flushes: list[list[Play]], n: int) -> None:
    """Or its title would be missing."""
    store, told = Store(n), set()
    for flush in flushes:
        told |= store.flush(flush)
        assert {track for _, _, first in seen(store.lists).values() for track, _ in first} <= told


@settings(max_examples=30, deadline=None)
@given(flushes, flushes, sizes, st.integers(DAY * 24 - 1, DAY * 24 + 49))
def test_dropped_boards_leave_the_others_exact(
    before: list[list[Play]], after: list[list[Play]], n: int, ended_by: int
) -> None:
    # day 20000             day 20001
    # [0) [1) … [23)        [0) [1) … [23)      `ended_by` before, on and behind each of these ends
    after = [[play for play in flush if play[0] * 24 + play[3] >= ended_by] for flush in after]
    store = Store(n)
    for flush in before:
        store.flush(flush)
    ended = [place for place in store.lists.places() if place.window.end <= ended_by * HOUR_MS]
    store.lists.drop(ended)
    for flush in after:
        store.flush(flush)
    everything = wanted([play for flush in before + after for play in flush], n)
    assert seen(store.lists) == {p: b for p, b in everything.items() if p.window.end > ended_by * HOUR_MS}


def test_the_last_place_is_held_against_equals_with_a_greater_id() -> None:
    store = Store(1)
    found = None
    for track in (b"d", b"e", b"c"):
        store.flush([(DAY, track, region_code("DE"), 5)])
        found = store.lists.get(Place.of("DE", Window("day", DAY * DAY_MS)))
    assert found is not None
    assert found.bar == (1, b"c")
    assert b"x" not in store.flush([(DAY, b"x", region_code("DE"), 5)])
    assert b"b" in store.flush([(DAY, b"b", region_code("DE"), 5)])
    assert (found.first(1), found.plays, found.tracks) == ([(b"b", 1)], 5, 5)


def test_a_board_to_be_published_again_must_exist() -> None:
    lists = Store(3).lists
    lists.mark_changed([Place(DAY, 0, ALL_DAY)])
    assert lists.take_changed() == []


@given(st.sampled_from([GLOBAL, "AA", "DE", "ZZ"]), st.integers(0, 24 * 60_000))
def test_a_place_names_its_window(region: str, hour: int) -> None:
    for window in (Window("hour", hour * HOUR_MS), Window.at("day", hour * HOUR_MS)):
        place = Place.of(region, window)
        assert (place.region_name, place.window) == (region, window)
        assert Place.unpack(place.packed) == place
