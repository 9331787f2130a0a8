"""The boards every worker holds: what is older changes nothing, whoever writes it and whenever it comes."""

import pytest

from charts.board import HEAD_KEY, RULES_KEY, Board, board_key
from charts.chart import GLOBAL
from charts.head import Head
from charts.settings import Settings
from charts.verdict import Rules
from charts.window import HOUR_MS, Window
from tables import boards as module
from tables.boards import Boards

WINDOW = Window("hour", 400_000 * HOUR_MS)
KEY = board_key(GLOBAL, WINDOW)


@pytest.fixture
def boards() -> Boards:
    boards = Boards(Settings(top_n=3))
    boards.partitions = 2
    return boards


def board(applied: int, **plays: int) -> bytes:
    rows = sorted(
        ((track, count, None, None) for track, count in plays.items()), key=lambda row: (-row[1], row[0])
    )
    return Board(applied, sum(plays.values()), len(plays), tuple(rows)).encode()


def head(
    partition: int, applied: int, clock: int, forwarded: dict[int, int] | None = None, at: int = 0
) -> bytes:
    ledger = {"counted": applied + 1}
    return Head(
        partition, applied, applied + 1, clock, clock, ledger, forwarded or {}, at, "http://a:1"
    ).encode()


def ranking(boards: Boards) -> list[tuple[str, int]]:
    chart = boards.chart(GLOBAL, WINDOW)
    return [(entry.track_id, entry.plays) for entry in chart.entries] if chart else []


def test_a_chart_is_the_boards_of_all_partitions(boards: Boards) -> None:
    boards.take(0, KEY, board(5, a=3, c=1))
    boards.take(1, KEY, board(7, b=2, d=1))
    assert ranking(boards) == [("a", 3), ("b", 2), ("c", 1)]
    chart = boards.chart(GLOBAL, WINDOW)
    assert chart is not None
    assert (chart.plays, chart.tracks) == (7, 4)


def test_an_older_board_changes_nothing_and_is_contested(boards: Boards) -> None:
    boards.take(0, KEY, board(5, a=3))
    boards.take(0, KEY, board(4, a=2))
    assert ranking(boards) == [("a", 3)]
    assert boards.take_contested(0) == {KEY}
    assert boards.take_contested(0) == set(), "told once"
    assert boards.take_contested(1) == set()


def test_a_board_of_the_same_offset_replaces(boards: Boards) -> None:
    """So a load may tell what tallies ahead of the marker hold."""
    boards.take(0, KEY, board(5, a=3))
    boards.take(0, KEY, board(5, a=4))
    assert ranking(boards) == [("a", 4)]
    assert not boards.take_contested(0)


def test_boards_of_other_partitions_are_no_rivals(boards: Boards) -> None:
    boards.take(0, KEY, board(5, a=3))
    boards.take(1, KEY, board(1, b=1))
    assert ranking(boards) == [("a", 3), ("b", 1)]


def test_a_chart_goes_when_its_last_board_does(boards: Boards) -> None:
    boards.take(0, KEY, board(5, a=3))
    boards.take(0, KEY, None)
    assert boards.charts() == []
    assert boards.chart(GLOBAL, WINDOW) is None


def test_a_chart_goes_whole_with_the_first_board_that_is_withdrawn(boards: Boards) -> None:
    boards.take(0, KEY, board(5, a=3))
    boards.take(1, KEY, board(7, b=2))
    boards.take(0, KEY, None)
    assert (boards.chart(GLOBAL, WINDOW), boards.charts()) == (None, [])
    boards.take(0, KEY, board(5, a=3))
    assert boards.chart(GLOBAL, WINDOW) is None, "one that a load published once more brings nothing back"
    boards.take(0, KEY, None)
    boards.take(1, KEY, None)
    assert not boards.held(0)
    assert not boards.held(1)
    boards.take(0, KEY, board(3, a=1))
    assert boards.chart(GLOBAL, WINDOW) is None, "nor one that a paused worker sends when all have gone"
    assert boards.held(0) == [(GLOBAL, WINDOW)]


def test_a_withdrawn_chart_stays_away_in_whatever_order_partitions_are_read(boards: Boards) -> None:
    boards.take(0, KEY, board(5, a=3))
    boards.take(0, KEY, None)
    boards.take(1, KEY, board(7, b=2))
    assert (boards.chart(GLOBAL, WINDOW), boards.charts()) == (None, [])
    assert boards.held(1) == [(GLOBAL, WINDOW)], "its owner has still to withdraw it"


def test_of_many_withdrawn_charts_the_old_ones_are_forgotten_now_and_then(
    boards: Boards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at each: with many regions there are as many that are recent."""
    monkeypatch.setattr(module, "_WITHDRAWN_MAX", 50)
    boards._withdrawn_most = 50

    def withdraw(hour: int, regions: int) -> None:
        for number in range(regions):
            boards._withdraw((f"R{number}", Window("hour", hour * HOUR_MS)))

    passes = 0
    before = boards._withdrawn
    for hour in range(100, 300):
        withdraw(hour, 3)
        passes += boards._withdrawn is not before
        before = boards._withdrawn
    assert 0 < passes < 20
    hours = {window.start // HOUR_MS for _, window in boards._withdrawn}
    assert hours > set(range(252, 300)), "two days of them stay"
    assert len(boards._withdrawn) < 2 * 3 * 50


def test_a_changed_board_is_seen_after_its_chart_was_asked_for(boards: Boards) -> None:
    boards.take(0, KEY, board(5, a=3))
    assert ranking(boards) == [("a", 3)]
    boards.take(0, KEY, board(6, a=9))
    assert ranking(boards) == [("a", 9)]


def test_a_head_with_a_lower_offset_changes_nothing(boards: Boards) -> None:
    boards.take(0, HEAD_KEY, head(0, 10, 1_000))
    boards.take(0, HEAD_KEY, head(0, 9, 2_000))
    assert boards.heads[0].applied == 10
    boards.take(0, HEAD_KEY, head(0, 10, 2_000))
    assert boards.heads[0].clock == 2_000


def test_time_is_the_slowest_partition_s(boards: Boards) -> None:
    boards.take(0, HEAD_KEY, head(0, 1, 9_000))
    assert (boards.clock, boards.stale) == (0, True), "a head is missing"
    boards.take(1, HEAD_KEY, head(1, 1, 4_000))
    assert (boards.clock, boards.as_of) == (4_000, 4_000)


def test_a_partition_that_counted_nothing_yet_does_not_take_the_present_away(boards: Boards) -> None:
    boards.take(0, HEAD_KEY, head(0, 1, 9_000))
    boards.take(1, HEAD_KEY, head(1, -1, 0))
    assert (boards.clock, boards.as_of) == (0, 9_000)


def test_nothing_is_final_while_a_play_is_on_its_way_home(boards: Boards) -> None:
    boards.take(0, RULES_KEY + b"1970-01-01", Rules(partitions=2, lateness_ms=0).encode())
    past = WINDOW.end + 1
    boards.take(1, HEAD_KEY, head(1, 7, past))
    boards.take(0, HEAD_KEY, head(0, 3, past, forwarded={1: 8}))
    assert not boards.is_final(WINDOW), "offset 8 of partition 1 is not applied"
    boards.take(1, HEAD_KEY, head(1, 8, past))
    assert boards.is_final(WINDOW)


def test_rules_come_from_the_topic(boards: Boards) -> None:
    assert not boards.has_rules
    boards.take(0, RULES_KEY + b"1970-01-01", Rules(partitions=2).encode())
    assert not boards.has_rules, "others may follow"
    boards.ready = True
    assert boards.has_rules
    assert boards.book.on(5).partitions == 2
    boards.take(0, RULES_KEY + b"1970-01-01", None)
    assert not boards.has_rules
