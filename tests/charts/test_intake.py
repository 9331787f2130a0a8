"""Intake: a run is judged as one would judge it walking, wherever it was cut."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from hypothesis import event, given, settings
from hypothesis import strategies as st

from charts.home import home_of
from charts.identity import identity_of
from charts.intake import Intake, take_in
from charts.landing import Landing, Taken, read_note
from charts.play import Play
from charts.run import FORWARDED_HEADER, Run
from charts.verdict import LANDS, Rulebook, Rules, Verdict
from tests.charts.test_verdict import NOON, books, times, verdict_of_one

PARTITION = 1


@dataclass(frozen=True)
class Record:
    value: bytes | None
    time: int
    origin: tuple[int, int] | None = None
    tick: bool = False


def play(track: str, played_at: int, ms_played: int, play_id: str = "p") -> bytes:
    return Play(play_id, "u", track, "DE", played_at, ms_played).encode()


values = st.builds(
    play,
    st.sampled_from(["a", "b", "c", "d", "tráck", "x" * 128]),
    times,
    st.sampled_from([0, 29_999, 30_000, 180_000]),
    st.sampled_from(["p", "q"]),
)
odd = st.sampled_from([None, b"", b"{}", b"null", b"\xff", b'{"track_id":"a"}', b"{", b"[1]"])
records = st.builds(
    Record,
    values | values | odd,
    times,
    st.none() | st.none() | st.tuples(st.integers(0, 7), st.integers(0, 99)),
    st.sampled_from([False, False, False, True]),
)
runs = st.lists(records, max_size=14)


def run_of(records: list[Record], first: int = 0, gap: int = 1) -> Run:
    offsets = np.arange(len(records)) * gap + first
    return Run(
        PARTITION,
        first,
        first + len(records) * gap,
        [record.value for record in records],
        offsets,
        np.array([record.time for record in records], np.int64),
        {row: record.origin for row, record in enumerate(records) if record.origin},
        frozenset(row for row, record in enumerate(records) if record.tick),
    )


def walk(records: list[Record], time: int, book: Rulebook) -> list[tuple[int, int]]:
    """The oracle: (verdict, stream time) of each record, one by one."""
    walked = []
    for record in records:
        time = max(time, record.time)
        if record.tick and not record.value:
            walked.append((int(Verdict.tick), time))
            continue
        verdict = verdict_of_one(record.value or b"", time, book)
        if record.origin and verdict != Verdict.malformed:
            verdict = LANDS
        if verdict == LANDS:
            found = Play.decode(record.value or b"")
            partitions = book.on(found.played_at // 86_400_000).partitions
            verdict = LANDS if home_of(found.track_id, partitions) == PARTITION else Verdict.forwarded
        walked.append((int(verdict), time))
    return walked


def walked(intake: Intake) -> list[tuple[int, int]]:
    return list(zip(intake.verdicts.tolist(), intake.stream_time.tolist(), strict=True))


@settings(max_examples=50, deadline=None)
@given(runs, times, books)
def test_a_run_is_judged_as_by_walking(records: list[Record], before: int, book: Rulebook) -> None:
    intake = take_in(run_of(records), before, book)
    assert walked(intake) == walk(records, before, book)
    assert intake.time_after == max([before, *(record.time for record in records)])
    for verdict in set(intake.verdicts.tolist()):
        event(Verdict(verdict).name if verdict != LANDS else "lands")


@settings(max_examples=30, deadline=None)
@given(runs, times, books, st.integers(0, 14))
def test_where_a_run_is_cut_changes_nothing(
    records: list[Record], before: int, book: Rulebook, cut: int
) -> None:
    whole = take_in(run_of(records), before, book)
    head = take_in(run_of(records[:cut]), before, book)
    rest = take_in(run_of(records).after(cut), head.time_after, book)
    assert walked(head) + walked(rest) == walked(whole)
    assert [*head.identities, *rest.identities] == list(whole.identities)
    assert rest.time_after == whole.time_after


@settings(max_examples=30, deadline=None)
@given(runs, times, books)
def test_what_lands_is_what_was_played(records: list[Record], before: int, book: Rulebook) -> None:
    intake = take_in(run_of(records, first=50, gap=3), before, book)
    landing = Landing.of(intake)
    rows = [row for row, (verdict, _) in enumerate(walk(records, before, book)) if verdict == LANDS]
    found = [Play.decode(records[row].value or b"") for row in rows]
    assert landing.offset.tolist() == [50 + 3 * row for row in rows]
    assert landing.hour.tolist() == [play.played_at // 3_600_000 for play in found]
    assert landing.tracks.id.take(pa.array(landing.track)).to_pylist() == [play.track_id for play in found]
    assert landing.identity.tolist() == [identity_of(play.track_id, play.play_id) for play in found]
    assert landing.arrived.tolist() == [records[row].origin is not None for row in rows]


@settings(max_examples=30, deadline=None)
@given(runs, times, books)
def test_what_does_not_land_is_sent_on_and_noted(records: list[Record], before: int, book: Rulebook) -> None:
    taken = Taken.of(take_in(run_of(records), before, book))
    verdicts = [verdict for verdict, _ in walk(records, before, book)]
    rejected = {Verdict.malformed, Verdict.early, Verdict.late}
    sent = [row for row, verdict in enumerate(verdicts) if verdict in {*rejected, Verdict.forwarded}]
    assert [(sending.value, sending.timestamp) for sending in taken.sendings] == [
        (records[row].value, records[row].time) for row in sent
    ]
    for row, sending in zip(sent, taken.sendings, strict=True):
        headers = {name: value.decode() for name, value in sending.headers}
        if verdicts[row] == Verdict.forwarded:
            found = Play.decode(records[row].value or b"")
            assert sending.home == home_of(found.track_id, book.on(found.played_at // 86_400_000).partitions)
            assert sending.key == found.track_id.encode()
            assert headers == {FORWARDED_HEADER: "{}:{}".format(*(records[row].origin or (PARTITION, row)))}
        else:
            assert sending.home is None
            assert headers["verdict"] == Verdict(verdicts[row]).name
            assert headers["reason"]
            assert (headers["source-partition"], headers["source-offset"]) == (str(PARTITION), str(row))
    noted = {Verdict.short, Verdict.early, Verdict.late, Verdict.forwarded}
    assert [read_note(one) for one in taken.notes.tolist()] == [
        (row, verdict) for row, verdict in enumerate(verdicts) if verdict in noted
    ]


def test_a_forwarded_play_is_not_judged_by_time_again() -> None:
    """Late and early were judged where it landed; what is not a play stays malformed."""
    book = Rulebook.of({0: Rules(partitions=1)})
    run = run_of([Record(play("a", NOON, 1), NOON, (3, 7)), Record(b"{", NOON, (3, 8))])
    run = Run(0, run.start, run.next, run.values, run.offsets, run.timestamps, run.forwarded)
    assert take_in(run, NOON + 10**9, book).verdicts.tolist() == [LANDS, Verdict.malformed]


def test_a_tick_with_a_value_is_a_play() -> None:
    book = Rulebook.of({0: Rules(partitions=PARTITION + 1)})
    run = run_of([Record(b"{", NOON, tick=True), Record(None, NOON, tick=True), Record(None, NOON)])
    intake = take_in(run, 0, book)
    assert intake.verdicts.tolist() == [Verdict.malformed, Verdict.tick, Verdict.malformed]
    assert intake.reason(0)
    assert intake.reason(1) == "moves time only"
