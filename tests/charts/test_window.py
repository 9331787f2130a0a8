"""Windows: half-open spans of event time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charts.errors import BadRequest
from charts.window import DAY_MS, HOUR_MS, KINDS, WEEK_MS, Kind, Window, kind_of, parse_time, rfc3339

LENGTH: dict[Kind, int] = {"hour": HOUR_MS, "day": DAY_MS, "week": WEEK_MS}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
times = st.integers(0, (1 << 42) - 1)
kinds = st.sampled_from(KINDS)


def start_by_calendar(kind: Kind, time_ms: int) -> int:
    """The oracle: what a calendar says."""
    time = EPOCH + timedelta(milliseconds=time_ms)
    start = time.replace(minute=0, second=0, microsecond=0)
    if kind != "hour":
        start = start.replace(hour=0)
    if kind == "week":
        start -= timedelta(days=start.weekday())
    return (start - EPOCH) // timedelta(milliseconds=1)


@given(kinds, times)
@example("week", 0)
def test_a_window_starts_where_the_calendar_says(kind: Kind, time_ms: int) -> None:
    assert Window.at(kind, time_ms).start == start_by_calendar(kind, time_ms)


@given(kinds, times)
def test_every_time_is_in_one_window_and_in_neither_neighbour(kind: Kind, time_ms: int) -> None:
    window = Window.at(kind, time_ms)
    assert time_ms in window
    assert time_ms not in window.previous
    assert time_ms not in window.next


@given(kinds, times)
def test_windows_tile_the_time(kind: Kind, time_ms: int) -> None:
    #  previous      window        next
    # [-----------)[-----------)[-----------)
    window = Window.at(kind, time_ms)
    assert window.previous.end == window.start
    assert window.next.start == window.end == window.start + LENGTH[kind]
    assert window.previous.next == window == window.next.previous


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_is_in_and_the_end_is_out(kind: Kind) -> None:
    #      [-----------)
    #     ^^          ^^
    window = Window.at(kind, parse_time("2026-11-21T14:30:00Z"))
    assert window.start - 1 not in window
    assert window.start in window
    assert window.end - 1 in window
    assert window.end not in window


def test_the_week_begins_on_monday() -> None:
    sunday, monday = parse_time("2026-11-22T23:59:59.999Z"), parse_time("2026-11-23")
    assert Window.at("week", sunday).end == monday == Window.at("week", monday).start


@pytest.mark.parametrize(
    ("after_end", "status"),
    [(-1, "open"), (0, "closing"), (7_200_000, "closing"), (7_200_001, "final")],
)
def test_status_changes_on_the_end_and_past_the_lateness(after_end: int, status: str) -> None:
    #  [-- open --)[---- closing ----] final
    window = Window("hour", 10 * HOUR_MS)
    assert window.status(window.end + after_end, 2 * HOUR_MS) == status


@given(times)
def test_a_time_written_is_read_back(time_ms: int) -> None:
    assert parse_time(rfc3339(time_ms)) == time_ms


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1, "1970-01-01T00:00:00.001Z"), (60_000, "1970-01-01T00:01:00Z")],
)
def test_whole_seconds_carry_no_fraction(time_ms: int, text: str) -> None:
    assert rfc3339(time_ms) == text


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-02", DAY_MS),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.5Z", 500),
        ("1970-01-01T00:00:01.9999Z", 1999),
    ],
)
def test_times_are_read_with_their_offset(text: str, time_ms: int) -> None:
    assert parse_time(text) == time_ms


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-11-21T14:00:00", "2026-13-01", "1969-12-31T23:59:59Z", "2110-01-01", "9999-12-31"),
        *("12", "20261121T1", "0001-01-01T00:00:00+14:00", "2026-11-21T14", "1763683200000"),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_time(text)


@given(kinds)
def test_a_kind_is_known_by_its_name(kind: Kind) -> None:
    assert kind_of(kind) == kind


@pytest.mark.parametrize("text", ["", "month", "Hour", "hour "])
def test_other_kinds_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="hour, day, week"):
        kind_of(text)
