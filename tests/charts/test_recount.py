"""Recounts: the lake's charts against counting on one's fingers."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from charts.chart import GLOBAL
from charts.recount import counts_of, rank_days, rank_week
from charts.verdict import Rulebook, Rules
from charts.window import DAY_MS, HOUR_MS, Window

MONDAY = Window.at("week", 20_000 * DAY_MS)
plays = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "ä", "t10", "t9"]),
        st.sampled_from(["US", "DE", "NA"]),
        st.integers(MONDAY.start, MONDAY.start + 3 * DAY_MS),
    ),
    max_size=60,
)


def a_table(rows: list[tuple[str, str, int]]) -> pa.Table:
    tracks, regions, times = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "track_id": pa.array(tracks, pa.string()),
            "region": pa.array(regions, pa.string()).dictionary_encode(),
            "played_at": pa.array(times, pa.int64()).cast(pa.timestamp("ms", "UTC")),
        }
    )


def obvious(rows: list[tuple[str, str, int]], kinds: list[str], n: int) -> dict[object, object]:
    found: dict[object, Counter[str]] = {}
    for track, region, time in rows:
        for kind in kinds:
            for where in (region, GLOBAL):
                found.setdefault((where, Window.at(kind, time)), Counter())[track] += 1  # type: ignore[arg-type]
    return {
        place: (
            sum(counts.values()),
            len(counts),
            tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))[:n]),
        )
        for place, counts in found.items()
    }


@given(plays, plays, st.integers(1, 3))
@settings(deadline=None)
def test_recounted_charts_are_the_obvious_ones(
    first: list[tuple[str, str, int]], second: list[tuple[str, str, int]], n: int
) -> None:
    counts = [counts_of(a_table(first)), counts_of(a_table(second))]
    both = pa.concat_tables(counts)
    is_early = pc.less(both["track_id"], "t")
    shares = [both.filter(is_early), both.filter(pc.invert(is_early))]
    days = {place: (r.plays, r.tracks, r.first) for place, r in rank_days(shares, n).items()}
    assert days == obvious(first + second, ["hour", "day"], n)
    week = {place: (r.plays, r.tracks, r.first) for place, r in rank_week(counts, MONDAY, n).items()}
    assert week == obvious(first + second, ["week"], n)


def test_a_ranking_becomes_a_chart() -> None:
    start = MONDAY.start
    rows = [("b", "US", start), ("a", "US", start), ("b", "US", start + HOUR_MS)]
    ranked = rank_days([counts_of(a_table(rows))], 10)
    book = Rulebook.of({0: Rules()})
    chart = ranked["US", Window("day", start)].chart("US", Window("day", start), book, {"b": ("B!", None)})
    assert [(e.rank, e.track_id, e.plays, e.title) for e in chart.entries] == [
        (1, "b", 2, "B!"),
        (2, "a", 1, None),
    ]
    assert (chart.plays, chart.tracks, chart.status, chart.rules) == (3, 2, "final", Rules().version)
