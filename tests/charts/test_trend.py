"""Trends against an oracle that keeps every chart and sorts everything."""

from hypothesis import given
from hypothesis import strategies as st

from charts.chart import Chart, Entry
from charts.trend import Standing, movers, standings, with_trends
from charts.window import HOUR_MS, Window, kind_of

TRACKS = "abcdefgh"
START = 1_000_000 * HOUR_MS


def chart_of(window: Window, tracks: list[str]) -> Chart:
    entries = tuple(
        Entry(rank, track, plays=100 - rank) for rank, track in zip(range(1, 9), tracks, strict=False)
    )
    return Chart("US", window, "final", 100, len(tracks), entries, as_of=window.end, rules="r")


def oracle(history: dict[Window, list[str]], window: Window, track: str) -> tuple[int | None, str, int, int]:
    """previous rank, movement, peak, windows: from every chart up to this one."""
    ranks = {w: tracks.index(track) + 1 for w, tracks in sorted(history.items()) if track in tracks}
    upto = {w: rank for w, rank in ranks.items() if w.start <= window.start}
    before = {w: rank for w, rank in upto.items() if w.start < window.start}
    previous = before.get(window.previous)
    if not before:
        movement = "new"
    elif previous is None:
        movement = "re-entry"
    elif previous == upto[window]:
        movement = "same"
    else:
        movement = "up" if upto[window] < previous else "down"
    return previous, movement, min(upto.values()), len(upto)


histories = st.dictionaries(
    st.integers(0, 12),
    st.lists(st.sampled_from(TRACKS), unique=True, max_size=6),
    min_size=1,
)


@given(histories, st.sampled_from(["hour", "day", "week"]))
def test_every_chart_says_what_the_oracle_says(drawn: dict[int, list[str]], name: str) -> None:
    kind = kind_of(name)
    first = Window.at(kind, START)
    length = first.end - first.start
    history = {Window(kind, first.start + step * length): tracks for step, tracks in drawn.items()}
    past: dict[str, Standing | None] = {}
    for window in sorted(history):
        chart = with_trends(chart_of(window, history[window]), past)
        for entry in chart.entries:
            trend = (entry.previous_rank, entry.movement, entry.peak_rank, entry.windows_on_chart)
            assert trend == oracle(history, window, entry.track_id)
        past.update(standings(chart))


def test_the_five_movements() -> None:
    # window before:  a b c      now:  b a c d e      e was last seen two windows before
    before = Window("hour", START).previous
    past = {
        "a": Standing(before.start, 1, 1, 4),
        "b": Standing(before.start, 2, 2, 3),
        "c": Standing(before.start, 3, 1, 9),
        "e": Standing(before.previous.start, 5, 5, 1),
    }
    chart = with_trends(chart_of(Window("hour", START), list("bacde")), past)
    assert [entry.movement for entry in chart.entries] == ["up", "down", "same", "new", "re-entry"]
    assert [entry.peak_rank for entry in chart.entries] == [1, 1, 1, 4, 5]
    assert [entry.windows_on_chart for entry in chart.entries] == [4, 5, 10, 1, 2]


def test_not_knowing_is_not_new() -> None:
    chart = with_trends(chart_of(Window("hour", START), ["a"]), {"a": None})
    assert chart.entries[0].movement is None
    assert chart.entries[0].windows_on_chart is None
    assert standings(chart) == {}
    assert with_trends(chart_of(Window("hour", START), ["a"]), {}, whole=False) == chart
    later = {"a": Standing(START, 1, 1, 1)}
    assert with_trends(chart_of(Window("hour", START), ["a"]), later) == chart


def test_movers_are_sorted_by_ranks_gained() -> None:
    entries = [
        Entry(1, "a", 9, previous_rank=2, movement="up"),
        Entry(2, "b", 8, previous_rank=1, movement="down"),
        Entry(3, "c", 7, previous_rank=9, movement="up"),
        Entry(4, "d", 6, movement="new"),
        Entry(5, "e", 5, previous_rank=11, movement="up"),
    ]
    assert [entry.track_id for entry in movers(entries, 10)] == ["c", "e", "a"]
    assert [entry.track_id for entry in movers(entries, 1)] == ["c"]
