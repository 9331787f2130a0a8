"""Verdicts: judged in columns as one would judge play by play, on every edge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts.errors import MalformedPlay
from charts.play import Play, decode_run
from charts.verdict import LANDS, Rulebook, Rules, Verdict, judge
from charts.window import DAY_MS, HOUR_MS

NOON = 20_000 * DAY_MS + 12 * HOUR_MS
RULES = Rules(partitions=4)


def verdict_of_one(value: bytes, stream_time: int, book: Rulebook) -> int:
    """The oracle: the table at the top of verdict.py, read aloud."""
    try:
        play = Play.decode(value)
    except MalformedPlay:
        return Verdict.malformed
    rules = book.rules[0]
    for day, rules_of_day in zip(book.days, book.rules, strict=True):
        if day <= play.played_at // DAY_MS:
            rules = rules_of_day
    if play.played_at - stream_time > rules.early_ms:
        return Verdict.early
    hour_end = play.played_at - play.played_at % HOUR_MS + HOUR_MS
    if stream_time - hour_end > rules.lateness_ms:
        return Verdict.late
    return Verdict.short if play.ms_played < rules.shortest_ms else LANDS


def value(played_at: int, ms_played: int = 180_000) -> bytes:
    return Play("p", "u", "t", "DE", played_at, ms_played).encode()


def judged(values: list[bytes], stream_times: list[int], book: Rulebook) -> list[int]:
    return judge(decode_run(values), np.array(stream_times, np.int64), book).tolist()


#: On the limits, one to either side of them, and far away.
edges = st.sampled_from(
    [-DAY_MS, -2 * HOUR_MS, -HOUR_MS, -1, 0, 1, 300_000, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS]
)
times = st.builds(lambda edge, step: NOON + edge + step, edges, st.integers(-2, 2))
rules = st.builds(
    Rules,
    partitions=st.integers(1, 8),
    lateness_ms=st.sampled_from([0, 1, HOUR_MS, 2 * HOUR_MS]),
    early_ms=st.sampled_from([0, 1, 300_000]),
    shortest_ms=st.sampled_from([0, 1, 30_000]),
)
books = st.dictionaries(st.integers(19_998, 20_002), rules, min_size=1, max_size=4).map(Rulebook.of)
plays = st.builds(value, times, st.sampled_from([0, 1, 29_999, 30_000, 180_000])) | st.just(b"{}")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(plays, times), max_size=12), books)
def test_a_run_is_judged_as_one_by_one(run: list[tuple[bytes, int]], book: Rulebook) -> None:
    values, stream_times = [v for v, _ in run], [t for _, t in run]
    assert judged(values, stream_times, book) == [verdict_of_one(v, t, book) for v, t in run]


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [(299_999, LANDS), (300_000, LANDS), (300_001, Verdict.early), (DAY_MS, Verdict.early)],
)
def test_early_is_more_than_five_minutes_ahead(ahead: int, verdict: int) -> None:
    assert judged([value(NOON + ahead)], [NOON], Rulebook.of({0: RULES})) == [verdict]


@pytest.mark.parametrize(
    ("played_at", "past_end", "verdict"),
    [
        # [------ hour ------)           two hours          |
        #  ^ the first, or the last play of an hour         ^ both may come until here
        (NOON, 2 * HOUR_MS, LANDS),
        (NOON + HOUR_MS - 1, 2 * HOUR_MS, LANDS),
        (NOON, 2 * HOUR_MS + 1, Verdict.late),
        (NOON + HOUR_MS - 1, 2 * HOUR_MS + 1, Verdict.late),
        (NOON, 0, LANDS),
    ],
)
def test_late_counts_from_the_end_of_the_hour(played_at: int, past_end: int, verdict: int) -> None:
    assert judged([value(played_at)], [NOON + HOUR_MS + past_end], Rulebook.of({0: RULES})) == [verdict]


@pytest.mark.parametrize(
    ("ms_played", "verdict"), [(29_999, Verdict.short), (30_000, LANDS), (0, Verdict.short)]
)
def test_short_is_less_than_thirty_seconds(ms_played: int, verdict: int) -> None:
    assert judged([value(NOON, ms_played)], [NOON], Rulebook.of({0: RULES})) == [verdict]


def test_the_first_that_holds_is_the_verdict() -> None:
    book = Rulebook.of({0: RULES})
    run = [b"{}", value(NOON + DAY_MS, 1), value(NOON - DAY_MS, 1), value(NOON, 1)]
    assert judged(run, [NOON] * 4, book) == [Verdict.malformed, Verdict.early, Verdict.late, Verdict.short]


def test_no_plays_have_no_verdicts() -> None:
    assert judged([], [], Rulebook.of({0: RULES})) == []


@given(books, st.integers(19_990, 20_010))
def test_the_rules_of_a_day_are_the_latest_begun(book: Rulebook, day: int) -> None:
    begun = [rules for first, rules in zip(book.days, book.rules, strict=True) if first <= day]
    assert book.on(day) == (begun[-1] if begun else book.rules[0])
    assert book.lookup(np.array([day]), "partitions").tolist() == [book.on(day).partitions]


@given(rules)
def test_rules_are_read_as_written(one: Rules) -> None:
    assert Rules.decode(one.encode()) == one


@given(rules, rules)
def test_the_version_names_exactly_these_rules(one: Rules, other: Rules) -> None:
    assert (one.version == other.version) == (one == other)


def test_stored_verdicts_keep_their_numbers() -> None:
    names = ["counted", "duplicate", "short", "late", "early", "malformed", "forwarded", "tick", "capped"]
    assert [verdict.name for verdict in sorted(Verdict)] == names
